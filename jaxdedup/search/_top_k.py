"""The k nearest of a corpus, as pure functions of arrays: they may be traced, jitted and sharded.

Queries and corpus go by in tiles, so that memory does not grow with their product.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from ._checks import check_features, check_hashes, check_positive

_TILE = 256, 8192  # queries, rows of the corpus

Score = Callable[[jax.Array, jax.Array], jax.Array]


class HammingTopK(NamedTuple):
    """The k nearest of each of B hashes: ``indices`` and ``distance``, int32[B, k]."""

    indices: jax.Array
    distance: jax.Array


class CosineTopK(NamedTuple):
    """The k nearest of each of B rows: ``indices`` int32[B, k], ``similarity`` float32[B, k]."""

    indices: jax.Array
    similarity: jax.Array


def hamming_top_k(hashes: ArrayLike, corpus: ArrayLike | None = None, *, k: int) -> HammingTopK:
    """Finds the k nearest neighbours of each hash.

    Equals a stable sort of all distances: of equals, the one with the smaller index comes first.

    Args:
        hashes: uint8[B, b], packed.
        corpus: uint8[N, b]; None searches ``hashes`` themselves, and no hash is its own neighbour.
        k: how many, at most N, or B − 1 without a corpus.

    Returns:
        Indices into the corpus and distances in bits, nearest first.

    Raises:
        TypeError: hashes are not uint8, or k is not an integer.
        ValueError: a shape other than (N, b), two widths, or more neighbours than there are.

    Example:
        >>> import numpy as np
        >>> hashes = np.array([[0] * 8, [255] * 8, [0] * 7 + [3]], np.uint8)
        >>> hamming_top_k(hashes, k=1).indices[:, 0].tolist()
        [2, 2, 0]
    """
    check_hashes(hashes, corpus)
    k = _check_k(k, hashes, corpus)
    words = _to_words(jnp.asarray(hashes))
    others = words if corpus is None else _to_words(jnp.asarray(corpus))
    index, score = _top_k(
        words, others, score=_negative_distance, k=k, exclude_self=corpus is None, tile=_TILE
    )
    return HammingTopK(index, -score.astype(jnp.int32))


def cosine_top_k(features: ArrayLike, corpus: ArrayLike | None = None, *, k: int) -> CosineTopK:
    """Finds the k rows most similar to each row.

    Equals a stable sort of all cosine similarities, up to the rounding of float32, in which they
    are computed: about 1e-6, and not the same on every device. :func:`cosine_pairs` is exact.

    Args:
        features: float32[B, D]. NaN is not looked for: it cannot be under ``jax.jit``.
        corpus: float32[N, D]; None searches ``features`` themselves, and no row is its own
            neighbour.
        k: how many, at most N, or B − 1 without a corpus.

    Returns:
        Indices into the corpus and similarities, −1 to 1, most similar first.

    Raises:
        TypeError: features are not float32, or k is not an integer.
        ValueError: a shape other than (N, D), or more neighbours than there are.

    Example:
        >>> import numpy as np
        >>> features = np.array([[1, 0], [0, 1], [3, 4]], np.float32)
        >>> cosine_top_k(features, k=1).indices[:, 0].tolist()
        [2, 2, 1]
    """
    check_features(features, corpus)
    k = _check_k(k, features, corpus)
    units = _to_units(jnp.asarray(features))
    others = units if corpus is None else _to_units(jnp.asarray(corpus))
    index, score = _top_k(
        units, others, score=_similarity, k=k, exclude_self=corpus is None, tile=_TILE
    )
    return CosineTopK(index, score)


def _check_k(k: int, queries: ArrayLike, corpus: ArrayLike | None) -> int:
    k = check_positive(k, "k")
    available = jnp.shape(queries)[0] - 1 if corpus is None else jnp.shape(corpus)[0]
    if k > available:
        raise ValueError(f"expected k of at most {available}, the neighbours there are, got {k}")
    return k


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

        none = jnp.zeros((row.shape[0], k), jnp.int32), jnp.full((row.shape[0], k), -jnp.inf)
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
