"""imagededup's ``evaluation.evaluation``: :func:`jaxdedup.duplicates.evaluate`."""

from jaxdedup.duplicates import evaluate as evaluate
