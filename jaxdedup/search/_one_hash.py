"""How near one hash comes to the rows of a corpus, which stays where it is, in memory or a file.

NumPy begins at once. A program, which XLA compiles for one number of rows, is several times as
fast: it is compiled as soon as NumPy has taken as long as that does. XLA reads memory in place
only from certain addresses on: NumPy takes the rows before, and the last ones.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial, reduce
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

PIECE = 2**20  # rows at a time
_FEWEST = 2**15  # rows that are worth a call of a program
_MOST_UNITS = 32  # that a program names one by one, of a row and of a group
_WORTH_COMPILING = 2**29  # bytes that NumPy compares meanwhile
_STEP = 2**10  # rows: what a program takes is a multiple, and shared by all cores
_HOST_WORDS = 2**15  # that NumPy compares at a time, in its cache

_compared: Counter[Any] = Counter()  # bytes that NumPy has compared instead of each program


class Piece(NamedTuple):
    """Rows ``start`` to ``stop`` of a corpus, in groups from ``first`` on but for a few.

    The rows of group g of G are first + g, first + g + G, …
    """

    start: int
    stop: int
    first: int
    size: int
    least: Distances  # [G], of the nearest row of each

    def near(self, query: Packed, corpus: Packed, limit: int) -> tuple[Rows, Distances]:
        """The rows within a limit, in order, and their distances."""
        chosen, turn = np.flatnonzero(self.least <= limit), np.arange(self.size)[:, None]
        grouped = (turn * len(self.least) + chosen + self.first).ravel()
        before = np.arange(self.start, self.first)
        after = np.arange(self.first + self.size * len(self.least), self.stop)
        row = np.concatenate([before, grouped, after])
        distance = distances_of(query, corpus[row])
        near = np.flatnonzero(distance <= limit)
        return row[near], distance[near]


def least_distances(query: Packed, corpus: Packed) -> Iterator[Piece]:
    """All of a corpus, uint8[N, b], in order: how near it comes to uint8[b]."""
    share = len(corpus)
    if share > PIECE:  # as large as each other, to share a program
        share = share // -(-share // PIECE) // _STEP * _STEP
    for start in range(0, len(corpus), max(1, share)):
        rows = np.ascontiguousarray(corpus[start : start + share])
        first, size, least = _in_groups(query, rows)
        yield Piece(start, start + len(rows), start + first, size, least)


def distances_of(query: Packed, rows: Packed) -> Distances:
    """[N]: how far uint8[N, b] are from uint8[b]."""
    word = to_words(query[None])[0]
    distance = np.empty(len(rows), distance_type(WORD * len(word)))
    step = max(1, _HOST_WORDS // len(word))
    # Rows are so short that NumPy is faster at a long one.
    repeated = np.repeat(word[None], min(step, len(rows)), axis=0).reshape(-1)
    differing = np.empty_like(repeated)  # memory that is there already is faster than new
    for start in range(0, len(rows), step):
        some = to_words(rows[start : start + step]).reshape(-1)
        words = np.bitwise_xor(some, repeated[: some.size], out=differing[: some.size])
        distance[start : start + step] = count_bits(words.reshape(-1, len(word)))
    return distance


def _in_groups(query: Packed, rows: Packed) -> tuple[int, int, Distances]:
    """The first row in a group, the size of groups, and how near each comes."""
    width = rows.shape[1]
    unit = np.dtype(next(f"u{size}" for size in (4, 2, 1) if width % size == 0))
    skipped = -rows.ctypes.data % ALIGNED
    first = -(-skipped // width)
    offset, rest = divmod(first * width - skipped, unit.itemsize)
    # Corpora of nearly one size share a program, whose rows begin behind the skipped ones.
    step = max(_STEP, 2 ** (len(rows).bit_length() - 7))
    count = (len(rows) - ALIGNED) // step * step
    too_wide = width > _MOST_UNITS * unit.itemsize
    if rest or too_wide or len(rows) < _FEWEST or not _pays(rows, count, offset):
        return 0, 1, distances_of(query, rows)
    flat = rows.reshape(-1)[skipped : skipped + (count + 1) * width].view(unit)
    with jax.transfer_guard("allow"):  # none is made: the program reads this memory
        least = np.asarray(_by_program(flat, query.view(unit), offset=offset))
    return first, count // len(least), least


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
