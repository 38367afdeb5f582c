"""The resize of images of one size on accelerators. A program is for that size.

- `resize_planes` suits TPUs, which multiply matrices. A few images at a time, so that what is in
  between stays in fast memory.
- `resize_rows` suits GPUs: a pass is one large product of all rows of all planes, as their matrix
  units want it, between two kernels that convert and turn the planes.
- `resize_gathered` suits GPUs where an output has few inputs: a kernel gathers, multiplies and
  sums, and writes nothing in between. The sums of products would be most of the traffic there.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from ._fixed_point import round_sums
from ._lanczos import windows
from ._limbs import LIMBS, ZERO_POINT, join, limbs
from ._luma import luma_of, weigh_channels
from ._profiles import Profile

_BLOCK = 128  # outputs of a product: in a wider one most weights would be zero
_MOST_TOGETHER = 8  # images of a step
_OUTPUTS_A_STEP = 1024  # along an axis: steps of more take ever longer to compile
_WARP = 32  # of a GPU: shorter sums are one thread's; for longer ones its threads have to meet
# Bytes, of which rows are whole multiples: a product of int8 by a GPU has been wrong where they
# began at addresses that four doesn't divide (jax 0.11.2 on an H200).
_ROW = 16


def resize_on_gpu(
    images: jax.Array, size: tuple[int, int], vertical_first: bool, luma: Profile | None = None
) -> jax.Array:
    """``uint8[B, H, W, C]`` to ``uint8[B, h, w, C]``, or, with a profile of luma, one channel."""
    axis = 0 if vertical_first else 1
    inputs = windows(images.shape[1 + axis], size[axis]).taps.shape[1]
    if inputs < _WARP:
        return resize_gathered(images, size, vertical_first, luma)
    if luma is not None:
        images = weigh_channels(images, luma)[..., None]
    return resize_rows(images, size, vertical_first)


def resize_gathered(
    images: jax.Array, size: tuple[int, int], vertical_first: bool, luma: Profile | None = None
) -> jax.Array:
    """``uint8[B, H, W, C]`` to ``uint8[B, h, w, C]``, by a gather in each pass.

    With a profile of luma, whatever is gathered first becomes grey on the way.
    """

    def resize_rows(x: jax.Array, luma: Profile | None) -> jax.Array:
        batch, rows, columns, channels = x.shape
        resized = _gather(x.reshape(batch * rows, columns, channels), size[1], channels, luma)
        return resized.reshape(batch, rows, size[1], -1)

    def resize_columns(x: jax.Array, luma: Profile | None) -> jax.Array:
        batch, rows, columns, channels = x.shape
        resized = _gather(x.reshape(batch, rows, columns * channels), size[0], channels, luma)
        return resized.reshape(batch, size[0], columns, -1)

    if vertical_first:
        return resize_rows(resize_columns(images, luma), None)
    return resize_columns(resize_rows(images, luma), None)


def _gather(x: jax.Array, outputs: int, channels: int, luma: Profile | None) -> jax.Array:
    """``uint8[N, L, M]`` to ``uint8[N, outputs, M]``, or of luma ``uint8[N, outputs, M / 3]``."""
    first, _, fixed = windows(x.shape[1], outputs)
    lanes = x.shape[2] if luma is None else x.shape[2] // channels
    shape = (x.shape[0], outputs, lanes, fixed.shape[1])
    batch, _, lane, tap = (lax.broadcasted_iota(jnp.int32, shape, axis) for axis in range(4))

    def gathered(lane: jax.Array) -> jax.Array:
        at = batch, first[None, :, None, None] + tap, lane
        return x.at[at].get(mode="clip", wrap_negative_indices=False).astype(jnp.int32)

    if luma is None:
        pixels = gathered(lane)
    else:
        red, green, blue = (gathered(channels * lane + c) for c in range(channels))
        pixels = luma_of(red, green, blue, luma)
    return round_sums(jnp.sum(pixels * fixed[None, :, None], axis=-1, dtype=jnp.int32))


def resize_rows(images: jax.Array, size: tuple[int, int], vertical_first: bool) -> jax.Array:
    """``uint8[B, H, W, C]`` to ``uint8[B, h, w, C]``, by products whose sums go along rows."""
    batch, height, width, channels = images.shape

    def resize_last_axis(planes: jax.Array, outputs: int) -> jax.Array:
        rows = _signed(planes).reshape(1, -1, planes.shape[2])
        rows = jnp.pad(rows, ((0, 0), (0, 0), (0, -planes.shape[2] % _ROW)))
        # Without it XLA lets the product turn the planes, which is slow, or not compiled.
        rows = lax.optimization_barrier(rows)  # type: ignore[no-untyped-call]
        resized = _multiply(rows, 2, planes.shape[2], outputs)
        return resized.reshape(*planes.shape[:2], outputs)

    planes = images.transpose(0, 3, 1, 2).reshape(batch * channels, height, width)
    if vertical_first:
        planes = resize_last_axis(planes.swapaxes(1, 2), size[0]).swapaxes(1, 2)
    planes = resize_last_axis(planes, size[1])
    if not vertical_first:
        planes = resize_last_axis(planes.swapaxes(1, 2), size[0]).swapaxes(1, 2)
    return planes.reshape(batch, channels, *size).transpose(0, 2, 3, 1)


def resize_planes(images: jax.Array, size: tuple[int, int], vertical_first: bool) -> jax.Array:
    """``uint8[B, H, W, C]`` to ``uint8[B, h, w, C]``, by products of matrices, plane by plane."""
    batch, height, width, channels = images.shape
    axes = ((1, size[0]), (2, size[1])) if vertical_first else ((2, size[1]), (1, size[0]))

    def resize_step(planes: jax.Array) -> jax.Array:
        for axis, outputs in axes:
            planes = _multiply(_signed(planes), axis, planes.shape[axis], outputs)
        return planes

    most = max(1, min(_MOST_TOGETHER, _OUTPUTS_A_STEP // max(size)))
    together = next(count for count in range(most, 0, -1) if batch % count == 0)
    planes = images.transpose(0, 3, 1, 2)  # a TPU's own layout
    planes = planes.reshape(batch // together, together * channels, height, width)
    resized = lax.map(resize_step, planes)
    return resized.reshape(batch, channels, *size).transpose(0, 2, 3, 1)


def _signed(x: jax.Array) -> jax.Array:
    """Pixels as int8, 128 less each."""
    return (x.astype(jnp.int32) - ZERO_POINT).astype(jnp.int8)


def _multiply(x: jax.Array, axis: int, count: int, outputs: int) -> jax.Array:
    """Contract an axis of ``int8[N, H, W]``, pixels of which 128 is subtracted, to uint8.

    There are so many inputs, and after them there may be what fills up rows.
    """
    first, stop, fixed = windows(count, outputs)
    blocks = []
    for block in range(0, outputs, _BLOCK):
        rows = slice(block, block + _BLOCK)
        begin = int(first[block]) // _ROW * _ROW
        end = min(-(-int(stop[rows][-1]) // _ROW) * _ROW, x.shape[axis])
        dense = _dense(first[rows] - begin, stop[rows] - begin, fixed[rows], end - begin)
        weights = jnp.asarray(np.concatenate(limbs(dense), axis=1), jnp.int8)
        inputs = lax.slice_in_dim(x, begin, end, axis=axis)
        product = jnp.einsum(
            ("nlw,lo->now", "nhl,lo->nho")[axis - 1],
            inputs,
            weights,
            preferred_element_type=jnp.int32,
        )
        total = join(jnp.split(product, LIMBS, axis=axis))
        correction = np.expand_dims(ZERO_POINT * dense.sum(axis=0, dtype=np.int32), (0, 3 - axis))
        blocks.append(round_sums(total + correction))
    return jnp.concatenate(blocks, axis=axis)


def _dense(
    first: NDArray[np.int32], stop: NDArray[np.int32], fixed: NDArray[np.int32], count: int
) -> NDArray[np.int32]:
    """``int32[count, outputs]`` of windows on so many inputs."""
    dense = np.zeros((count, len(first)), np.int32)
    output, tap = np.nonzero(np.arange(fixed.shape[1]) < (stop - first)[:, None])
    dense[first[output] + tap, output] = fixed[output, tap]
    return dense
