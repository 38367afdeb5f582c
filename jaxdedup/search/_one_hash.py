"""How near one hash comes to the rows of a corpus, which stays where it is, in memory or a file.

NumPy begins at once. A program, which XLA compiles for one number of rows, is several times as
fast: it is compiled as soon as NumPy has taken as long as that does. XLA reads memory in place
only from certain addresses on: NumPy takes the rows before, and the last ones.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial, reduce
from math import gcd
from operator import add
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from numpy.typing import NDArray

from jaxdedup.devices import ALIGNED, is_default

from ._words import WORD, Distances, count_bits, distance_type, to_words

Packed = NDArray[np.uint8]  # [N, b]
Rows = NDArray[np.intp]

_PIECE = 2**27  # bytes at a time
_FEWEST = 2**18, 2**15  # rows that are worth a call of a program: of one word, and of more
_MOST_UNITS = 32  # that a program names one by one, of a row and of a group
_WORTH_COMPILING = 2**29  # bytes that NumPy compares meanwhile
_STEP = 2**10  # rows: what a program takes is a multiple, and shared by all cores
_HOST_WORDS = 2**15  # that NumPy compares at a time, in its cache

_compared: Counter[Any] = Counter()  # bytes that NumPy has compared instead of each program


class Piece(NamedTuple):
    """Rows of a corpus from ``start`` on, most of them in groups.

    The rows of group g of G are first + g, first + g + G, …

    Attributes:
        start: the first row of all.
        before: how near each row is that comes before the groups.
        size: of a group.
        least: [G], how near each group comes.
        after: how near each row is that comes after the groups.
    """

    start: int
    before: Distances
    size: int
    least: Distances
    after: Distances

    def near(self, query: Packed, corpus: Packed, limit: int) -> tuple[Rows, Distances]:
        """The rows within a limit, in order, and their distances."""
        first = self.start + len(self.before)
        group, turn = np.flatnonzero(self.least <= limit), np.arange(self.size)[:, None]
        row = (turn * len(self.least) + group + first).ravel()
        place, distance = _within(distances_of(query, corpus[row]), limit)
        found = [
            _within(self.before, limit, self.start),
            (row[place], distance),
            _within(self.after, limit, first + self.size * len(self.least)),
        ]
        rows, distances = zip(*found, strict=True)
        return np.concatenate(rows), np.concatenate(distances)


def least_distances(query: Packed, corpus: Packed) -> Iterator[Piece]:
    """All of a corpus, uint8[N, b], in order: how near it comes to uint8[b]."""
    query = np.ascontiguousarray(query)
    pieces = max(1, -(-corpus.nbytes // _PIECE))
    share = max(1, -(-len(corpus) // (pieces * _STEP))) * _STEP  # alike, to share a program
    for start in range(0, len(corpus), share):
        yield _piece(query, np.ascontiguousarray(corpus[start : start + share]), start)


def distances_of(query: Packed, rows: Packed) -> Distances:
    """[N]: how far uint8[N, b] are from uint8[b]."""
    word = to_words(query[None])[0]
    distance = np.empty(len(rows), distance_type(WORD * len(word)))
    step = max(1, min(len(rows), _HOST_WORDS // len(word)))
    # NumPy is fastest with one word, and rows of several are so short that it is with a long one.
    repeated = word if len(word) == 1 else np.tile(word, step)
    differing = np.empty(step * len(word), np.uint64)  # memory that is there is faster than new
    for start in range(0, len(rows), step):
        some = to_words(rows[start : start + step]).reshape(-1)
        words = np.bitwise_xor(some, repeated[: some.size], out=differing[: some.size])
        distance[start : start + step] = count_bits(words.reshape(-1, len(word)))
    return distance


def _within(distance: Distances, limit: int, first: int = 0) -> tuple[Rows, Distances]:
    """Of rows from the first one on, those within a limit, and their distances."""
    near = np.flatnonzero(distance <= limit)
    return near + first, distance[near]


def _piece(query: Packed, rows: Packed, start: int) -> Piece:
    width = rows.shape[1]
    unit = np.dtype(f"u{gcd(width, 4)}")
    skipped = -rows.ctypes.data % ALIGNED
    first = -(-skipped // width)
    offset, rest = divmod(first * width - skipped, unit.itemsize)
    # Corpora of nearly one size share a program, whose rows begin behind the skipped ones.
    step = max(_STEP, 2 ** (len(rows).bit_length() - 7))
    count = (len(rows) - ALIGNED) // step * step
    too_few = len(rows) < _FEWEST[width > WORD // 8]
    too_wide = width > _MOST_UNITS * unit.itemsize
    if rest or too_few or too_wide or not _pays(rows, count, offset):
        every = distances_of(query, rows)
        return Piece(start, every[:0], 1, every, every[:0])
    flat = rows.reshape(-1)[skipped : skipped + (count + 1) * width].view(unit)
    # No transfer is made: the program reads this memory.
    with jax.transfer_guard_host_to_device("allow"):
        least = _by_program(flat, query.view(unit), offset=offset)
    before, after = (distances_of(query, some) for some in (rows[:first], rows[first + count :]))
    return Piece(start, before, count // len(least), np.asarray(least), after)


def _pays(rows: Packed, count: int, offset: int) -> bool:
    """Whether a program is there, or has been worth compiling."""
    if not is_default("cpu"):
        return False
    program = count, rows.shape[1], offset
    if _compared[program] >= _WORTH_COMPILING:
        return True
    _compared[program] += rows.size
    return False


@partial(jax.jit, static_argnames="offset")
def _by_program(flat: ArrayLike, query: ArrayLike, *, offset: int) -> jax.Array:
    """The least distance of each group of the rows from ``offset`` on, but for the last one."""
    units, words, word = jnp.shape(query)[0], jnp.asarray(flat), jnp.asarray(query)
    size = 1 << (_MOST_UNITS // units).bit_length() - 1
    share = (len(words) - units) // size  # units of each turn
    dtype = distance_type(8 * units * words.dtype.itemsize)

    def distance(turn: int) -> jax.Array:
        start = offset + turn * share
        columns = (  # each sliced from the flat array: sliced in steps, it would be copied
            lax.slice(words, (start + n,), (start + share,), (units,)) for n in range(units)
        )
        counts = [lax.population_count(column ^ word[n]) for n, column in enumerate(columns)]
        return reduce(add, (some.astype(jnp.uint32) for some in counts)).astype(dtype)

    return reduce(jnp.minimum, map(distance, range(size)))
