"""The k nearest as programs of arrays alone, to be traced: inside ``jax.jit``, mapped, sharded.

Queries and corpus go by in tiles, so that memory does not grow with their product.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

_TILE = 256, 8192  # queries, rows of the corpus

Score = Callable[[jax.Array, jax.Array], jax.Array]


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
) -> tuple[jax.Array, jax.Array]:
    """The k highest scores of each query, and where they are; equals stay in order."""
    count = queries.shape[0]
    query_tiles = _tiles(queries, tile[0])
    corpus_tiles = _tiles(corpus, tile[1])
    first = jnp.arange(corpus_tiles.shape[0], dtype=jnp.int32) * corpus_tiles.shape[1]

    def search_tile(numbered: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        some_queries, number = numbered
        row = number * query_tiles.shape[1] + jnp.arange(query_tiles.shape[1], dtype=jnp.int32)

        def merge(
            best: tuple[jax.Array, jax.Array], some: tuple[jax.Array, jax.Array]
        ) -> tuple[tuple[jax.Array, jax.Array], None]:
            some_corpus, start = some
            index = jnp.broadcast_to(
                start + jnp.arange(some_corpus.shape[0], dtype=jnp.int32),
                (row.shape[0], some_corpus.shape[0]),
            )
            barred = index >= corpus.shape[0]
            if exclude_self:
                barred |= index == row[:, None]
            scores = jnp.where(barred, -jnp.inf, score(some_queries, some_corpus))
            # The best so far stand first: they have the smaller indices.
            scores = jnp.concatenate([best[1], scores], axis=1)
            index = jnp.concatenate([best[0], index], axis=1)
            highest, place = lax.top_k(scores, k)
            return (jnp.take_along_axis(index, place, axis=1), highest), None

        # Of a score, so that inside shard_map it varies over the mesh as the scores do.
        zero = (score(some_queries, corpus_tiles[0, :1]) > 0).astype(jnp.int32) * 0
        index = jnp.repeat(zero, k, axis=1)
        none = index, index.astype(jnp.float32) - jnp.inf
        return lax.scan(merge, none, (corpus_tiles, first))[0]

    numbers = jnp.arange(query_tiles.shape[0], dtype=jnp.int32)
    index, highest = lax.map(search_tile, (query_tiles, numbers))
    return index.reshape(-1, k)[:count], highest.reshape(-1, k)[:count]


def _tiles(rows: jax.Array, most: int) -> jax.Array:
    """[tiles, size, D]: rows in tiles of at most ``most``, filled up with zeros."""
    size = max(1, min(most, rows.shape[0]))
    tiles = -(-rows.shape[0] // size)
    filled = jnp.pad(rows, ((0, tiles * size - rows.shape[0]), (0, 0)))
    return filled.reshape(tiles, size, rows.shape[1])
