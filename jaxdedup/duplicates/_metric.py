"""How the rows of a method are compared."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jaxdedup.encoding import Bits, Origin, method_named
from jaxdedup.runtime import integer_within, number_within
from jaxdedup.search import (
    CosinePairs,
    HammingPairs,
    cosine_pairs,
    cosine_top_k,
    hamming_pairs,
    hamming_top_k,
    iter_cosine_pairs,
    iter_hamming_pairs,
)

Order = Literal["score", "index"]
Pairs = HammingPairs | CosinePairs
Progress = Callable[[float], object]

_SIMILARITY = 0.9  # imagededup's


@dataclass(frozen=True)
class Metric:
    """How rows of one kind are compared.

    Attributes:
        pairs: the pairs of rows, within one array or between two, that reach a threshold.
        iter_pairs: those within one array, piece by piece, with a function that is told the share
            of the work that is done.
        nearest: the k nearest rows of a corpus, of each row: as pairs, the nearest first.
        check: from what a threshold is called, a threshold and the bits of a row to the threshold
            as a number.
        order: of the duplicates of an image, as in imagededup: the nearest first, or as in the
            map. Among equally near ones the order is the map's.
        copy_score: how near equal rows are.
    """

    pairs: Callable[[NDArray[Any], NDArray[Any] | None, Any, int], Pairs]
    iter_pairs: Callable[[NDArray[Any], Any, Progress | None], Iterator[Pairs]]
    nearest: Callable[[NDArray[Any], NDArray[Any], int], Pairs]
    check: Callable[[str, Any, int], int | float]
    order: Order
    copy_score: int | float

    def farness(self, scores: NDArray[Any]) -> NDArray[np.float32]:
        """Of each distance or similarity: the greater, the farther."""
        return np.abs(scores.astype(np.float32) - self.copy_score)


def metric_of(origin: Origin) -> Metric:
    """How rows of an origin are compared: bits by distance, features by similarity."""
    return HAMMING if origin.dtype == "uint8" else COSINE


def check_threshold(origin: Origin, threshold: Any = None, name: str = "threshold") -> int | float:
    """A threshold for rows of an origin, under the caller's ``name``; None for the method's own.

    That is imagededup's, 10 of 64 bits or a similarity of 0.9; of other bits the same share.

    Raises:
        TypeError: it is no number; of hashes, no integer.
        ValueError: it is out of range: of hashes from 0 to their bits, of features from −1 to 1.

    Example:
        >>> from jaxdedup.encoding import METHODS, Recipe
        >>> check_threshold(Recipe(METHODS["phash"]).origin)
        10
    """
    value = default_threshold(origin) if threshold is None else threshold
    return metric_of(origin).check(name, value, origin.count or 0)


def default_threshold(origin: Origin) -> int | float:
    """What stands for no threshold: of hashes a distance in bits, of features a similarity.

    Example:
        >>> from jaxdedup.encoding import METHODS, Recipe
        >>> default_threshold(Recipe(METHODS["cnn"]).origin)
        0.9
    """
    if origin.dtype != "uint8":
        return _SIMILARITY
    row = origin.row if origin.own else method_named(origin.method).row
    return row.threshold if isinstance(row, Bits) else _SIMILARITY


def _hamming(
    rows: NDArray[Any], corpus: NDArray[Any] | None, distance: int, max_pairs: int
) -> HammingPairs:
    return hamming_pairs(rows, corpus, max_distance=distance, max_pairs=max_pairs)


def _cosine(
    rows: NDArray[Any], corpus: NDArray[Any] | None, similarity: float, max_pairs: int
) -> CosinePairs:
    return cosine_pairs(rows, corpus, min_similarity=similarity, max_pairs=max_pairs)


def _iter_hamming(
    rows: NDArray[Any], distance: int, on_progress: Progress | None
) -> Iterator[HammingPairs]:
    return iter_hamming_pairs(rows, max_distance=distance, on_progress=on_progress)


def _iter_cosine(
    rows: NDArray[Any], similarity: float, on_progress: Progress | None
) -> Iterator[CosinePairs]:
    return iter_cosine_pairs(rows, min_similarity=similarity, on_progress=on_progress)


def _nearest_hashes(rows: NDArray[Any], corpus: NDArray[Any], k: int) -> HammingPairs:
    found = hamming_top_k(rows, corpus, k=k)
    return HammingPairs(*_as_pairs(found.indices), np.ravel(found.distance).astype(np.uint16))


def _nearest_rows(rows: NDArray[Any], corpus: NDArray[Any], k: int) -> CosinePairs:
    found = cosine_top_k(rows, corpus, k=k)
    return CosinePairs(*_as_pairs(found.indices), np.ravel(found.similarity))


def _as_pairs(indices: Any) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    rows, k = indices.shape
    return np.repeat(np.arange(rows, dtype=np.int32), k), np.ravel(indices)


def _check_distance(name: str, value: Any, bits: int) -> int:
    return integer_within(name, value, 0, bits)


def _check_similarity(name: str, value: Any, _: int) -> float:
    return number_within(name, value, -1.0, 1.0)


HAMMING = Metric(
    _hamming, _iter_hamming, _nearest_hashes, _check_distance, order="score", copy_score=0
)
COSINE = Metric(
    _cosine, _iter_cosine, _nearest_rows, _check_similarity, order="index", copy_score=1.0
)
