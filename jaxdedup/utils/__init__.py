"""imagededup's ``utils``: plots of duplicates."""

from .plotter import plot_duplicates as plot_duplicates
