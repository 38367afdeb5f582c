"""imagededup's ``evaluation``: :func:`jaxdedup.duplicates.evaluate`."""

from .duplicates import evaluate as evaluate

__all__ = ["evaluate"]
