"""Which encodings are near which: from maps of encodings to lists of names.

Nothing here reads images: the encodings are there already, and the names are their keys, any
hashable.
"""

import math
import numbers
import operator
import os
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jaxdedup.search import (
    CosinePairs,
    HammingPairs,
    Neighbours,
    cosine_pairs,
    groups,
    hamming_pairs,
    neighbours,
)

from ._rows import feature_rows, packed_hashes

Names = Sequence[Any]
Order = Literal["score", "index"]


class Metric(NamedTuple):
    """How the encodings of a method are compared.

    Attributes:
        to_rows: from a map of encodings to an array with a row for each.
        pairs: the pairs of rows, within one array or between two, that reach a threshold.
        check: gives a threshold back as a number; TypeError or ValueError where it is none.
        near_copy: whether each row is near a copy of itself. Features that are all zero are not,
            as they have no direction.
        default: the threshold of imagededup.
        order: of the duplicates of an image, as in imagededup: the nearest first, or as in the
            map. Among equally near ones the order is the map's.
    """

    to_rows: Callable[[Mapping[Any, Any]], NDArray[Any]]
    pairs: Callable[[NDArray[Any], NDArray[Any] | None, Any, int], HammingPairs | CosinePairs]
    check: Callable[[Any], int | float]
    near_copy: Callable[[NDArray[Any]], NDArray[np.bool_]]
    default: int | float
    order: Order


class Matches(NamedTuple):
    """What a search found: ``near.indices`` count ``others``, for each of ``names`` in turn."""

    names: Names
    others: Names
    near: Neighbours

    def to_dict(self, *, scores: bool) -> dict[Any, list[Any]]:
        """By name the list of its matches; with scores, of tuples (name, score)."""
        others = self.others
        matched: list[Any] = [others[index] for index in self.near.indices.tolist()]
        if scores:
            matched = list(zip(matched, self.near.score.tolist(), strict=True))
        ends = pairwise(self.near.starts.tolist())
        return {name: matched[a:b] for name, (a, b) in zip(self.names, ends, strict=True)}

    def with_text_names(self) -> "Matches":
        """The same with names that JSON can hold as keys."""
        texts = text_names(self.names)
        others = texts if self.others is self.names else text_names(self.others)
        return Matches(texts, others, self.near)

    def groups(self) -> list[list[int]]:
        """The items of each group, directly or indirectly near each other, largest group first."""
        i = np.repeat(np.arange(len(self.names), dtype=np.int32), np.diff(self.near.starts))
        # Every pair is here both ways, which does no harm to groups.
        pairs = HammingPairs(i, self.near.indices, np.zeros(len(i), np.uint8))
        found = [group.tolist() for group in groups(pairs, len(self.names))]
        return sorted(found, key=len, reverse=True)


def find_matches(
    metric: Metric,
    encodings: Mapping[Any, Any],
    corpus: Mapping[Any, Any] | None = None,
    *,
    threshold: int | float,
    max_pairs: int,
    order: Order | None = None,
) -> Matches:
    """The encodings that are near each other, or near those of a corpus.

    Args:
        metric: how they are compared.
        encodings: by name.
        corpus: to be searched for each of the encodings; None searches the encodings themselves,
            where none matches itself.
        threshold: as ``metric.check`` gave it.
        max_pairs: the most pairs to hold.
        order: in place of the metric's.

    Raises:
        ValueError: an encoding is malformed, the two sides do not go together, or there are more
            pairs than ``max_pairs``.
    """
    names = list(encodings)
    others = names if corpus is None else list(corpus)
    if not names or not others:
        nothing = np.zeros(0, np.int32)
        starts = np.zeros(len(names) + 1, np.int64)
        return Matches(names, others, Neighbours(starts, nothing, nothing.astype(np.uint8)))
    rows = metric.to_rows(encodings)
    corpus_rows = None if corpus is None else metric.to_rows(corpus)
    pairs = metric.pairs(rows, corpus_rows, threshold, max_pairs)
    near = neighbours(pairs, len(names), order=order or metric.order, both_ways=corpus is None)
    return Matches(names, others, near)


def text_names(names: Iterable[Hashable]) -> list[str]:
    """Names as JSON can hold them; ValueError where two become one."""
    texts = [_text(name) for name in names]
    if len(set(texts)) < len(texts):
        raise ValueError("two names have the same text, so they can't both be keys in JSON")
    return texts


def _text(name: Hashable) -> str:
    if isinstance(name, (str, bytes, os.PathLike)):
        return os.fsdecode(name)
    return str(name)


def _check_distance(value: Any) -> int:
    expected = "expected max_distance_threshold to be an integer from 0 to 64, got "
    try:
        if isinstance(value, bool | np.bool_):  # an integer to Python, and surely a mistake
            raise TypeError
        distance = operator.index(value)
    except TypeError:
        raise TypeError(f"{expected}{value!r}") from None
    if not 0 <= distance <= 64:
        raise ValueError(f"{expected}{distance}")
    return distance


def _check_similarity(value: Any) -> float:
    expected = "expected min_similarity_threshold to be a number from -1.0 to 1.0, got "
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{expected}{value!r}")
    similarity = float(value)
    if math.isnan(similarity) or not -1 <= similarity <= 1:
        raise ValueError(f"{expected}{value!r}")
    return similarity


HAMMING = Metric(
    packed_hashes,
    lambda rows, corpus, distance, max_pairs: hamming_pairs(
        rows, corpus, max_distance=distance, max_pairs=max_pairs
    ),
    _check_distance,
    near_copy=lambda rows: np.ones(len(rows), bool),
    default=10,
    order="score",
)
COSINE = Metric(
    feature_rows,
    lambda rows, corpus, similarity, max_pairs: cosine_pairs(
        rows, corpus, min_similarity=similarity, max_pairs=max_pairs
    ),
    _check_similarity,
    near_copy=lambda rows: np.asarray(rows.any(axis=1)),
    default=0.9,
    order="index",
)
