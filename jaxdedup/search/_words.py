"""Packed hashes as words of 64 bits, which the host compares eight bytes at a time."""

from collections.abc import Iterable
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

Words = NDArray[np.uint64]  # [N, w]: the bits of N hashes
Distances = NDArray[np.unsignedinteger[Any]]

WORD = 64  # bits


def to_words(hashes: ArrayLike) -> Words:
    """uint64[N, w]: the bytes, and zeros after them that fill the last word."""
    # Which bit of a word is which does not matter to a distance, so neither does the byte order.
    packed = np.asarray(hashes)
    filling = -packed.shape[1] % (WORD // 8)
    packed = np.pad(packed, ((0, 0), (0, filling))) if filling else np.ascontiguousarray(packed)
    return packed.view(np.uint64)


def distance_type(width: int) -> "np.dtype[np.unsignedinteger[Any]]":
    """The smallest type that holds the distances between hashes of so many bits."""
    return np.dtype(np.uint8 if width < 2**8 else np.uint16)


def count_bits(words: Words) -> Distances:
    """[..., w] to [...]: how many bits are set."""
    return _sum(np.bitwise_count(words[..., n]) for n in range(words.shape[-1]))


def distances_to_groups(groups: Words, i: NDArray[Any], b: Words, j: NDArray[Any]) -> Distances:
    """[H, S]: how many bits differ between each of S hashes of group ``i[h]`` and ``b[j[h]]``.

    Args:
        groups: uint64[w, G, S], the words of S hashes in each of G groups.
        i: [H].
        b: uint64[N, w].
        j: [H].
    """
    width, flat = b.shape[1], b.reshape(-1)
    return _sum(
        np.bitwise_count(words.take(i, axis=0) ^ flat.take(j * width + n)[:, None])
        for n, words in enumerate(groups)
    )


def _sum(counts: Iterable[Distances]) -> Distances:
    # Word by word: NumPy is slow along an axis as short as that of the words.
    each = list(counts)
    dtype = distance_type(WORD * len(each))
    return reduce(add, (count.astype(dtype, copy=False) for count in each))


def where(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """``np.nonzero`` of a matrix, where NumPy is slow: rows and columns, row by row."""
    row, column = np.divmod(np.flatnonzero(mask), mask.shape[1])
    return row, column
