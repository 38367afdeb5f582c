"""WHash: which coefficients of a Haar transform's coarsest band are at least their median."""

from dataclasses import dataclass

import jax
import numpy as np
from jax.typing import ArrayLike

from jaxdedup.image import Profile

from ._method import Array, HashMethod, checked_power_of_two, hash_images, namespace, sized_name

_SIDE = 256  # of the image


def block_sums(luma: Array, count: int) -> Array:
    """The sums of ``count``×``count`` equal blocks: ``uint8[..., S, S]`` to ``int32[..., n²]``.

    They are the coarsest band of a Haar transform, times a constant that no comparison sees.
    """
    *batch, side, _ = luma.shape
    # One axis is divided at a time: JAX knows how that leaves a batch laid over devices.
    rows = luma.reshape(*batch, count, side // count, side).sum(axis=-2, dtype=np.int32)
    blocks = rows.reshape(*batch, count, count, side // count).sum(axis=-1, dtype=np.int32)
    return blocks.reshape(*batch, -1)


def twice_median(values: Array) -> Array:
    """Twice the median of ``int32[..., N]``, N even: the sum of the middle two, ``[..., 1]``."""
    ordered = namespace(values).sort(values, axis=-1)
    half = values.shape[-1] // 2
    return ordered[..., half - 1 : half] + ordered[..., half : half + 1]


@dataclass(frozen=True)
class _Bits:
    count: int  # blocks an axis

    def __call__(self, luma: Array) -> Array:
        sums = block_sums(luma, self.count)
        return 2 * sums >= twice_median(sums)


def whash_method(hash_size: int = 8) -> HashMethod:
    """The wavelet hash of a size as a value.

    Args:
        hash_size: n, a power of two, 2 to 256.

    Example:
        >>> whash_method(16).size
        (256, 256)
    """
    n = checked_power_of_two(hash_size, _SIDE)
    return HashMethod(sized_name("whash", (n, 8)), (_SIDE, _SIDE), n * n, _Bits(n))


def whash(images: ArrayLike, *, hash_size: int = 8, profile: Profile = "pillow13") -> jax.Array:
    """Wavelet hash of each image.

    Equals ``imagededup.methods.WHash`` bit for bit: the n×n approximation band of the Haar
    transform of the 256×256 luma, 8×8 by default, each coefficient compared with the median of all.
    Where the middle two are equal, imagededup's bits follow the rounding noise of its division
    by 255; ours follow the tie.

    Args:
        images: ``uint8[..., H, W, 3]`` or ``uint8[..., H, W]``.
        hash_size: n, a power of two, 2 to 256; imagededup's is 8.
        profile: the Pillow whose resize and luma are reproduced.

    Returns:
        ``uint8[..., ceil(hash_size² / 8)]``: hash_size² bits, the most significant first.

    Raises:
        TypeError: the images are not uint8.
        ValueError: they have no pixels, or the wrong number of axes or channels; or the hash_size
            is out of range.

    Source: D. Petrov, "Wavelet image hash in Python", 2016.

    Example:
        >>> import numpy as np
        >>> from jaxdedup import to_hex, whash
        >>> dark_above_bright = np.repeat([[0], [255]], 128, axis=0).repeat(256, axis=1)
        >>> to_hex(whash(dark_above_bright.astype(np.uint8)))
        '00000000ffffffff'
    """
    return hash_images(images, whash_method(hash_size), profile)
