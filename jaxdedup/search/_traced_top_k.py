"""The k nearest as programs of arrays alone, to be traced: inside ``jax.jit``, mapped, sharded.

Queries and corpus go by in tiles, so that memory does not grow with their product.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

_TILE = 256, 8192  # queries, rows of the corpus

Score = Callable[[jax.Array, jax.Array], jax.Array]
_Best = tuple[jax.Array, jax.Array]  # indices and scores, [B, k] each, the highest first


class _Tile(NamedTuple):
    """Some rows of a side, and the number of the first of them."""

    rows: jax.Array
    first: jax.Array

    def numbers(self) -> jax.Array:
        """The number of each row."""
        return self.first + jnp.arange(len(self.rows), dtype=jnp.int32)


def traced_nearest_hashes(
    hashes: jax.Array, corpus: jax.Array, k: int, *, among_themselves: bool
) -> tuple[jax.Array, jax.Array]:
    """Indices and distances of the k nearest, int32[B, k] each, of uint8[B, b] and uint8[N, b]."""
    words, others = _to_words(hashes), _to_words(corpus)
    index, score = _top_k(
        words, others, score=_negative_distance, k=k, exclude_self=among_themselves, tile=_TILE
    )
    return index, -score.astype(jnp.int32)


def traced_nearest_rows(
    features: jax.Array, corpus: jax.Array, k: int, *, among_themselves: bool
) -> tuple[jax.Array, jax.Array]:
    """Indices and similarities of the k most similar, int32[B, k] and float32[B, k]."""
    units, others = _to_units(features), _to_units(corpus)
    return _top_k(units, others, score=_similarity, k=k, exclude_self=among_themselves, tile=_TILE)


def _to_words(hashes: jax.Array) -> jax.Array:
    filled = jnp.pad(hashes, ((0, 0), (0, -hashes.shape[1] % 4)))
    return lax.bitcast_convert_type(filled.reshape(len(hashes), -1, 4), jnp.uint32)


def _negative_distance(queries: jax.Array, corpus: jax.Array) -> jax.Array:
    differences = lax.population_count(queries[:, None] ^ corpus[None]).astype(jnp.int32)
    return -differences.sum(axis=-1).astype(jnp.float32)


def _to_units(features: jax.Array) -> jax.Array:
    # Scaled by the largest element first: a square of a float32 may leave the range of float32.
    largest = jnp.abs(features).max(axis=1, keepdims=True)
    scaled = features / jnp.where(largest > 0, largest, 1)
    length = jnp.sqrt((scaled**2).sum(axis=1, keepdims=True))
    return scaled / jnp.where(length > 0, length, 1)


def _similarity(queries: jax.Array, corpus: jax.Array) -> jax.Array:
    return jnp.matmul(queries, corpus.T, precision=lax.Precision.HIGHEST).clip(-1, 1)


@partial(jax.jit, static_argnames=("score", "k", "exclude_self", "tile"))
def _top_k(
    queries: jax.Array,
    corpus: jax.Array,
    *,
    score: Score,
    k: int,
    exclude_self: bool,
    tile: tuple[int, int],
) -> _Best:
    """The k highest scores of each query, and where they are; equals stay in order."""
    query_tiles, corpus_tiles = _tiles(queries, tile[0]), _tiles(corpus, tile[1])

    def search_tile(some: _Tile) -> _Best:
        def merge(best: _Best, others: _Tile) -> tuple[_Best, None]:
            index = jnp.broadcast_to(others.numbers(), (len(some.rows), len(others.rows)))
            barred = index >= len(corpus)
            if exclude_self:
                barred |= index == some.numbers()[:, None]
            scores = jnp.where(barred, -jnp.inf, score(some.rows, others.rows))
            return _highest(best, (index, scores)), None

        # Of a score, so that inside shard_map it varies over the mesh as the scores do.
        zero = (score(some.rows, corpus_tiles.rows[0, :1]) > 0).astype(jnp.int32) * 0
        index = jnp.repeat(zero, k, axis=1)
        return lax.scan(merge, (index, index.astype(jnp.float32) - jnp.inf), corpus_tiles)[0]

    index, highest = lax.map(search_tile, query_tiles)
    return index.reshape(-1, k)[: len(queries)], highest.reshape(-1, k)[: len(queries)]


def _highest(best: _Best, others: _Best) -> _Best:
    """As many as were best so far, which stand first: they have the smaller indices."""
    index, scores = (jnp.concatenate(both, axis=1) for both in zip(best, others, strict=True))
    highest, place = lax.top_k(scores, best[0].shape[1])
    return jnp.take_along_axis(index, place, axis=1), highest


def _tiles(rows: jax.Array, most: int) -> _Tile:
    """Tiles of at most ``most`` rows, filled up with zeros, along a leading axis."""
    size = max(1, min(most, len(rows)))
    count = -(-len(rows) // size)
    filled = jnp.pad(rows, ((0, count * size - len(rows)), (0, 0)))
    first = jnp.arange(count, dtype=jnp.int32) * size
    return _Tile(filled.reshape(count, size, rows.shape[1]), first)
