"""What the four hashes share: resize, then luma, then 64 comparisons, packed."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxdedup.image import (
    Profile,
    ResizeWeights,
    resize,
    resize_padded,
    rgb_to_luma,
)


class HashMethod(NamedTuple):
    """A perceptual hash: its name, the size ``(h, w)`` it looks at, and its comparisons."""

    name: str
    size: tuple[int, int]
    bits: Callable[[jax.Array], jax.Array]  # luma uint8[..., h, w] -> bool[..., 64]


@partial(jax.jit, static_argnames=("method", "profile"))
def hash_images(images: ArrayLike, method: HashMethod, profile: Profile) -> jax.Array:
    """``uint8[..., H, W, 3]`` or ``uint8[..., H, W]`` -> ``uint8[..., 8]``."""
    return _hash_resized(resize(images, method.size, profile=profile), method, profile)


@partial(jax.jit, static_argnames=("method", "vertical_first", "profile"))
def hash_padded(
    images: jax.Array,
    weights: ResizeWeights,
    *,
    method: HashMethod,
    vertical_first: bool,
    profile: Profile,
) -> jax.Array:
    """Hash a padded batch, whose images may differ in their true sizes.

    Args:
        images: ``uint8[B, H, W, 3]`` or ``uint8[B, H, W]``, padded to a bucket's shape.
        weights: the planned resize to ``method.size``, with a batch axis.
        method: the hash.
        vertical_first: the order of the passes, as planned.
        profile: the Pillow whose luma is reproduced.

    Returns:
        ``uint8[B, 8]``.
    """
    resized = resize_padded(images, weights, method.size, vertical_first=vertical_first)
    return _hash_resized(resized, method, profile)


def _hash_resized(images: jax.Array, method: HashMethod, profile: Profile) -> jax.Array:
    is_rgb = images.shape[-1] == 3  # no hash is 3 pixels wide
    luma = rgb_to_luma(images, profile=profile) if is_rgb else images
    return jnp.packbits(method.bits(luma), axis=-1)
