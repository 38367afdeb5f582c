"""Exact integer contraction of uint8 pixels with planned weights: both passes of a resize on a CPU.

Each output is ``clip((Σ weight·pixel + 2²¹) >> 22, 0, 255)``: elementwise int32 products, summed,
in strips that are read once.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from ._lanczos import PRECISION_BITS, AxisWeights, term_count

# XLA splits an operation of more than about 200,000 cycles, as it estimates them, among the cores.
# It does so again for each step of a loop, which costs more than it gains where images are hashed
# side by side: the steps of a sum stay below that.
_STEP_CYCLES = 185_000
_STRIP_BYTES = 1 << 20  # of its pixels; shorter strips of large images have too few lanes
_MOST_LANES = 480  # of a strip: a longer one would often be used in part
_VECTOR = 16  # int32 in the widest register


def resize_width(
    x: jax.Array,
    weights: AxisWeights,
    width: int,
    channels: int,
    used: ArrayLike,
    at: tuple[ArrayLike, ...] = (),
    stride: ArrayLike | None = None,
) -> jax.Array:
    """The horizontal pass over ``x[at]``: ``uint8[H, W·C]`` to ``uint8[H, width·C]``.

    Of the rows, only the first `used` need to be right. They are those of `read_rows`.
    """
    rows, row_length = x.shape[-2:]
    length = _strip_length(weights, rows, row_length, channels)

    def resize_strip(start: jax.Array) -> jax.Array:
        # Rows become the lanes of the vectors. This transpose and the last one stand between a
        # matrix and a loop, where XLA makes them copies, for which it has a fast routine.
        strip = read_rows(x, at, start, length, stride).T
        return sum_products(strip, weights, channels)

    return _map_strips(
        resize_strip, length, used, jnp.zeros_like(x, shape=(width * channels, rows))
    ).T


def resize_height(
    x: jax.Array, weights: AxisWeights, height: int, used: ArrayLike, at: tuple[ArrayLike, ...] = ()
) -> jax.Array:
    """The vertical pass over ``x[at]``: ``uint8[H, L]`` to ``uint8[height, L]``.

    Of the columns, only the first `used` need to be right.
    """
    rows, columns = x.shape[-2:]
    length = _strip_length(weights, columns, rows, 1)

    def resize_strip(start: jax.Array) -> jax.Array:
        return sum_products(_slice(x, at, (0, start), (rows, length)), weights)

    return _map_strips(resize_strip, length, used, jnp.zeros_like(x, shape=(height, columns)))


def read_rows(
    x: jax.Array,
    at: tuple[ArrayLike, ...],
    start: ArrayLike,
    count: int,
    stride: ArrayLike | None = None,
) -> jax.Array:
    """``x[at][start : start + count]``; given a stride, rows of the same length that far apart."""
    row_length = x.shape[-1]
    if stride is None:
        return _slice(x, at, (start, 0), (count, row_length))
    flat = x.reshape(*x.shape[:-2], -1)
    rows = start + jnp.arange(count, dtype=jnp.int32)
    return jax.vmap(lambda row: _slice(flat, at, (row * stride,), (row_length,)))(rows)


def sum_products(x: jax.Array, weights: AxisWeights, channels: int = 1) -> jax.Array:
    """``uint8[N·C, L]`` to ``uint8[O·C, L]``.

    Each step sums a few of an output's products: a loop over vectors of lanes.
    """
    taps, starts = jnp.asarray(weights.taps), jnp.asarray(weights.starts)
    outputs, slice_length = taps.shape
    lanes = x.shape[1]
    x = _pad_to(slice_length * channels, x, axis=0)
    terms = term_count(slice_length)
    steps = slice_length // terms  # for each output
    taps = taps.reshape(-1, terms)
    starts = jnp.add.outer(starts, jnp.arange(0, slice_length, terms, dtype=jnp.int32)).reshape(-1)
    starts = starts * channels

    def sum_terms(i: jax.Array, sums: jax.Array) -> jax.Array:
        pixels = _slice(x, (), (starts[i], 0), (terms * channels, lanes))
        pixels = pixels.astype(jnp.int32).reshape(terms, channels, lanes)
        products = pixels * taps[i][:, None, None]
        total = jnp.sum(products, axis=0, dtype=jnp.int32)
        return lax.dynamic_update_index_in_dim(sums, total, i, 0)

    # Zeros like x vary over the devices where x does.
    sums = jnp.zeros_like(x, jnp.int32, shape=(outputs * steps, channels, lanes))
    sums = lax.fori_loop(jnp.int32(0), jnp.int32(outputs * steps), sum_terms, sums)
    sums = jnp.sum(sums.reshape(outputs, steps, channels, lanes), axis=1, dtype=jnp.int32)
    return round_sums(sums).reshape(outputs * channels, lanes)


def _map_strips(
    function: Callable[[jax.Array], jax.Array], length: int, used: ArrayLike, out: jax.Array
) -> jax.Array:
    """What the function makes of strips of an axis, side by side as the columns of a matrix.

    Args:
        function: from where a strip starts to its columns.
        length: the number of a strip's columns.
        used: only as many strips are made as hold the first `used` columns: padding costs nothing.
        out: zeros of the matrix's shape.
    """
    zero = jnp.int32(0)  # a Python integer would be 64 bits wide under jax_enable_x64

    def add_strip(i: jax.Array, out: jax.Array) -> jax.Array:
        # The last strip overlaps the one before it rather than being shorter.
        start = jnp.minimum(i * length, out.shape[1] - length)
        return lax.dynamic_update_slice(out, function(start), (zero, start))

    strips = (jnp.asarray(used, jnp.int32) + jnp.int32(length - 1)) // length
    return lax.fori_loop(zero, strips, add_strip, out)


def _strip_length(weights: AxisWeights, length: int, contracted: int, channels: int) -> int:
    """Into how long strips, in whole vectors, to cut an axis beside a contracted one.

    XLA counts 10 cycles a byte and 1 an operation: 14 for a product (a byte of pixels, four
    operations), 40 for a sum, and 40 for each weight. An entry has `channels` sums.
    """
    terms = term_count(weights.taps.shape[1])
    most = (_STEP_CYCLES - 40 * terms) // (14 * terms + 40)
    most = min(most, _MOST_LANES, _STRIP_BYTES * channels // contracted)
    strips = -(-length // max(most // channels, 1))
    return min(-(-length // (strips * _VECTOR)) * _VECTOR, length)


def _slice(
    x: jax.Array, at: tuple[ArrayLike, ...], starts: tuple[ArrayLike, ...], shape: tuple[int, ...]
) -> jax.Array:
    """A part of ``x[at]``."""
    starts = tuple(jnp.asarray(start, jnp.int32) for start in (*at, *starts))
    return lax.dynamic_slice(x, starts, (*(1 for _ in at), *shape)).reshape(shape)


def _pad_to(length: int, x: jax.Array, axis: int) -> jax.Array:
    """Padded to at least the length of a slice, which may be a little longer than a small image."""
    if x.shape[axis] >= length:
        return x
    padding = [(0, 0)] * x.ndim
    padding[axis] = (0, length - x.shape[axis])
    return jnp.pad(x, padding)


def round_sums(total: jax.Array) -> jax.Array:
    """Sums of pixels times weights, int32, as pixels."""
    half = 1 << (PRECISION_BITS - 1)
    return jnp.clip((total + half) >> PRECISION_BITS, 0, 255).astype(jnp.uint8)
