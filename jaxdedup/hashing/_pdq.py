"""PDQ: which of 16×16 low frequencies of the smoothed image are greater than their median.

No resize: two box filters along each axis, of which 64 places are kept. All of that is linear, and
so is planned as weights of each axis, in fixed point; the sums are exact integers throughout.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from numpy.typing import NDArray

from jaxdedup.image import by_platform, checked_images, form_on_cpu

from ._method import over_batch, pack_bits

SIDE = 64  # of the small image
KEPT = 16  # frequencies an axis
FEWEST = 5  # pixels a side: smaller images have no hash
CLOSE = 5e-3  # to the median, where the reference's rounding may decide a bit

_FRACTION_BITS = 22  # of the weights of an axis, whose sum is 1
_SMALL_BITS = 16  # fraction of the small image, 0 to 255
_DCT_BITS = 22  # of the DCT matrix, all of whose entries are below 2⁻²
_HALF_BITS = 15  # fraction of what one side of the DCT gives, below 2¹² · 2¹⁵
_FULL_BITS = 14  # of the coefficients, below 2¹⁶ · 2¹⁴


Weigh = Callable[[jax.Array], jax.Array]


class PDQ(NamedTuple):
    """PDQ hashes.

    Attributes:
        hash: ``uint8[..., 32]``, 256 bits, as the hex digits of the reference have them; with
            ``dihedral`` ``uint8[..., 8, 32]``.
        quality: ``int32[...]``, 0 to 100: how much there is to see. The authors of PDQ discard
            what is below 50.
        tied: ``bool[...]``, with ``dihedral`` ``bool[..., 8]``: whether coefficients beside the
            median are so close to it that the rounding noise of the reference may decide their
            bits.
    """

    hash: jax.Array
    quality: jax.Array
    tied: jax.Array


def pdq(images: ArrayLike, *, dihedral: bool = False) -> PDQ:
    """PDQ hash of each image, with its quality.

    Equals ``pdqhash.compute`` of images as they are, in hash and quality, where ``tied`` is False.
    Constant, striped, mirrored and enlarged images are tied, of natural ones some in a hundred:
    there the reference's bits are the noise of its float32 sums, which the encoders redo on the
    host. Here ties are exact: an integer is greater than the median or it is not.

    Args:
        images: ``uint8[..., H, W, 3]`` or ``uint8[..., H, W]``. Where a side is shorter than 5,
            the hash is zero and so is its quality.
        dihedral: whether to give the eight hashes of ``pdqhash.compute_dihedral``, in its order:
            original, rotated by 90, 180, 270°, flipped in X, Y, plus 1 and minus 1. It turns the
            frequencies, which is cheap and near to the hash of a turned image, some 11 to 20 bits
            away: that itself is what :func:`jaxdedup.encoding.oriented` searches for.

    Returns:
        Hashes, qualities and ties.

    Raises:
        TypeError: the images are not uint8.
        ValueError: they have no pixels, or the wrong number of axes or channels.

    Source: Facebook, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm",
    2019; pdqhash 0.2.8.

    Example:
        >>> import numpy as np
        >>> from jaxdedup import pdq
        >>> slope = np.tile(np.arange(200, dtype=np.uint8), (100, 1))
        >>> pdq(slope).hash.shape
        (32,)
    """
    array, is_rgb = checked_images(images)
    program = _program(array.ndim - (3 if is_rgb else 2), is_rgb, bool(dihedral), form_on_cpu())
    return cast(PDQ, over_batch(program, array))


@lru_cache(maxsize=16)
def _program(
    batch_axes: int, is_rgb: bool, dihedral: bool, on_cpu: str
) -> Callable[[jax.Array], PDQ]:
    def form(weigh: Weigh, over_batch: Callable[..., Any] = jax.vmap) -> Callable[..., Any]:
        one: Callable[..., Any] = partial(
            _pdq_of_one, is_rgb=is_rgb, dihedral=dihedral, weigh=weigh
        )
        for _ in range(batch_axes):
            one = over_batch(one)
        return one

    # One image after the other on a TPU: what is in between stays in fast memory.
    tpu = form(_weigh_by_product, lambda one: partial(lax.map, one))
    cpu, gpu = form(_weigh_in_turn), form(_weigh_by_gather)
    return jax.jit(partial(by_platform, cpu=cpu, gpu=gpu, tpu=tpu, on_cpu=on_cpu))


def _pdq_of_one(image: jax.Array, is_rgb: bool, dihedral: bool, weigh: Weigh) -> PDQ:
    height, width = image.shape[:2]
    variants = (8,) if dihedral else ()
    if min(height, width) < FEWEST:
        nothing = jnp.zeros((*variants, KEPT**2 // 8), jnp.uint8)
        return PDQ(nothing, jnp.int32(0), jnp.zeros(variants, bool))
    small = _small(image, is_rgb, weigh)
    coefficients = _coefficients(small)
    if dihedral:
        coefficients = _turned(coefficients)
    coefficients = coefficients.reshape(*variants, -1)
    median = jnp.sort(coefficients)[..., KEPT**2 // 2 - 1, None]
    close = jnp.abs(coefficients - median) < round(CLOSE * 2**_FULL_BITS)
    bits = (coefficients > median)[..., ::-1]
    return PDQ(pack_bits(bits), _quality(small), jnp.sum(close, axis=-1, dtype=jnp.int32) > 1)


def _turned(c: jax.Array) -> jax.Array:
    """The coefficients of the eight variants: mirroring an axis negates its even frequencies."""
    sign = jnp.where(jnp.arange(KEPT) % 2 == 0, -1, 1)  # the first is of frequency 1
    in_x, in_y = c * sign[:, None], c * sign[None, :]
    both = in_x * sign[None, :]
    return jnp.stack([c, in_y.T, both, in_x.T, in_x, in_y, c.T, both.T])


def _small(image: jax.Array, is_rgb: bool, weigh: Weigh) -> jax.Array:
    """The 64×64 luma times 2¹⁶: ``int32[64, 64]``."""
    height, width = image.shape[:2]
    rows = weigh(image.reshape(height, -1))  # int32[64, W·C], times 2²²
    if is_rgb:
        rows = _luma(rows.reshape(SIDE, width, 3))
    else:
        rows = _shift_right(rows, _FRACTION_BITS - _SMALL_BITS)
    # In three limbs of 8 bits, as bytes have them.
    limbs = jnp.concatenate([(rows >> (8 * k)) & 255 for k in range(3)])
    low, middle, high = weigh(limbs.T).T.reshape(3, SIDE, SIDE)
    carry = (middle + (low >> 8)) >> 8
    return _shift_right(high + carry, _FRACTION_BITS - 16)


def _luma(rows: jax.Array) -> jax.Array:
    """0.299 R + 0.587 G + 0.114 B of ``int32[..., 3]`` times 2²², times 2¹⁶."""
    # N/64000 of N = Σ k·c, up to 2⁴⁰, in two parts of 15 bits.
    high, low = (
        299 * part[..., 0] + 587 * part[..., 1] + 114 * part[..., 2]
        for part in (rows >> 15, rows & 0x7FFF)
    )
    return (64 * high + ((low + 32_000) >> 9)) // 125


def _shift_right(x: jax.Array, bits: int) -> jax.Array:
    return (x + (1 << (bits - 1))) >> bits


def _weigh_in_turn(x: jax.Array) -> jax.Array:
    """Both box filters along the first axis, and the decimation.

    Args:
        x: integers from 0 to 255, ``[N, L]``.

    Returns:
        ``int32[64, L]``, times 2²².
    """
    first, weights = (jnp.asarray(part) for part in _fixed(len(x)))
    count = weights.shape[1]

    def weigh(i: jax.Array) -> jax.Array:
        rows = lax.dynamic_slice_in_dim(x, first[i], count).astype(jnp.int32)
        return jnp.sum(rows * weights[i][:, None], axis=0, dtype=jnp.int32)

    return lax.map(weigh, jnp.arange(SIDE, dtype=jnp.int32))


def _weigh_by_gather(x: jax.Array) -> jax.Array:
    """Likewise, in one kernel of a GPU: gather, product and sum."""
    first, weights = _fixed(len(x))
    shape = (SIDE, x.shape[1], weights.shape[1])
    lane, tap = (lax.broadcasted_iota(jnp.int32, shape, axis) for axis in (1, 2))
    at = first[:, None, None] + tap, lane
    values = x.at[at].get(mode="clip", wrap_negative_indices=False).astype(jnp.int32)
    return jnp.sum(values * weights[:, None], axis=-1, dtype=jnp.int32)


def _weigh_by_product(x: jax.Array) -> jax.Array:
    """Likewise, as a TPU multiplies matrices: of bytes, from −128 to 127."""
    product = lax.dot(
        jnp.asarray(_dense_limbs(len(x))),
        (x.astype(jnp.int32) - 128).astype(jnp.int8),
        preferred_element_type=jnp.int32,
    )
    low, middle, high = jnp.split(product, 3)
    # Weights sum to 2²², and so what was subtracted to 128 times that.
    return low + (middle << 8) + (high << 16) + (128 << _FRACTION_BITS)


def _quality(small: jax.Array) -> jax.Array:
    steps = (jnp.abs(jnp.diff(small, axis=axis)) for axis in (0, 1))
    total = sum(jnp.sum(100 * step // (255 << _SMALL_BITS), dtype=jnp.int32) for step in steps)
    return jnp.minimum(total // 90, 100)


def _coefficients(small: jax.Array) -> jax.Array:
    """D·A·Dᵀ times 2¹⁴: ``int32[16, 16]``."""
    matrix = _dct_limbs()
    pixels = jnp.stack([(small >> (8 * k)) & 255 for k in range(3)])  # [3, 64, 64]
    half = _multiply(matrix, pixels, "aik,bkj->abij", (7, 8), _DCT_BITS + _SMALL_BITS - _HALF_BITS)
    limbs = jnp.stack(_signed_limbs(half, 4))  # of 7 bits
    return _multiply(matrix, limbs, "aik,bjk->abji", (7, 7), _DCT_BITS + _HALF_BITS - _FULL_BITS)


def _multiply(
    a: jax.Array | NDArray[np.int32],
    b: jax.Array,
    axes: str,
    bits: tuple[int, int],
    shift: int,
) -> jax.Array:
    """The product of numbers in limbs ``[A, …]`` and ``[B, …]`` of so many bits, shifted right."""
    # Limbs are below 2⁸ and sums have 64 terms: float32 holds them exactly.
    sums = jnp.einsum(
        axes, jnp.asarray(a, jnp.float32), b.astype(jnp.float32), precision=lax.Precision.HIGHEST
    ).astype(jnp.int32)
    places = [(bits[0] * i + bits[1] * j, sums[i, j]) for i in range(len(a)) for j in range(len(b))]
    total, at = jnp.zeros_like(sums[0, 0]), 0
    for place, part in sorted(places, key=lambda item: item[0]):
        if place < shift:
            total, at = (total >> (place - at)) + part, place
        else:
            if at < shift:
                total, at = _shift_right(total, shift - at) if shift > at else total, shift
            total = total + (part << (place - shift))
    return total


def _signed_limbs(x: Any, count: int, bits: int = 7) -> list[Any]:
    """Limbs of so many bits, of 7 from −64 to 63; the highest takes what is left."""
    limbs, half = [], 1 << bits - 1
    for _ in range(count - 1):
        low = ((x + half) & (2 * half - 1)) - half
        limbs.append(low)
        x = (x - low) >> bits
    return [*limbs, x]


@lru_cache(maxsize=1)
def _dct_limbs() -> NDArray[np.int32]:
    fixed = np.rint(dct_matrix() * 2**_DCT_BITS).astype(np.int64)
    return np.stack(_signed_limbs(fixed, 3)).astype(np.int32)


@lru_cache(maxsize=1)
def dct_matrix() -> NDArray[np.float64]:
    """Frequencies 1 to 16 of the DCT-II of 64 pixels: ``float64[16, 64]``."""
    angle = np.outer(np.arange(1, KEPT + 1), 2 * np.arange(SIDE) + 1)
    return np.sqrt(2 / SIDE) * np.cos(np.pi / (2 * SIDE) * angle)


def box_bounds(length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the inputs of each output of a box filter begin and end."""
    window = -(-length // (2 * SIDE))
    ahead = (window + 2) // 2
    output = np.arange(length)
    return np.maximum(output - (window - ahead), 0), np.minimum(output + ahead, length)


def decimated(length: int) -> NDArray[np.int64]:
    """Which 64 places of an axis are kept."""
    return ((np.arange(SIDE) + 0.5) * length / SIDE).astype(np.int64)


@lru_cache(maxsize=256)
def smoothing(length: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Both box filters of an axis and its decimation, as weights.

    Returns:
        ``first[64]`` and ``taps[64, T]``: output o is the sum over t of
        ``taps[o, t] · input[first[o] + t]``.
    """
    start, stop = box_bounds(length)
    kept = decimated(length)
    low = start[start[kept]]
    high = stop[stop[kept] - 1]
    count = int((high - low).max())
    first = np.minimum(low, length - count)
    taps = np.zeros((SIDE, count))
    for output, place in enumerate(kept):
        inner = range(start[place], stop[place])
        for k in inner:
            part = slice(start[k] - first[output], stop[k] - first[output])
            taps[output, part] += 1 / (len(inner) * (stop[k] - start[k]))
    return first, taps


@lru_cache(maxsize=256)
def _fixed(length: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    first, taps = smoothing(length)
    weights = np.rint(taps * 2**_FRACTION_BITS).astype(np.int32)
    # They sum to 1 exactly, so that a constant image stays constant.
    middle = np.argmax(weights, axis=1)
    weights[np.arange(SIDE), middle] += 2**_FRACTION_BITS - weights.sum(axis=1, dtype=np.int32)
    return first.astype(np.int32), weights


@lru_cache(maxsize=64)
def _dense_limbs(length: int) -> NDArray[np.int8]:
    """The weights in limbs of 8 bits, one below the other: ``int8[3 · 64, length]``."""
    first, weights = _fixed(length)
    dense = np.zeros((SIDE, length), np.int32)
    at = first[:, None] + np.arange(weights.shape[1])
    np.put_along_axis(dense, at, weights, axis=1)
    return np.concatenate(_signed_limbs(dense, 3, 8)).astype(np.int8)
