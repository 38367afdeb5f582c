"""Which groups of rows may hold one of the most similar: bounds by products of bfloat16, on a CPU.

Such products take half the time of those of float32 where a processor has instructions for them.
If rounding moves x by a length of e and y by f, both of unit length, it moves x·y by e + f + e·f at
most (Cauchy and Schwarz), of which the lengths are computed.
"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from numpy.typing import NDArray

from jaxdedup.devices import ON_ONE_CORE, WideProgram, is_default

from ._bound import margin
from ._rows import Features
from ._scan import filled
from ._traced_top_k import greatest, traced_units

GROUP = 4  # rows
_LARGE = 32  # groups of a large one
_ROWS = 2**11  # of a call
_QUERIES = 2**7  # of which there is a multiple
_MOST_QUERIES = 2**10  # at a time
_BOUNDS = 2**24  # to hold
_FEWEST_QUERIES = 2**8  # fewer leave the cores waiting for memory
_WORTH_COMPILING = 2**35  # products that the host makes meanwhile
_FOR_A_WHILE = 16  # times as many

_multiplied: Counter[Any] = Counter()  # products that were made instead of each program's


class Bounds(NamedTuple):
    """Of the similarities of queries and rows.

    Attributes:
        first: the first row.
        highest: float32[Q, G]: of each group of rows, what none exceeds by more than `off`.
        off: float32[Q, 1].
        least: float32[Q, L]: of each larger group, what one at least reaches.
        is_finite: whether the rows are.
    """

    first: int
    highest: NDArray[np.float32]
    off: NDArray[np.float32]
    least: NDArray[np.float32]
    is_finite: bool


def group_bounds_pay(queries: Features, corpus: Features, k: int) -> bool:
    """Whether the program is there, or has been worth compiling, or will be."""
    if not is_default("cpu") or len(queries) < _FEWEST_QUERIES:
        return False
    if 4 * k > len(corpus) // (GROUP * _LARGE):  # they would rule out little
        return False
    kind = _kind(queries, corpus)
    _multiplied[kind] += len(queries) * corpus.size
    return _multiplied[kind] >= _WORTH_COMPILING


def group_bounds_are_weak(queries: Features, corpus: Features) -> None:
    """They ruled out little: rows of that kind go without for a while."""
    _multiplied[_kind(queries, corpus)] = -_FOR_A_WHILE * _WORTH_COMPILING


def group_bounds(queries: Features, corpus: Features, pool: Executor) -> Iterator[list[Bounds]]:
    """The bounds of all rows, in order, some calls at a time.

    Args:
        queries: float32[Q, D] of unit length, 1,024 at most.
        corpus: float32[N, D].
        pool: as many threads as there are cores.
    """
    rounded = filled(queries, _padded(len(queries))).astype(jnp.bfloat16)
    lost = np.linalg.norm(queries - rounded[: len(queries)].astype(np.float32), axis=1)[:, None]

    def bounds(first: int) -> Bounds:
        some = np.ascontiguousarray(corpus[first : first + _ROWS])
        highest, large, error, is_finite = map(np.asarray, _products(rounded, filled(some, _ROWS)))
        # The lengths are rounded themselves.
        off = 1.01 * (lost + error + lost * error) + margin(corpus.shape[1], False)
        least = large[: len(queries)] - off
        whole = len(some) // (GROUP * _LARGE)  # without rows that fill up the call
        least[:, whole:] = -np.inf
        return Bounds(first, highest[: len(queries)], off, least, bool(is_finite))

    step = max(1, _BOUNDS * GROUP // len(queries) // _ROWS) * _ROWS
    for start in range(0, len(corpus), step):
        yield list(pool.map(bounds, range(start, min(start + step, len(corpus)), _ROWS)))


def parts_of_queries(count: int) -> Iterator[slice]:
    """As many as go through :func:`group_bounds` at a time."""
    return (slice(start, start + _MOST_QUERIES) for start in range(0, count, _MOST_QUERIES))


def _kind(queries: Features, corpus: Features) -> tuple[int, int]:
    return _padded(len(queries)), corpus.shape[1]


def _padded(count: int) -> int:
    return min(_MOST_QUERIES, -(-count // _QUERIES) * _QUERIES)


@partial(WideProgram, options=ON_ONE_CORE)
@jax.jit
def _products(queries: ArrayLike, rows: ArrayLike) -> tuple[jax.Array, ...]:
    """The highest products of groups and of larger ones, the most that a row loses, finiteness."""
    rows = jnp.asarray(rows)
    units = traced_units(rows)
    rounded = units.astype(jnp.bfloat16)
    lost = units - rounded.astype(jnp.float32)
    products = lax.dot_general(
        jnp.asarray(queries),
        rounded,
        (((1,), (1,)), ((), ())),
        preferred_element_type=jnp.float32,
    )
    highest = greatest(products.reshape(len(products), -1, GROUP), axis=2)
    large = greatest(highest.reshape(len(products), -1, _LARGE), axis=2)
    return highest, large, jnp.sqrt((lost * lost).sum(axis=1).max()), jnp.isfinite(rows).all()
