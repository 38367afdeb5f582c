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
from jax.typing import ArrayLike, DTypeLike

from ._lanczos import PRECISION_BITS, AxisWeights, group_length

# XLA splits an operation of more than about 200,000 cycles, as it estimates them, among the cores.
# It does so again for each step of a loop, which costs more than it gains where images are hashed
# side by side: steps stay below that.
_STEP_CYCLES = 185_000
_FEWEST_LANES = 128  # fewer would not fill the vector registers
_SHORT = 16  # the longest slice that is worth a transpose


def contract(
    x: jax.Array,
    weights: AxisWeights,
    length: int,
    used: tuple[ArrayLike, ArrayLike],
    at: tuple[ArrayLike, ...] = (),
) -> jax.Array:
    """One pass over ``x[at]``: ``uint8[M, N, I]`` to ``uint8[length, M, I]``.

    Of M and I, only the first ``used[0]`` and ``used[1]`` entries need to be right.
    """
    _, slice_length, block = weights.taps.shape
    rows, columns, inner = x.shape[-3:]
    missing = max(slice_length - columns, 0)  # a slice may be a little longer than a small image
    transposed = block == 1 and rows > 1 and slice_length <= _SHORT
    if missing or transposed or block > 1:
        x, at = jnp.pad(x[at], ((0, 0), (0, missing), (0, 0))), ()
    if block > 1:
        return multiply_limbs(x, weights, FORMS.get(jax.default_backend(), FLOAT32))[:length]
    if rows == 1:
        used_entries = jnp.asarray(used[1])
    elif transposed:
        x = x.swapaxes(0, 1).reshape(1, columns + missing, rows * inner)
        used_entries = jnp.asarray(used[0]) * inner
    else:
        used_entries = jnp.asarray(used[0])
    return sum_products(x, weights, used_entries, at).reshape(length, rows, inner)


def sum_products(
    x: jax.Array, weights: AxisWeights, used: ArrayLike, at: tuple[ArrayLike, ...] = ()
) -> jax.Array:
    """Blocks of one output, in int32, which XLA makes into loops over vector registers.

    The lanes of the vectors are the inner axis where there is but one row. Otherwise it is short,
    and the lanes are groups of neighbouring pixels: every `group`-th pixel of a slice is summed
    first, then the group. Strips are cut along the other axis, and only as many are summed as
    hold its first `used` entries: padding costs nothing.
    """
    taps, starts = jnp.asarray(weights.taps)[..., 0], jnp.asarray(weights.starts)
    outputs, slice_length = taps.shape
    rows, _, inner = shape = x.shape[-3:]
    if rows == 1:
        group, lane_weights = 1, taps[..., None]
        strip_axis = 2
        strip_length = max(_strip_length(slice_length, 1), _FEWEST_LANES)
    else:
        group = group_length(slice_length)
        lane_weights = jnp.repeat(taps.reshape(outputs, -1, group), inner, axis=2)
        strip_axis = 0
        strip_length = max(_strip_length(slice_length * inner, group * inner), 1)
    strip_length = min(strip_length, shape[strip_axis])
    strip_shape = [rows, slice_length, inner]
    strip_shape[strip_axis] = strip_length
    strip_rows, _, strip_inner = strip_shape
    zero = jnp.int32(0)  # a Python integer would be 64 bits wide under jax_enable_x64

    def sum_slice(strip_start: jax.Array, weight: jax.Array, start: jax.Array) -> jax.Array:
        begin = (zero, start, strip_start) if rows == 1 else (strip_start, start, zero)
        pixels = lax.dynamic_slice(x, (*at, *begin), (*(1 for _ in at), *strip_shape))
        pixels = pixels.astype(jnp.int32).reshape(strip_rows, -1, group * strip_inner)
        lanes = jnp.sum(pixels * weight[None], axis=1, dtype=jnp.int32)
        return _sum_groups(lanes, group, strip_inner)

    def add_strip(i: jax.Array, out: jax.Array) -> jax.Array:
        # The last strip overlaps the one before it rather than being shorter.
        strip_start = jnp.minimum(i * strip_length, shape[strip_axis] - strip_length)
        strip = lax.map(lambda block: sum_slice(strip_start, *block), (lane_weights, starts))
        strip = _round(strip)
        begin = (zero, zero, strip_start) if rows == 1 else (zero, strip_start, zero)
        return lax.dynamic_update_slice(out, strip, begin)

    strips = (jnp.asarray(used, jnp.int32) + jnp.int32(strip_length - 1)) // strip_length
    out = jnp.zeros_like(x, shape=(outputs, rows, inner))  # varying over devices where x is
    return lax.fori_loop(zero, strips, add_strip, out)


def _strip_length(products: int, lanes: int) -> int:
    """Entries of a strip, with so many products and results each, that make up a step.

    XLA counts 10 cycles a byte and 1 an operation: 14 for a product (a byte of pixels, four
    operations), 40 for a result, and 40 for each weight, which all entries share.
    """
    return (_STEP_CYCLES - 40 * products) // (14 * products + 40 * lanes)


def _sum_groups(lanes: jax.Array, group: int, inner: int) -> jax.Array:
    """``int32[M, group·I]`` to ``int32[M, I]``, by halves as long as they are even.

    Behind the barrier each addition is one of vectors. Without it XLA makes a loop over single
    lanes of all of them.
    """
    while group % 2 == 0:
        group //= 2
        lanes = lax.optimization_barrier(lanes)  # type: ignore[no-untyped-call]
        lanes = lanes[:, : group * inner] + lanes[:, group * inner :]
    return jnp.sum(lanes.reshape(-1, group, inner), axis=1, dtype=jnp.int32)


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
