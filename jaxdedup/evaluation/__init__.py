"""imagededup's ``evaluation``."""

from .evaluation import evaluate as evaluate
