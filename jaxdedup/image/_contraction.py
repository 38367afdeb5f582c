"""Exact integer contraction of uint8 pixels with planned weights: one pass of a resize.

A pass maps ``uint8[M, N, I]`` to ``uint8[O, M, I]``: it contracts the middle axis, and the result's
axis comes first. So an image ``[H, W, C]`` becomes ``[w, H, C]`` and then ``[h, w, C]`` without a
transpose. Each output is ``clip((Σ weight·pixel + 2²¹) >> 22, 0, 255)``, and the sum is exact, in
one of two ways:

- blocks of one output (CPU): elementwise int32 products, summed, in strips that stay in cache;
- blocks of several (GPU, TPU): matrix products of limbs, whose partial sums are all exact.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike

from ._lanczos import PRECISION_BITS, AxisWeights, group_length

_STRIP_BYTES = 128 * 1024  # pixels of a strip, which is read once an output: a part of an L2 cache


def contract(x: jax.Array, weights: AxisWeights, length: int) -> jax.Array:
    """One pass: ``uint8[M, N, I]`` to ``uint8[length, M, I]``."""
    missing = weights.taps.shape[1] - x.shape[1]
    if missing > 0:  # a slice is at least one vector long
        x = jnp.pad(x, ((0, 0), (0, missing), (0, 0)))
    if weights.taps.shape[-1] == 1:
        return sum_products(x, weights)
    return multiply_limbs(x, weights, FORMS.get(jax.default_backend(), FLOAT32))[:length]


def sum_products(x: jax.Array, weights: AxisWeights) -> jax.Array:
    """Blocks of one output, in int32: XLA fuses a block into one loop over vector registers.

    The sum over a slice is taken in two steps: first over every `group`-th pixel, with `group`
    pixels side by side in the lanes of vectors, then over the group.
    """
    taps, starts = jnp.asarray(weights.taps)[..., 0], jnp.asarray(weights.starts)
    outputs, slice_length = taps.shape
    rows, columns, inner = x.shape
    if rows > 1:
        axis, strip = 0, _STRIP_BYTES // (columns * inner)
        group = group_length(slice_length)
        lane_weights = jnp.repeat(taps.reshape(outputs, -1, group), inner, axis=2)
    else:  # the inner axis is long and makes the lanes by itself
        axis, strip = 2, _STRIP_BYTES // slice_length
        group = 1
        lane_weights = taps[..., None]
    sizes = [rows, slice_length, inner]
    sizes[axis] = strip = min(max(strip, 1), x.shape[axis])

    def resize_strip(offset: jax.Array) -> jax.Array:
        def one_output(block: tuple[jax.Array, jax.Array]) -> jax.Array:
            weight, start = block
            begin = [jnp.int32(0), start, jnp.int32(0)]
            begin[axis] = offset
            pixels = lax.dynamic_slice(x, begin, sizes).astype(jnp.int32)
            pixels = pixels.reshape(sizes[0], -1, group * sizes[2])
            return jnp.sum(pixels * weight[None], axis=1, dtype=jnp.int32)

        lanes = lax.map(one_output, (lane_weights, starts))
        lanes = lanes.reshape(outputs, sizes[0], group, sizes[2])
        return _round(jnp.sum(lanes, axis=2, dtype=jnp.int32))

    def body(i: jax.Array, out: jax.Array) -> jax.Array:
        # The last strip overlaps the one before it rather than being shorter.
        offset = jnp.minimum(i * strip, x.shape[axis] - strip)
        begin = [jnp.int32(0), jnp.int32(0), jnp.int32(0)]
        begin[1 if axis == 0 else 2] = offset
        return lax.dynamic_update_slice(out, resize_strip(offset), begin)

    out = jnp.zeros((outputs, rows, inner), jnp.uint8)
    return lax.fori_loop(jnp.int32(0), jnp.int32(-(-x.shape[axis] // strip)), body, out)


class Form(NamedTuple):
    """How integers are held in a matrix product so that it is exact.

    Weights are cut into balanced limbs, ``w = Σ limb_k · 2^(bits·k)`` with
    ``-2^(bits-1) <= limb_k < 2^(bits-1)`` for all but the highest. Every sum of up to `MAX_TERMS`
    products, in any order, is below 2²⁴ and exact in float32: 255 · 128 · 512 < 2²⁴ for the lower
    limbs; and 255 · (2²³/2^(bits·k) + 512/2) < 2²⁴ for the highest, by the bound on the weights.
    """

    dtype: DTypeLike  # of pixels and limbs, which it holds exactly
    accumulator: DTypeLike
    limbs: int
    bits: int
    zero_point: int = 0  # subtracted from the pixels, and its product added back


MAX_TERMS = 512
FLOAT32 = Form(jnp.float32, jnp.float32, limbs=2, bits=7)
BFLOAT16 = Form(jnp.bfloat16, jnp.float32, limbs=3, bits=8)
INT8 = Form(jnp.int8, jnp.int32, limbs=3, bits=8, zero_point=128)
FORMS = {"tpu": BFLOAT16}  # elsewhere FLOAT32


def multiply_limbs(x: jax.Array, weights: AxisWeights, form: Form) -> jax.Array:
    """Blocks of several outputs, as one batched product for every `MAX_TERMS` inputs of a slice."""
    taps = jnp.asarray(weights.taps)
    blocks, slice_length, block = taps.shape
    slices = jax.vmap(lambda start: lax.dynamic_slice_in_dim(x, start, slice_length, axis=1))(
        jnp.asarray(weights.starts)
    )
    pixels = (slices.astype(jnp.int32) - form.zero_point).astype(form.dtype)
    limbs = _limbs(taps, form)
    total = form.zero_point * jnp.sum(taps, axis=1, dtype=jnp.int32)[..., None, None]
    for t in range(0, slice_length, MAX_TERMS):
        product = jnp.einsum(
            "gmti,gtkn->gknmi",
            pixels[:, :, t : t + MAX_TERMS],
            limbs[:, t : t + MAX_TERMS],
            precision=lax.Precision.HIGHEST,
            preferred_element_type=form.accumulator,
        ).astype(jnp.int32)
        total = total + sum(product[:, k] << (form.bits * k) for k in range(form.limbs))
    return _round(total).reshape(blocks * block, x.shape[0], x.shape[2])


def _limbs(taps: jax.Array, form: Form) -> jax.Array:
    """``int32[G, T, q]`` to ``form.dtype[G, T, limbs, q]``, the lowest limb first."""
    half = 1 << (form.bits - 1)
    limbs = []
    for _ in range(form.limbs - 1):
        low = ((taps + half) & (2 * half - 1)) - half
        limbs.append(low)
        taps = (taps - low) >> form.bits
    return jnp.stack([*limbs, taps], axis=2).astype(form.dtype)


def _round(total: jax.Array) -> jax.Array:
    half = 1 << (PRECISION_BITS - 1)
    return jnp.clip((total + half) >> PRECISION_BITS, 0, 255).astype(jnp.uint8)
