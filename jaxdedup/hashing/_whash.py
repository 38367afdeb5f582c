"""WHash: which coefficients of a Haar transform's coarsest band are at least their median."""

import jax
import numpy as np
from jax.typing import ArrayLike

from jaxdedup.image import Profile

from ._method import Array, HashMethod, hash_images, namespace


def _bits(luma: Array) -> Array:
    # Five levels of the Haar low-pass turn 256×256 into 8×8; each coefficient is the sum of a
    # 32×32 block, times a constant that no comparison sees.
    blocks = luma.reshape(*luma.shape[:-2], 8, 32, 8, 32)
    sums = blocks.sum(axis=(-3, -1), dtype=np.int32)
    sums = sums.reshape(*luma.shape[:-2], 64)
    # The median of 64 is the mean of the middle two: s >= (a + b)/2, without the division.
    ordered = namespace(sums).sort(sums, axis=-1)
    return 2 * sums >= ordered[..., 31:32] + ordered[..., 32:33]


WHASH = HashMethod("whash", (256, 256), _bits)


def whash(images: ArrayLike, *, profile: Profile = "pillow13") -> jax.Array:
    """Wavelet hash of each image.

    Equals ``imagededup.methods.WHash`` bit for bit: the 8×8 approximation band of a five-level
    Haar transform of the 256×256 luma, each coefficient compared with the median of the 64. Where
    the middle two of the 64 are equal, imagededup's bits follow the rounding noise of its division
    by 255; ours follow the tie.

    Args:
        images: ``uint8[..., H, W, 3]`` or ``uint8[..., H, W]``.
        profile: the Pillow whose resize and luma are reproduced.

    Returns:
        ``uint8[..., 8]``, 64 bits, most significant first.

    Raises:
        TypeError: the images are not uint8.
        ValueError: they have no pixels, or the wrong number of axes or channels.

    Source: D. Petrov, "Wavelet image hash in Python", 2016.

    Example:
        >>> import numpy as np
        >>> from jaxdedup import to_hex, whash
        >>> dark_above_bright = np.repeat([[0], [255]], 128, axis=0).repeat(256, axis=1)
        >>> to_hex(whash(dark_above_bright.astype(np.uint8)))
        '00000000ffffffff'
    """
    return hash_images(images, WHASH, profile)
