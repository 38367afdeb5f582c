"""LANCZOS resize of uint8 images as exact matrix products."""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from ._lanczos import PRECISION_BITS, AxisWeights, ResizeWeights, plan_resize
from ._lanczos import vertical_first as _vertical_first
from ._profiles import Profile, rules


def resize(
    images: ArrayLike, size: tuple[int, int], *, profile: Profile = "pillow13"
) -> jax.Array:
    """LANCZOS."""
    rules(profile)
    images = jnp.asarray(images)
    if images.dtype != jnp.uint8:
        raise TypeError(f"expected images of dtype uint8, got {images.dtype}")
    if images.ndim < 2 or 0 in images.shape:
        raise ValueError(
            f"expected images of shape [..., H, W, 3] or [..., H, W] with no empty axis, "
            f"got {images.shape}"
        )
    size = tuple(size)
    if len(size) != 2 or not all(side >= 1 for side in size):
        raise ValueError(f"expected a size (h, w) of two positive integers, got {size}")
    rgb = images.ndim >= 3 and images.shape[-1] == 3
    first_axis = images.ndim - 2 - rgb
    lead, image_shape = images.shape[:first_axis], images.shape[first_axis:]
    height, width = image_shape[:2]
    resized = resize_padded(
        images.reshape(-1, *image_shape),
        plan_resize(height, width, size, profile=profile),
        size,
        vertical_first=_vertical_first(height, width, size, profile=profile),
    )
    return resized.reshape(*lead, *resized.shape[1:])


@functools.partial(jax.jit, static_argnames=("size", "vertical_first"))
def resize_padded(
    images: jax.Array, weights: ResizeWeights, size: tuple[int, int], *, vertical_first: bool
) -> jax.Array:
    """Resize a padded batch with planned weights."""
    batched = weights.vertical.starts.ndim == 2
    one = functools.partial(_resize_one, size=size, vertical_first=vertical_first)
    return jax.vmap(one, in_axes=(0, 0 if batched else None))(images, weights)


def _resize_one(image, weights, size, vertical_first):
    rgb = image.ndim == 3
    planes = jnp.moveaxis(image, -1, 0) if rgb else image[None]
    if vertical_first:
        planes = _pass(planes.swapaxes(1, 2), weights.vertical).swapaxes(1, 2)
        planes = _pass(planes, weights.horizontal)
    else:
        planes = _pass(planes, weights.horizontal)
        planes = _pass(planes.swapaxes(1, 2), weights.vertical).swapaxes(1, 2)
    return jnp.moveaxis(planes, 0, -1) if rgb else planes[0]


def _pass(x, axis: AxisWeights):
    total = jnp.int32(1 << (PRECISION_BITS - 1))
    taps = jnp.asarray(axis.taps)[0]
    pixels = x.astype(jnp.float32)
    for s in range(0, x.shape[-1], 512):
        p, w = pixels[..., s : s + 512], taps[s : s + 512]
        hi, lo = (w >> 7).astype(jnp.float32), (w & 127).astype(jnp.float32)
        for limb, shift in ((hi, 7), (lo, 0)):
            product = jnp.matmul(p, limb, precision=lax.Precision.HIGHEST)
            total = total + (product.astype(jnp.int32) << shift)
    return jnp.clip(total >> PRECISION_BITS, 0, 255).astype(jnp.uint8)
