"""The hash of the colours, which knows nothing of shapes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from jaxdedup.hashing import HashMethod, over_batch, pack_bits, sized_name
from jaxdedup.image import Profile, checked_images, weigh_channels
from jaxdedup.runtime import integer_within

Array = Any  # JAX's, traced or not, or NumPy's


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
    bits = integer_within("binbits", binbits, 1, 8)
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


def colorhash_method(binbits: int = 3) -> HashMethod:
    b = integer_within("binbits", binbits, 1, 8)
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
