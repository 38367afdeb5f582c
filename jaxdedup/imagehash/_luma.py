"""The hashes of the luma: of its brightness, its frequencies and its wavelets."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from jaxdedup.hashing import (
    FEW_FREQUENCIES,
    HashMethod,
    block_sums,
    checked_power_of_two,
    compare_to_mean,
    compare_to_median,
    hash_images,
    low_frequencies,
    refuse_large_basis,
    row_frequencies,
    sized_name,
    twice_median,
)
from jaxdedup.image import Profile, resize_on_host
from jaxdedup.runtime import integer_within

Array = Any  # JAX's, traced or not, or NumPy's

_MOST = 128  # of a hash_size


def _method(
    name: str,
    size: tuple[int, int] | tuple[()],
    count: int,
    bits: Callable[..., Array],
    **more: Any,
) -> HashMethod:
    return HashMethod(f"imagehash-{name}", size, count, bits, luma_first=True, **more)


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
    return hash_images(images, average_hash_method(hash_size), profile)


def average_hash_method(hash_size: int = 8) -> HashMethod:
    n = integer_within("hash_size", hash_size, 2, _MOST)
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
    return hash_images(images, dhash_method(hash_size), profile)


def dhash_method(hash_size: int = 8) -> HashMethod:
    n = integer_within("hash_size", hash_size, 2, _MOST)
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
    return hash_images(images, dhash_vertical_method(hash_size), profile)


def dhash_vertical_method(hash_size: int = 8) -> HashMethod:
    n = integer_within("hash_size", hash_size, 2, _MOST)
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
    return hash_images(images, phash_method(hash_size, highfreq_factor), profile)


def phash_method(hash_size: int = 8, highfreq_factor: int = 4) -> HashMethod:
    n = integer_within("hash_size", hash_size, 2, _MOST)
    factor = integer_within("highfreq_factor", highfreq_factor, 1, _MOST)
    refuse_large_basis(n * factor, n)
    name = sized_name("phash", (n, 8), (factor, 4))
    side, bits = n * factor, _StrongFrequencies(n)
    return _method(name, (side, side), n * n, bits, host_is_faster=n > FEW_FREQUENCIES)


@dataclass(frozen=True)
class _StrongFrequencies:
    count: int  # an axis

    def __call__(self, luma: Array) -> Array:
        values, places = low_frequencies(luma, self.count)
        greater, _ = compare_to_median(values)
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
    return hash_images(images, phash_simple_method(hash_size, highfreq_factor), profile)


def phash_simple_method(hash_size: int = 8, highfreq_factor: int = 4) -> HashMethod:
    n = integer_within("hash_size", hash_size, 2, 32)
    # Within 128 pixels, n²·c − Σc stays below 2³¹ in units of 2²⁸.
    factor = integer_within("highfreq_factor", highfreq_factor, 2, 128 // n)
    name = sized_name("phash_simple", (n, 8), (factor, 4))
    return _method(name, (n * factor, n * factor), n * n, _StrongInRows(n))


@dataclass(frozen=True)
class _StrongInRows:
    count: int  # of rows, and of frequencies

    def __call__(self, luma: Array) -> Array:
        return compare_to_mean(row_frequencies(luma[..., : self.count, :], self.count))


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


def whash_method(hash_size: int = 8, image_scale: int | None = None) -> HashMethod:
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
