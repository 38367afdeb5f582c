"""Resize of images of one size on a CPU: elementwise int32 products, summed in strips.

The size is in the shapes, so that a program serves no other one: for arrays of the user's.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from numpy.typing import NDArray

from ._fixed_point import round_sums
from ._lanczos import windows

# XLA splits an operation of more than about 200,000 cycles, as it estimates them, among the cores.
# It does so again for each step of a loop, which costs more than it gains where images are hashed
# side by side: the steps of a sum stay below that.
_STEP_CYCLES = 185_000
_STRIP_BYTES = 1 << 20  # of its pixels; shorter strips of large images have too few lanes
_MOST_LANES = 480  # of a strip: a longer one would often be used in part
_VECTOR = 16  # int32 in the widest register
_MOST_TERMS = 25  # of a sum that the compiler of XLA's CPU back end writes out: it does 32


class _Slices(NamedTuple):
    """The weights of one axis: output o sums ``taps[o, t] · input[starts[o] + t]`` over t."""

    taps: NDArray[np.int32]  # int32[O, T]
    starts: NDArray[np.int32]  # int32[O]


def resize_in_strips(images: jax.Array, size: tuple[int, int], vertical_first: bool) -> jax.Array:
    """Both passes: ``uint8[B, H, W, C]`` to ``uint8[B, h, w, C]``."""
    batch, height, width, channels = images.shape
    vertical, horizontal = _slices(height, size[0]), _slices(width, size[1])
    matrices = images.reshape(batch, height, width * channels)

    def resize_one(i: jax.Array) -> jax.Array:
        # The strips are read from where they are in the batch: a slice of it would be a copy.
        if vertical_first:
            x = _resize_height(matrices, vertical, (i,))
            return _resize_width(x, horizontal, channels)
        x = _resize_width(matrices, horizontal, channels, (i,))
        return _resize_height(x, vertical)

    resized = lax.map(resize_one, jnp.arange(batch, dtype=jnp.int32))
    return resized.reshape(batch, *size, channels)


def _slices(length: int, outputs: int) -> _Slices:
    first, stop, weights = windows(length, outputs)
    terms = _term_count(weights.shape[1])
    slice_length = -(-weights.shape[1] // terms) * terms
    # A slice ends within the array, which is padded to the length of one slice if need be.
    starts = np.minimum(first, max(length - slice_length, 0)).astype(np.int32)
    taps = np.zeros((outputs, slice_length), np.int32)
    output, tap = np.nonzero(np.arange(weights.shape[1]) < (stop - first)[:, None])
    taps[output, first[output] + tap - starts[output]] = weights[output, tap]
    return _Slices(taps, starts)


def _term_count(slice_length: int) -> int:
    """How many products of a slice are summed in one step: all of a short one, parts of others."""
    return -(-slice_length // -(-slice_length // _MOST_TERMS))


def _resize_width(
    x: jax.Array, weights: _Slices, channels: int, at: tuple[ArrayLike, ...] = ()
) -> jax.Array:
    """The horizontal pass over ``x[at]``: ``uint8[H, W·C]`` to ``uint8[H, w·C]``."""
    rows, row_length = x.shape[-2:]
    length = _strip_length(weights, rows, row_length, channels)

    def resize_strip(start: jax.Array) -> jax.Array:
        # Rows become the lanes of the vectors. This transpose and the last one stand between a
        # matrix and a loop, where XLA makes them copies, for which it has a fast routine.
        strip = _slice(x, at, (start, 0), (length, row_length)).T
        return _sum_products(strip, weights, channels)

    shape = (len(weights.taps) * channels, rows)
    return _map_strips(resize_strip, length, jnp.zeros_like(x, shape=shape)).T


def _resize_height(x: jax.Array, weights: _Slices, at: tuple[ArrayLike, ...] = ()) -> jax.Array:
    """The vertical pass over ``x[at]``: ``uint8[H, L]`` to ``uint8[h, L]``."""
    rows, columns = x.shape[-2:]
    length = _strip_length(weights, columns, rows, 1)

    def resize_strip(start: jax.Array) -> jax.Array:
        return _sum_products(_slice(x, at, (0, start), (rows, length)), weights)

    return _map_strips(resize_strip, length, jnp.zeros_like(x, shape=(len(weights.taps), columns)))


def _sum_products(x: jax.Array, weights: _Slices, channels: int = 1) -> jax.Array:
    """``uint8[N·C, L]`` to ``uint8[O·C, L]``.

    Each step sums a few of an output's products: a loop over vectors of lanes.
    """
    outputs, slice_length = weights.taps.shape
    lanes = x.shape[1]
    x = _pad_to(slice_length * channels, x)
    terms = _term_count(slice_length)
    steps = slice_length // terms  # for each output
    taps = jnp.asarray(weights.taps.reshape(-1, terms))
    offsets = np.arange(0, slice_length, terms, dtype=np.int32)
    starts = jnp.asarray(np.add.outer(weights.starts, offsets).reshape(-1) * channels)

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
    function: Callable[[jax.Array], jax.Array], length: int, out: jax.Array
) -> jax.Array:
    """What the function makes of strips of an axis, side by side as the columns of a matrix.

    Args:
        function: from where a strip starts to its columns.
        length: the number of a strip's columns.
        out: zeros of the matrix's shape.
    """
    zero = jnp.int32(0)  # a Python integer would be 64 bits wide under jax_enable_x64

    def add_strip(i: jax.Array, out: jax.Array) -> jax.Array:
        # The last strip overlaps the one before it rather than being shorter.
        start = jnp.minimum(i * length, out.shape[1] - length)
        return lax.dynamic_update_slice(out, function(start), (zero, start))

    return lax.fori_loop(zero, jnp.int32(-(-out.shape[1] // length)), add_strip, out)


def _strip_length(weights: _Slices, length: int, contracted: int, channels: int) -> int:
    """Into how long strips, in whole vectors, to cut an axis beside a contracted one.

    XLA counts 10 cycles a byte and 1 an operation: 14 for a product (a byte of pixels, four
    operations), 40 for a sum, and 40 for each weight. An entry has `channels` sums.
    """
    terms = _term_count(weights.taps.shape[1])
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


def _pad_to(length: int, x: jax.Array) -> jax.Array:
    """Padded to at least the length of a slice, which may be a little longer than a small image."""
    return jnp.pad(x, ((0, max(0, length - x.shape[0])), (0, 0)))
