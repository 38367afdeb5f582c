"""imagededup's ``utils``: plots of duplicates, and models of the user's own."""

from jaxdedup.encoding import CustomModel as CustomModel

from .plotter import plot_duplicates as plot_duplicates
