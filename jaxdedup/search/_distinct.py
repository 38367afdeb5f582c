"""Equal rows, which one search can stand for.

Thousands of equal rows are millions of pairs that their equality implies. Whoever groups them, or
keeps one of each group, searches the distinct rows alone and counts the others in.
"""

from math import prod
from typing import Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from ._pairs import Indices

_COMPARED = 2**22  # bytes that are compared at a time


class DistinctRows(NamedTuple):
    """The kinds of N rows, U of them, in the order in which they first turn up.

    ``first`` int32[U] is the first row of each kind, ``kind`` int32[N] the kind of each row and
    ``counts`` int64[U] how many rows are of a kind.
    """

    first: Indices
    kind: Indices
    counts: NDArray[np.int64]


def distinct_rows(rows: ArrayLike) -> DistinctRows:
    """Tells which rows are equal, byte for byte.

    ``rows[first]`` are those to search. Equals ``np.unique(rows, axis=0)`` up to the order, but for
    floats: 0.0 and −0.0 are told apart.

    Args:
        rows: [N, …] of any dtype: packed hashes, or features.

    Returns:
        The kinds of rows.

    Raises:
        ValueError: rows have no axis.

    Example:
        >>> import numpy as np
        >>> hashes = np.array([[7] * 8, [0] * 8, [7] * 8], np.uint8)
        >>> first, kind, counts = distinct_rows(hashes)
        >>> first.tolist(), kind.tolist(), counts.tolist()
        ([0, 1], [0, 1, 0], [2, 1])
    """
    host = np.asarray(rows)
    if host.ndim == 0:
        raise ValueError("expected rows of shape (N, …), got ()")
    packed = np.ascontiguousarray(host).reshape(len(host), prod(host.shape[1:])).view(np.uint8)
    order = _order(packed)
    first_of_kind = _differ_from_the_one_before(packed, order)
    first = order[first_of_kind]
    # So far the kinds are in the order of their bytes.
    turn = np.argsort(first)
    rank = np.empty_like(turn)
    rank[turn] = np.arange(len(turn))
    kind = np.empty(len(order), np.int32)
    kind[order] = rank[np.cumsum(first_of_kind) - 1]
    counts = np.bincount(kind, minlength=len(first))
    return DistinctRows(first[turn].astype(np.int32), kind, counts)


def _order(packed: NDArray[np.uint8]) -> NDArray[np.int64]:
    """An order in which equal rows follow each other, the smallest index first."""
    width = packed.shape[1]
    if width == 0:
        return np.arange(len(packed))
    row: Any = np.uint64 if width == np.uint64().nbytes else f"V{width}"
    return np.argsort(packed.view(row)[:, 0], kind="stable")


def _differ_from_the_one_before(
    packed: NDArray[np.uint8], order: NDArray[np.int64]
) -> NDArray[np.bool_]:
    differs = np.ones(len(order), bool)
    step = max(1, _COMPARED // max(1, packed.shape[1]))
    for start in range(1, len(order), step):
        end = start + step
        before = order[start - 1 : end - 1][: len(order) - start]
        differs[start:end] = (packed[order[start:end]] != packed[before]).any(axis=1)
    return differs
