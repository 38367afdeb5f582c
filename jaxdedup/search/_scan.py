"""Which rows of a corpus are within a limit of each query, in one pass: the device rules rows out.

For each group of queries and each row, the device says whether the row is within the limit of any
of the group, one byte for so many comparisons. The host looks at those rows, which are few. Rows
come in order, and the limits may be lowered meanwhile: that is how the nearest are found.
"""

from collections.abc import Callable, Iterator
from functools import reduce
from operator import add
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from numpy.typing import NDArray

from jaxdedup.devices import WideProgram

from ._devices import power_of_two, stream
from ._nearest import Found
from ._one_hash import Packed, least_distances
from ._words import (
    Words,
    distance_type,
    distances_between,
    to_words,
    where,
)

Limits = NDArray[np.int64]  # [B], above the distances that count
Turns = Any  # one of a group's hashes, or all

GROUP = 16  # hashes that share a byte

_TOGETHER = 2  # hashes that share a reading of the rows
_GROUPS = 32  # of queries that the device takes at a time
_ASIDE = 64
_BYTES = 2**20  # of the corpus that the device takes at a time, at most,
_GROUP_BYTES = 2**24  # and times the groups of queries
_LOOKED_AT = 2**12  # rows that the host compares with their groups at a time, in its cache
_SUMMED = 31  # bytes, whose bits can be counted in a byte
_FEW_QUERIES = 12  # the host has compared these with a row sooner than it is laid out for a device
_FEW_PAIRS = 2**22  # the host has compared these before a program is compiled


def is_for_host(queries: Packed, corpus: Packed) -> bool:
    """Whether the host has compared them all before a device has begun."""
    return len(queries) <= _FEW_QUERIES or len(queries) * len(corpus) <= _FEW_PAIRS


def scan(queries: Packed, corpus: Packed, limits: Limits, device: jax.Device) -> Iterator[Found]:
    """The rows within the limits, some at a time; for each query in order.

    Args:
        queries: uint8[B, b].
        corpus: uint8[N, b].
        limits: int64[B], above the distances that count. Lowering one keeps rows out that are yet
            to be compared.
        device: compares, if the host does not.

    Returns:
        Queries, rows and distances.
    """
    if is_for_host(queries, corpus):
        return _scan_on_host(queries, corpus, limits)
    return _scan_on_device(queries, corpus, limits, device)


def _scan_on_host(queries: Packed, corpus: Packed, limits: Limits) -> Iterator[Found]:
    for number, query in enumerate(queries):
        for piece in least_distances(query, corpus):
            row, distance = piece.near(query, corpus, int(limits[number]) - 1)
            yield Found(np.full(len(row), number), row, distance)


def _scan_on_device(
    queries: Packed, corpus: Packed, limits: Limits, device: jax.Device
) -> Iterator[Found]:
    """Tile of queries by tile, for some rows of the corpus after the other."""
    groups = min(_GROUPS, power_of_two(-(-len(queries) // GROUP)))
    size = groups * GROUP
    tiles = [slice(start, start + size) for start in range(0, len(queries), size)]
    on_device = [jax.device_put(by_turns(queries[tile], groups), device) for tile in tiles]
    grouped = (_grouped(to_words(queries[tile]), groups) for tile in tiles)
    words = [np.ascontiguousarray(np.moveaxis(some, -1, 0)) for some in grouped]
    others = to_words(corpus)

    def launch(part: tuple[int, jax.Array, int], device: jax.Device) -> jax.Array:
        _, rows, number = part
        most = by_turns(_narrow(limits[tiles[number]]), groups)
        with jax.transfer_guard_host_to_device("allow"):  # sooner than device_put
            return _near_groups(rows, on_device[number], most)

    parts = (
        (start, rows, number)
        for start, rows in planes(corpus, groups, device)
        for number in range(len(tiles))
    )
    for (start, _, number), near in stream(parts, launch, [device]):
        tile = tiles[number]
        group, row = where(np.asarray(near)[:, : len(others) - start])
        most = _grouped(_narrow(limits[tile]), groups)
        for first in range(0, len(row), _LOOKED_AT):
            part = slice(first, first + _LOOKED_AT)
            found = _within(words[number], most, group[part], others, row[part] + start)
            yield found._replace(query=found.query + tile.start)


def _within(
    words: NDArray[np.uint64],
    limits: NDArray[np.unsignedinteger[Any]],
    group: NDArray[np.intp],
    corpus: Words,
    row: NDArray[np.intp],
) -> Found:
    """Which queries of a group have the row within their limits, for groups and rows side by side.

    Args:
        words: uint64[w, groups, GROUP], of the queries.
        limits: [groups, GROUP].
        group: [H].
        corpus: uint64[N, w].
        row: [H].
    """
    flat, first = corpus.reshape(-1), row * corpus.shape[1]  # to take from a column would copy it
    distance = distances_between(
        (word.take(group, axis=0) for word in words),
        (flat.take(first + n)[:, None] for n in range(len(words))),
    )
    hit, turn = where(distance < limits.take(group, axis=0))
    return Found(group[hit] * GROUP + turn, row[hit], distance[hit, turn])


def _narrow(limits: Limits) -> NDArray[np.unsignedinteger[Any]]:
    """In as few bytes as hold them, which are compared the sooner."""
    return limits.astype(distance_type(limits.max()))


def planes(rows: Packed, groups: int, device: jax.Device) -> Iterator[tuple[int, jax.Array]]:
    """Some rows after the other: the first of them, and their first bytes, their second bytes, …

    uint8[b, rows], filled up with zeros, to be compared with some groups.
    """
    # No multiple of 4,096: bytes that far apart share a place in a CPU's cache.
    most = min(_BYTES, _GROUP_BYTES // groups) // power_of_two(rows.shape[1])
    size = min(max(most, 2 * _ASIDE), power_of_two(len(rows) + _ASIDE)) - _ASIDE
    for start in range(0, len(rows), size):
        yield start, jax.device_put(filled(rows[start : start + size], size).T, device)


def filled(rows: NDArray[Any], count: int) -> NDArray[Any]:
    """So many rows, the last ones zero. With a limit of zero, nothing is within it."""
    if len(rows) == count:
        return rows
    more = np.zeros((count, *rows.shape[1:]), rows.dtype)
    more[: len(rows)] = rows
    return more


def by_turns(rows: NDArray[Any], groups: int) -> NDArray[Any]:
    """[GROUP, …, groups]: the first row of each group, then the second, and so on."""
    return np.ascontiguousarray(np.moveaxis(_grouped(rows, groups), 0, -1))


def _grouped(rows: NDArray[Any], groups: int) -> NDArray[Any]:
    """[groups, GROUP, …], the last ones zero."""
    return filled(rows, groups * GROUP).reshape(groups, GROUP, *rows.shape[1:])


@WideProgram
@jax.jit
def _near_groups(rows: ArrayLike, groups: ArrayLike, limits: ArrayLike) -> jax.Array:
    """Which rows are within the limit of any hash of a group.

    Args:
        rows: uint8[b, N].
        groups: uint8[S, b, G]: S hashes in each of G groups.
        limits: [S, G], above the distances that count.

    Returns:
        bool[G, N].
    """
    most = jnp.asarray(limits)

    def is_near(distance: jax.Array, turns: Turns) -> jax.Array:
        return distance < most[turns][..., None]

    return _over_turns(rows, groups, is_near, most.dtype, lax.bitwise_or, np.False_)


@WideProgram
@jax.jit
def nearest_in_groups(rows: ArrayLike, groups: ArrayLike) -> jax.Array:
    """The distance of the nearest hash of each group to each row, uint8[G, N]; else the same.

    255 is that or more.
    """
    far = np.uint8(255)
    return _over_turns(rows, groups, lambda distance, _: distance, far.dtype, lax.min, far)


def _over_turns(
    rows: ArrayLike,
    groups: ArrayLike,
    score: Callable[[jax.Array, Turns], jax.Array],
    dtype: Any,
    join: Callable[[jax.Array, jax.Array], jax.Array],
    start: Any,
) -> jax.Array:
    """[G, N]: the scores of the distances to the hashes of each group, joined.

    A CPU takes the first hash of all groups, then the second, …; accelerators fuse all into one
    reduction, and no distance leaves their registers.
    """

    def one_by_one(rows: jax.Array, groups: jax.Array) -> jax.Array:
        def compare(step: Any, joined: jax.Array) -> jax.Array:
            for turn in range(_TOGETHER):
                i = step * _TOGETHER + turn
                joined = join(joined, score(_distances(groups[i], rows, dtype), i))
            return joined

        nothing = jnp.full((groups.shape[2], rows.shape[1]), start)
        return lax.fori_loop(0, len(groups) // _TOGETHER, compare, nothing)

    def at_once(rows: jax.Array, groups: jax.Array) -> jax.Array:
        scores = score(_distances(groups, rows, dtype), slice(None))
        return lax.reduce(scores, start, join, (0,))

    arrays = jnp.asarray(rows), jnp.asarray(groups)
    return lax.platform_dependent(*arrays, cpu=one_by_one, default=at_once)


def _distances(a: jax.Array, b: jax.Array, dtype: Any) -> jax.Array:
    """[…, G, N] of uint8[…, b, G] and uint8[b, N]. In bytes, what they can't hold becomes 255.

    Bits are counted byte by byte, which a CPU does for 32 of them at once.
    """
    each = jnp.moveaxis(a, -2, 0)[..., None]
    counts = [
        lax.population_count(x ^ jnp.expand_dims(y, range(a.ndim - 1)))
        for x, y in zip(each, b, strict=True)
    ]
    sums = [reduce(add, counts[n : n + _SUMMED]) for n in range(0, len(counts), _SUMMED)]
    if dtype == jnp.uint8:
        return reduce(lambda x, y: x + jnp.minimum(y, 255 - x), sums)
    return reduce(add, (some.astype(dtype) for some in sums))
