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


def distances_between(a: Iterable[Words], b: Iterable[Words]) -> Distances:
    """How many bits differ: of the first words of both, which broadcast, the second, and so on."""
    return _sum(np.bitwise_count(x ^ y) for x, y in zip(a, b, strict=True))


def _sum(counts: Iterable[Distances]) -> Distances:
    # Word by word: NumPy is slow along an axis as short as that of the words.
    each = list(counts)
    dtype = distance_type(WORD * len(each))
    return reduce(add, (count.astype(dtype, copy=False) for count in each))


def where(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """``np.nonzero`` of a matrix, where NumPy is slow: rows and columns, row by row."""
    row, column = np.divmod(np.flatnonzero(mask), mask.shape[1])
    return row, column
