"""Duplicates among encodings: matches, groups, what can go, and how good it is what was found."""

from ._evaluation import evaluate
from ._keep import Keep, check_keep
from ._matches import DEFAULT_MAX_PAIRS, Matches, find_matches, text_names
from ._metric import COSINE, HAMMING, Metric, check_threshold

__all__ = [
    "COSINE",
    "DEFAULT_MAX_PAIRS",
    "HAMMING",
    "Keep",
    "Matches",
    "Metric",
    "check_keep",
    "check_threshold",
    "evaluate",
    "find_matches",
    "text_names",
]
