"""ImageHash's hashes as array functions, bit for bit; imagededup's are in :mod:`jaxdedup`.

Images are ``uint8[..., H, W, 3]`` (RGB) or ``uint8[..., H, W]`` (grey). They become grey before
they are resized; with imagededup it is after, so that the bits of the two families differ. Hashes
of n bits are ``uint8[..., ceil(n / 8)]``, right-aligned: ``jaxdedup.to_hex(hashes, bits=n)`` equals
``str`` of ImageHash's, and ``imagehash.hex_to_hash`` reads it. Everything is pure and jitted, and
its arithmetic is in integers throughout.

Equal to ImageHash 4.3.2, but where the median that is compared with is itself among equal numbers:
there ImageHash's bit follows the rounding noise of its floats, ours follows the tie. That concerns
`whash`, of small images most, and `phash` of images that equal their own transpose or are made of
blocks. ``whash(mode="db4")`` and ``crop_resistant_hash`` are not here.

Source: J. Buchner, ImageHash, https://github.com/JohannesBuchner/imagehash.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from .hashing import (
    Exact,
    HashMethod,
    block_sums,
    checked_power_of_two,
    checked_size,
    compare_to_mean,
    compare_to_median,
    hash_images,
    low_frequencies,
    over_batch,
    pack_bits,
    refuse_large_basis,
    row_frequencies,
    sized_name,
    twice_median,
)
from .image import Profile, checked_images, resize_on_host, weigh_channels

__all__ = [
    "HASHES",
    "average_hash",
    "colorhash",
    "dhash",
    "dhash_vertical",
    "phash",
    "phash_simple",
    "whash",
]

Array = Any  # JAX's, traced or not, or NumPy's

_MOST = 128  # of a hash_size


def _method(
    name: str, size: tuple[int, int] | tuple[()], count: int, bits: Callable[..., Array]
) -> HashMethod:
    return HashMethod(f"imagehash-{name}", size, count, bits, luma_first=True)


def average_hash(
    images: ArrayLike, hash_size: int = 8, *, profile: Profile = "pillow13"
) -> jax.Array:
    """Average hash of each image, equal to ``imagehash.average_hash``.

    A bit for each pixel of the n×n luma, set where it is greater than the mean.

    Args:
        images: ``uint8[..., H, W, 3]`` or ``uint8[..., H, W]``.
        hash_size: n, 2 to 128.
        profile: the Pillow whose luma and resize are reproduced.

    Returns:
        ``uint8[..., ceil(n² / 8)]``.

    Example:
        >>> average_hash(np.eye(8, dtype=np.uint8))
        Array([128,  64,  32,  16,   8,   4,   2,   1], dtype=uint8)
    """
    return hash_images(images, _average_hash(hash_size), profile)


def _average_hash(hash_size: int = 8) -> HashMethod:
    n = checked_size(hash_size, _MOST)
    return _method(sized_name("average_hash", (n, 8)), (n, n), n * n, _above_mean)


def _above_mean(luma: Array) -> Array:
    pixels = luma.reshape(*luma.shape[:-2], -1).astype(np.int32)
    return pixels.shape[-1] * pixels > pixels.sum(axis=-1, keepdims=True, dtype=np.int32)


def dhash(images: ArrayLike, hash_size: int = 8, *, profile: Profile = "pillow13") -> jax.Array:
    """Difference hash of each image, equal to ``imagehash.dhash``.

    A bit for each pair of neighbours in a row of the luma, n rows of n + 1, set where the right one
    is brighter.

    Args:
        images: ``uint8[..., H, W, 3]`` or ``uint8[..., H, W]``.
        hash_size: n, 2 to 128.
        profile: the Pillow whose luma and resize are reproduced.

    Returns:
        ``uint8[..., ceil(n² / 8)]``.

    Example:
        >>> dhash(np.tile(np.arange(9, dtype=np.uint8), (8, 1)))
        Array([255, 255, 255, 255, 255, 255, 255, 255], dtype=uint8)
    """
    return hash_images(images, _dhash(hash_size), profile)


def _dhash(hash_size: int = 8) -> HashMethod:
    n = checked_size(hash_size, _MOST)
    return _method(sized_name("dhash", (n, 8)), (n, n + 1), n * n, _brighter_than_left)


def _brighter_than_left(luma: Array) -> Array:
    return (luma[..., 1:] > luma[..., :-1]).reshape(*luma.shape[:-2], -1)


def dhash_vertical(
    images: ArrayLike, hash_size: int = 8, *, profile: Profile = "pillow13"
) -> jax.Array:
    """Vertical difference hash of each image, equal to ``imagehash.dhash_vertical``.

    A bit for each pair of neighbours in a column of the luma, n + 1 rows of n, set where the lower
    one is brighter.

    Args:
        images: ``uint8[..., H, W, 3]`` or ``uint8[..., H, W]``.
        hash_size: n, 2 to 128.
        profile: the Pillow whose luma and resize are reproduced.

    Returns:
        ``uint8[..., ceil(n² / 8)]``.

    Example:
        >>> dhash_vertical(np.tile(np.arange(9, dtype=np.uint8)[:, None], (1, 8)))
        Array([255, 255, 255, 255, 255, 255, 255, 255], dtype=uint8)
    """
    return hash_images(images, _dhash_vertical(hash_size), profile)


def _dhash_vertical(hash_size: int = 8) -> HashMethod:
    n = checked_size(hash_size, _MOST)
    return _method(sized_name("dhash_vertical", (n, 8)), (n + 1, n), n * n, _brighter_than_above)


def _brighter_than_above(luma: Array) -> Array:
    return (luma[..., 1:, :] > luma[..., :-1, :]).reshape(*luma.shape[:-2], -1)


def phash(
    images: ArrayLike,
    hash_size: int = 8,
    highfreq_factor: int = 4,
    *,
    profile: Profile = "pillow13",
) -> jax.Array:
    """Perceptual hash of each image, equal to ``imagehash.phash``.

    The n×n lowest frequencies of the DCT-II of the luma, resized to n·highfreq_factor a side; a bit
    for each, the mean included, set where it is greater than their median.

    Args:
        images: ``uint8[..., H, W, 3]`` or ``uint8[..., H, W]``.
        hash_size: n, at least 2.
        highfreq_factor: the pixels a frequency, at least 1. The tables that the two lead to grow
            with n⁴ and its square; they may have 128 MB, so that n may be 32 with a factor of 4.
        profile: the Pillow whose luma and resize are reproduced.

    Returns:
        ``uint8[..., ceil(n² / 8)]``.

    Example:
        >>> phash(np.full((40, 40), 255, np.uint8))  # the mean alone is greater than the median
        Array([128,   0,   0,   0,   0,   0,   0,   0], dtype=uint8)
    """
    return hash_images(images, _phash(hash_size, highfreq_factor), profile)


def _phash(hash_size: int = 8, highfreq_factor: int = 4) -> HashMethod:
    n = checked_size(hash_size, _MOST)
    factor = checked_size(highfreq_factor, _MOST, "highfreq_factor", least=1)
    refuse_large_basis(n * factor, n)
    name = sized_name("phash", (n, 8), (factor, 4))
    return _method(name, (n * factor, n * factor), n * n, _StrongFrequencies(n))


@dataclass(frozen=True)
class _StrongFrequencies:
    count: int  # an axis

    def __call__(self, luma: Array) -> Array:
        values, places = low_frequencies(luma, self.count)
        greater, _ = compare_to_median(values, values)
        return greater[..., places]


def phash_simple(
    images: ArrayLike,
    hash_size: int = 8,
    highfreq_factor: int = 4,
    *,
    profile: Profile = "pillow13",
) -> jax.Array:
    """Simple perceptual hash of each image, equal to ``imagehash.phash_simple``.

    Of the luma, resized to n·highfreq_factor a side, the first n rows alone: the DCT-II of each,
    its frequencies 1 to n; a bit for each, set where it is greater than their mean.

    Args:
        images: ``uint8[..., H, W, 3]`` or ``uint8[..., H, W]``.
        hash_size: n, 2 to 32.
        highfreq_factor: the pixels a frequency, 2 to 128 / n.
        profile: the Pillow whose luma and resize are reproduced.

    Returns:
        ``uint8[..., ceil(n² / 8)]``.

    Example:
        >>> phash_simple(np.full((40, 40), 255, np.uint8)).any()
        Array(False, dtype=bool)
    """
    return hash_images(images, _phash_simple(hash_size, highfreq_factor), profile)


def _phash_simple(hash_size: int = 8, highfreq_factor: int = 4) -> HashMethod:
    n = checked_size(hash_size, 32)
    # Within 128 pixels, n²·c − Σc stays below 2³¹ in units of 2²⁸.
    factor = checked_size(highfreq_factor, 128 // n, "highfreq_factor", least=2)
    name = sized_name("phash_simple", (n, 8), (factor, 4))
    return _method(name, (n * factor, n * factor), n * n, _StrongInRows(n))


@dataclass(frozen=True)
class _StrongInRows:
    count: int  # of rows, and of frequencies

    def __call__(self, luma: Array) -> Array:
        high, low = row_frequencies(luma[..., : self.count, :], self.count)
        flat = (*luma.shape[:-2], self.count**2)
        return compare_to_mean(Exact(high.reshape(flat), low.reshape(flat)))


def whash(
    images: ArrayLike,
    hash_size: int = 8,
    image_scale: int | None = None,
    *,
    profile: Profile = "pillow13",
) -> jax.Array:
    """Wavelet hash of each image, equal to ``imagehash.whash`` in its mode "haar".

    The n×n approximation band of the Haar transform of the S×S luma; a bit for each of its
    coefficients, set where it is greater than their median.

    Args:
        images: ``uint8[..., H, W, 3]`` or ``uint8[..., H, W]``.
        hash_size: n, a power of two, 2 to 128.
        image_scale: S, a power of two, n to 2048·n. None for the largest within the shorter side of
            the image: a copy of another size may then have quite another hash.
        profile: the Pillow whose luma and resize are reproduced.

    Returns:
        ``uint8[..., ceil(n² / 8)]``.

    Example:
        >>> left_bright = np.repeat(np.array([[255, 0]], np.uint8), 32, axis=1).repeat(64, axis=0)
        >>> whash(left_bright)[0]
        Array(240, dtype=uint8)
    """
    n = checked_power_of_two(hash_size, _MOST)
    shape = np.shape(images)
    is_rgb = len(shape) >= 3 and shape[-1] == 3
    scale = _checked_scale(image_scale, n) or _natural_scale(shape[:-1] if is_rgb else shape, n)
    blocks = HashMethod("whash", (scale, scale), n * n, _StrongBlocks(n), luma_first=True)
    return hash_images(images, blocks, profile)


def _whash(hash_size: int = 8, image_scale: int | None = None) -> HashMethod:
    n = checked_power_of_two(hash_size, _MOST)
    scale = _checked_scale(image_scale, n)
    name = sized_name("whash", (n, 8), (scale, None))
    if scale is None or scale > _MOST_PACKED:
        return _method(name, (), n * n, _StrongBlocksOfAny(n, scale))
    return _method(name, (scale, scale), n * n, _StrongBlocks(n))


_MOST_PACKED = 256  # a call of the device holds many small images


def _checked_scale(scale: int | None, n: int) -> int | None:
    if scale is None:
        return None
    scale = checked_power_of_two(scale, 2048 * n, "image_scale")  # twice a sum fits into 32 bits
    if scale < n:
        raise ValueError(f"expected image_scale of at least hash_size {n}, got {scale}")
    return scale


def _natural_scale(shape: tuple[int, ...], n: int) -> int:
    shorter = max(min(shape[-2:], default=1), 1)
    return min(max(1 << shorter.bit_length() - 1, n), 2048 * n)


@dataclass(frozen=True)
class _StrongBlocks:
    count: int  # an axis

    def __call__(self, luma: Array) -> Array:
        sums = block_sums(luma, self.count)
        return 2 * sums > twice_median(sums)


@dataclass(frozen=True)
class _StrongBlocksOfAny:
    count: int
    scale: int | None

    def __call__(self, luma: NDArray[np.uint8], profile: Profile) -> NDArray[np.bool_]:
        scale = self.scale or _natural_scale(luma.shape, self.count)
        return _StrongBlocks(self.count)(resize_on_host(luma, (scale, scale), profile))


def colorhash(images: ArrayLike, binbits: int = 3, *, profile: Profile = "pillow13") -> jax.Array:
    """Colour hash of each image, equal to ``imagehash.colorhash``.

    Shares of pixels, each in ``binbits`` bits: of black ones and of grey ones among all; of six
    hues of faint ones, and of six hues of bright ones, among those that have a colour. It knows
    nothing of shapes: use it beside another hash.

    Args:
        images: ``uint8[..., H, W, 3]`` or ``uint8[..., H, W]``.
        binbits: b, 1 to 8.
        profile: the Pillow whose luma is reproduced.

    Returns:
        ``uint8[..., ceil(14·b / 8)]``.

    Raises:
        TypeError: the images are not uint8.
        ValueError: they have no pixels, or 2³¹ / 2ᵇ of them; or ``binbits`` is out of range.

    Example:
        >>> colorhash(np.zeros((4, 4, 3), np.uint8))  # seven eighths, at least, are black
        Array([  3, 128,   0,   0,   0,   0], dtype=uint8)
    """
    bits = checked_size(binbits, 8, "binbits", least=1)
    array, is_rgb = checked_images(images)
    if not is_rgb:
        array = jnp.broadcast_to(array[..., None], (*array.shape, 3))
    pixels = array.shape[-3] * array.shape[-2]
    if pixels << bits >= 2**31:
        raise ValueError(f"expected fewer than {2**31 >> bits} pixels an image, got {pixels}")
    return cast(jax.Array, over_batch(_colorhash_program(bits, profile), array))


@lru_cache(maxsize=32)
def _colorhash_program(bits: int, profile: Profile) -> Callable[[jax.Array], jax.Array]:
    @jax.jit
    def run(images: jax.Array) -> jax.Array:
        kinds = _kinds_of_colour(images, profile)
        each = np.arange(_KINDS, dtype=np.uint8).reshape((1,) * (kinds.ndim - 2) + (-1, 1, 1))
        counts = jnp.sum(kinds[..., None, :, :] == each, axis=(-2, -1), dtype=jnp.int32)
        return pack_bits(_shares(counts, bits))

    return run


def _colorhash(binbits: int = 3) -> HashMethod:
    b = checked_size(binbits, 8, "binbits", least=1)
    name = "imagehash-" + sized_name("colorhash", (b, 3))
    return HashMethod(name, (), 14 * b, _Colours(b), near=2)  # needs all colours: no luma


@dataclass(frozen=True)
class _Colours:
    bits: int

    def __call__(self, image: NDArray[np.uint8], profile: Profile) -> NDArray[np.bool_]:
        rgb = image if image.ndim == 3 else np.stack([image] * 3, axis=-1)
        kinds = _kinds_of_colour(rgb, profile)
        return _shares(np.bincount(kinds.reshape(-1), minlength=_KINDS), self.bits)


# What a pixel may be: six hues of faint and of bright colours, then:
_BLACK, _GREY, _BETWEEN = 12, 13, 14  # neither faint nor bright, but a colour
_KINDS = 15


def _kinds_of_colour(images: Array, profile: Profile) -> Array:
    """``uint8[..., H, W, 3]`` to ``uint8[..., H, W]``."""
    space = images.__array_namespace__()
    red, green, blue = (images[..., c].astype(np.int32) for c in range(3))
    greatest = space.maximum(space.maximum(red, green), blue)
    least = space.minimum(space.minimum(red, green), blue)
    middle = red + green + blue - greatest - least
    # Of two channels that are equally great the first leads, as in Pillow's HSV. Even hues begin at
    # the sixths of the circle, odd ones 1/85 of a sixth after them.
    leads = space.where(red == greatest, 0, space.where(green == greatest, 2, 4))
    is_before = space.where(leads == 4, red < green, blue < red)
    is_before = space.where(leads == 0, green < blue, is_before)
    is_late = 85 * (greatest - middle) >= greatest - least
    hue = space.where(is_before, (leads + 4) % 6 + is_late.astype(np.int32), leads)
    # S, from 0 to 255, is this divided by the greatest, rounded down.
    strength = 255 * (greatest - least)
    vivid = space.where(strength >= 171 * greatest, 6 + hue, _BETWEEN)
    colour = space.where(strength < 170 * greatest, hue, vivid)
    grey_or_colour = space.where(strength < 85 * greatest, _GREY, colour)
    kinds = space.where(weigh_channels(images, profile) < 32, _BLACK, grey_or_colour)
    return kinds.astype(np.uint8)


def _shares(counts: Array, bits: int) -> Array:
    """Of counts ``int[..., 15]``, the shares that the hash tells: ``bool[..., 14·bits]``."""
    space = counts.__array_namespace__()
    pixels = counts.sum(axis=-1, keepdims=True, dtype=counts.dtype)
    black_and_grey = counts[..., _BLACK : _GREY + 1]
    coloured = pixels - black_and_grey.sum(axis=-1, keepdims=True, dtype=counts.dtype)
    levels = 1 << bits
    shares = space.concatenate(
        [
            black_and_grey * levels // pixels,
            counts[..., :_BLACK] * levels // space.maximum(coloured, 1),
        ],
        axis=-1,
    )
    values = space.minimum(shares, levels - 1)[..., None]
    # Not quite binary digits: ImageHash's.
    place = np.arange(bits, dtype=counts.dtype)
    place = place.reshape((1,) * counts.ndim + (bits,))
    ones = (values >> (bits - 1 - place)) % (1 << (bits - place)) > 0
    return ones.reshape(*counts.shape[:-1], -1)


#: By the name after ``imagehash-``, what makes the hashes of all sizes.
HASHES: dict[str, Callable[..., HashMethod]] = {
    "average_hash": _average_hash,
    "phash": _phash,
    "phash_simple": _phash_simple,
    "dhash": _dhash,
    "dhash_vertical": _dhash_vertical,
    "whash": _whash,
    "colorhash": _colorhash,
}
