"""The k nearest as programs of arrays alone, to be traced: inside ``jax.jit``, mapped, sharded.

Queries and corpus go by in tiles, so that memory does not grow with their product. Of a tile only
groups of rows that have one of the highest scores are looked at closer: k at most, as each of
theirs comes before all of another group's.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_TILE = 256, 2**16  # queries, rows of the corpus
_GROUP = 64  # rows that follow one another


class Kind(NamedTuple):
    """What rows are compared by.

    Attributes:
        prepare: makes of rows what is compared.
        score: of some of either side, float32[B, N]: the higher, the nearer.
        pick: of queries, rows [S, G, …] in G groups, all their scores [S, B, G], and int32[B, C]
            groups for each query: the scores of those, [S, B, C].
    """

    prepare: Callable[[jax.Array], jax.Array]
    score: Callable[[jax.Array, jax.Array], jax.Array]
    pick: Callable[[jax.Array, jax.Array, jax.Array, jax.Array], jax.Array]


_Best = tuple[jax.Array, jax.Array]  # indices and scores, [B, k] each, the highest first


class _Tile(NamedTuple):
    """Some rows of a side, and the number of the first of them."""

    rows: jax.Array
    first: jax.Array

    def numbers(self, group: jax.Array) -> jax.Array:
        """int32[S, B, C], the numbers of the rows in groups [B, C], of rows [S, G, …]."""
        size = len(self.rows)
        turn = jnp.arange(size, dtype=jnp.int32)[:, None, None]
        return self.first + group[None] * size + turn


def traced_nearest_hashes(
    hashes: jax.Array, corpus: jax.Array, k: int, *, among_themselves: bool
) -> tuple[jax.Array, jax.Array]:
    """Indices and distances of the k nearest, int32[B, k] each, of uint8[B, b] and uint8[N, b]."""
    index, score = highest(hashes, corpus, kind=HASHES, k=k, exclude_self=among_themselves)
    return index, -score.astype(jnp.int32)


def traced_nearest_rows(
    features: jax.Array, corpus: jax.Array, k: int, *, among_themselves: bool
) -> tuple[jax.Array, jax.Array]:
    """Indices and similarities of the k most similar, int32[B, k] and float32[B, k]."""
    return highest(features, corpus, kind=ROWS, k=k, exclude_self=among_themselves)


def highest(
    queries: jax.Array,
    corpus: jax.Array,
    first: jax.typing.ArrayLike = 0,
    count: jax.typing.ArrayLike | None = None,
    *,
    kind: Kind,
    k: int,
    exclude_self: bool,
    tile: tuple[int, int] | None = None,
) -> _Best:
    """The k highest scores of each query, and where they are; equals stay in order.

    Args:
        queries: [B, …].
        corpus: [N, …].
        first: the number of the corpus' first row.
        count: how many rows there are; what comes after them has the score −∞.
        kind: of the rows.
        k: how many, at most N.
        exclude_self: whether the queries are rows 0 to B, and none counts for itself.
        tile: how many queries and rows go by at a time; by default some as suit all devices.

    Returns:
        int32[B, k] and float32[B, k].
    """
    count = len(corpus) if count is None else count
    numbers = jnp.asarray(first, jnp.int32), jnp.asarray(count, jnp.int32)
    found: _Best = _highest_in_tiles(
        queries, corpus, *numbers, kind=kind, k=k, exclude_self=exclude_self, tile=tile or _TILE
    )
    return found


def _to_words(hashes: jax.Array) -> jax.Array:
    filled = jnp.pad(hashes, ((0, 0), (0, -hashes.shape[1] % 4)))
    return lax.bitcast_convert_type(filled.reshape(len(hashes), -1, 4), jnp.uint32)


def _negative_distance(queries: jax.Array, corpus: jax.Array) -> jax.Array:
    return _nearness(queries[:, None] ^ corpus[None])


def _nearness(differences: jax.Array) -> jax.Array:
    counts = lax.population_count(differences).astype(jnp.int32)
    return -counts.sum(axis=-1, dtype=jnp.int32).astype(jnp.float32)


def traced_units(features: jax.Array) -> jax.Array:
    """Rows divided by their lengths; rows of zeros stay zeros."""
    # Scaled by the largest element first: a square of a float32 may leave the range of float32.
    largest = jnp.abs(features).max(axis=1, keepdims=True)
    scaled = features / jnp.where(largest > 0, largest, 1)
    length = jnp.sqrt((scaled**2).sum(axis=1, keepdims=True))
    return scaled / jnp.where(length > 0, length, 1)


def _similarity(queries: jax.Array, corpus: jax.Array) -> jax.Array:
    return jnp.matmul(queries, corpus.T, precision=lax.Precision.HIGHEST).clip(-1, 1)


def _pick_by_computing(
    queries: jax.Array, rows: jax.Array, _: jax.Array, group: jax.Array
) -> jax.Array:
    """Where scores cost less than writing all of them would."""
    return _nearness(queries[None, :, None] ^ rows[:, group])


def _pick_from_all(_: jax.Array, __: jax.Array, scores: jax.Array, group: jax.Array) -> jax.Array:
    return jnp.take_along_axis(scores, group[None], axis=2)


HASHES = Kind(_to_words, _negative_distance, _pick_by_computing)  #: uint8[N, b]
ROWS = Kind(traced_units, _similarity, _pick_from_all)  #: float32[N, D]


@partial(jax.jit, static_argnames=("kind", "k", "exclude_self", "tile"))
def _highest_in_tiles(
    queries: jax.Array,
    corpus: jax.Array,
    first: jax.Array,
    count: jax.Array,
    *,
    kind: Kind,
    k: int,
    exclude_self: bool,
    tile: tuple[int, int],
) -> _Best:
    query_tiles = _tiles(kind.prepare(queries), tile[0])
    corpus_tiles = _tiles(kind.prepare(corpus), tile[1], group=_GROUP)

    def search_tile(some: _Tile) -> _Best:
        def merge(best: _Best, others: _Tile) -> tuple[_Best, None]:
            def barred(number: jax.Array, scores: jax.Array) -> jax.Array:
                barred = number >= count
                if exclude_self:
                    itself = some.first + jnp.arange(len(some.rows), dtype=jnp.int32)
                    barred |= number + first == itself[None, :, None]
                return jnp.where(barred, -jnp.inf, scores)

            scores = jax.vmap(kind.score, (None, 0))(some.rows, others.rows)
            group = lax.broadcasted_iota(jnp.int32, scores.shape[1:], 1)
            if 2 * k < others.rows.shape[1]:
                of_groups = greatest(barred(others.numbers(group), scores), axis=0)
                group = jnp.sort(lax.top_k(of_groups, k)[1], axis=1)
                scores = kind.pick(some.rows, others.rows, scores, group)
            number = others.numbers(group)
            found = first + number, barred(number, scores)
            index, scores = (x.transpose(1, 2, 0).reshape(len(some.rows), -1) for x in found)
            return _merged(best, (index, scores)), None

        # Of a score, so that inside shard_map it varies over the mesh as the scores do.
        zero = (kind.score(some.rows, corpus_tiles.rows[0, 0, :1]) > 0).astype(jnp.int32) * 0
        index = jnp.repeat(zero, k, axis=1)
        return lax.scan(merge, (index, index.astype(jnp.float32) - jnp.inf), corpus_tiles)[0]

    index, scores = lax.map(search_tile, query_tiles)
    return index.reshape(-1, k)[: len(queries)], scores.reshape(-1, k)[: len(queries)]


def greatest(scores: jax.Array, axis: int) -> jax.Array:
    """Of float32; a maximum that lets NaN through takes a CPU three times as long."""

    def greater(a: jax.Array, b: jax.Array) -> jax.Array:
        return lax.select(a > b, a, b)

    return lax.reduce(scores, np.float32(-np.inf), greater, (axis,))


def _merged(best: _Best, others: _Best) -> _Best:
    """As many as were best so far, which stand first: they have the smaller indices."""
    index, scores = (jnp.concatenate(both, axis=1) for both in zip(best, others, strict=True))
    scores, place = lax.top_k(scores, best[0].shape[1])
    return jnp.take_along_axis(index, place, axis=1), scores


def _tiles(rows: jax.Array, most: int, group: int = 1) -> _Tile:
    """Tiles of about ``most`` rows, filled up with zeros, along a leading axis.

    With a group, the first row of each group comes first, then the second of each, and so on:
    [tiles, group, groups, …].
    """
    size = -(-max(1, min(most, len(rows))) // group) * group
    count = -(-len(rows) // size)
    filled = jnp.pad(rows, ((0, count * size - len(rows)), (0, 0)))
    first = jnp.arange(count, dtype=jnp.int32) * size
    if group > 1:
        grouped = filled.reshape(count, size // group, group, rows.shape[1])
        return _Tile(grouped.swapaxes(1, 2), first)
    return _Tile(filled.reshape(count, size, rows.shape[1]), first)
