"""Lists of pairs, on the host: their sorting, and the neighbours of every item they make.

How many pairs a search finds depends on the data, so they are NumPy arrays, never traced.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ._words import Distances

Indices = NDArray[np.int32]

DEFAULT_MAX_PAIRS = 10_000_000  # about 100 MB of pairs
_COUNT_ON = 10  # past the limit, pairs are still counted up to this many times the limit


class HammingPairs(NamedTuple):
    """Pairs of hashes, P of them: ``i`` and ``j`` int32[P], ``distance`` in bits.

    uint8[P], or uint16[P] for hashes of more than 255 bits.
    """

    i: Indices
    j: Indices
    distance: Distances


class CosinePairs(NamedTuple):
    """Pairs of feature rows, P of them: ``i`` and ``j`` int32[P], ``similarity`` float32[P]."""

    i: Indices
    j: Indices
    similarity: NDArray[np.float32]


PairsT = TypeVar("PairsT", HammingPairs, CosinePairs)
PieceT = TypeVar("PieceT", bound=tuple[Any, ...])


class Neighbours(NamedTuple):
    """The neighbours of N items, one item after the other (compressed sparse rows).

    The neighbours of item n are ``indices[starts[n]:starts[n + 1]]``, and their distances or
    similarities the same part of ``score``. ``starts`` is int64[N + 1], ``indices`` int32[Q],
    ``score`` uint8[Q], uint16[Q] or float32[Q].
    """

    starts: NDArray[np.int64]
    indices: Indices
    score: Distances | NDArray[np.float32]


def neighbours(
    pairs: HammingPairs | CosinePairs,
    count: int,
    *,
    order: Literal["score", "index"] = "score",
    both_ways: bool = True,
) -> Neighbours:
    """Arranges pairs as one list of neighbours for each item.

    Args:
        pairs: what :func:`hamming_pairs` or :func:`cosine_pairs` returned, P of them.
        count: N, the number of items, which the pairs do not tell: the last may have none.
        order: ``"score"``: each list starts with the nearest, equals by index; ``"index"``: in the
            order of the items.
        both_ways: whether a pair makes each of the two a neighbour of the other: True after a
            self-join, False after a search of queries in a corpus, where N counts the queries.

    Returns:
        Lists that hold 2·P entries in all, or P where ``both_ways`` is False.

    Raises:
        ValueError: ``order`` is neither of the two.

    Example:
        >>> import numpy as np
        >>> from jaxdedup.search import hamming_pairs
        >>> hashes = np.array([[0] * 8, [0] * 7 + [3], [0] * 7 + [1]], np.uint8)
        >>> near = neighbours(hamming_pairs(hashes, max_distance=2), len(hashes))
        >>> near.indices[near.starts[0] : near.starts[1]].tolist()
        [2, 1]
    """
    if order not in ("score", "index"):
        raise ValueError(f"expected order 'score' or 'index', got {order!r}")
    i, j, score = pairs
    if both_ways:
        i, j = np.concatenate([i, j]), np.concatenate([j, i])
        score = np.concatenate([score, score])
    nearest_first = -score if isinstance(pairs, CosinePairs) else score
    permutation = np.lexsort((j, nearest_first, i) if order == "score" else (j, i))
    starts = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(i, minlength=count), out=starts[1:])
    return Neighbours(starts, j[permutation], score[permutation])


def collect(
    pieces: Iterator[PieceT],
    finish: Callable[[PieceT], PairsT],
    nothing: PairsT,
    max_pairs: int,
) -> PairsT:
    """All pieces, finished, as one list sorted by (i, j), or a ValueError if it is too long.

    A piece starts with the pairs' i and j. Beyond ``max_pairs`` it is only counted, unfinished,
    and so is the size that the error tells. ``nothing`` is the result where there are no pieces.
    """
    parts = [nothing]
    total = 0
    for piece in pieces:
        if total <= max_pairs:
            parts.append(finish(piece))
            total += len(parts[-1].i)
        elif total <= _COUNT_ON * max_pairs:
            parts.clear()
            total += len(piece[0])
        else:
            break
    if total > max_pairs:
        raise ValueError(_too_many(isinstance(nothing, HammingPairs), total, max_pairs))
    return _sorted(parts)


def _too_many(hamming: bool, total: int, max_pairs: int) -> str:
    about = "more than" if total > _COUNT_ON * max_pairs else "exactly" if hamming else "about"
    narrow = "a smaller max_distance" if hamming else "a larger min_similarity"
    stream = "iter_hamming_pairs()" if hamming else "iter_cosine_pairs()"
    return (
        f"the result would be {about} {total:,} pairs, expected at most max_pairs={max_pairs:,}. "
        f"Ask for {narrow}, take them piece by piece from {stream}, or raise max_pairs: a pair "
        f"takes about 40 bytes until they are sorted"
    )


def _sorted(parts: list[PairsT]) -> PairsT:
    """Joins lists of pairs into one, sorted by (i, j)."""
    i, j, score = (np.concatenate(column) for column in zip(*parts, strict=True))
    permutation = np.argsort(i.astype(np.int64) << 32 | j, kind="stable")
    return type(parts[0])(i[permutation], j[permutation], score[permutation])
