"""LANCZOS resize of uint8 images."""

import functools
import operator

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from jaxdedup.runtime import refuse_fork

from ._contraction import in_blocks, read_rows, resize_height, resize_width
from ._lanczos import ResizeWeights, plan_resize
from ._lanczos import vertical_first as goes_vertical_first
from ._profiles import Profile


def resize(images: ArrayLike, size: tuple[int, int], *, profile: Profile = "pillow13") -> jax.Array:
    """LANCZOS resize, equal to Pillow's ``resize(..., LANCZOS)`` of uint8 images bit for bit.

    An array of three or more axes whose last axis is 3 long is RGB; every other one is grey. (A
    batch of grey images of width 3 can go through `jax.vmap`, which shows each image by itself.)
    The aspect ratio is that of `size`.

    Args:
        images: ``uint8[..., H, W, 3]`` or ``uint8[..., H, W]``.
        size: the target ``(h, w)`` in pixels, larger or smaller.
        profile: the version of Pillow to equal; versions differ in the order of the two passes.

    Returns:
        ``uint8[..., h, w, 3]`` or ``uint8[..., h, w]``.

    Raises:
        TypeError: the dtype is not uint8.
        ValueError: there are fewer than two axes, an axis is empty, `size` is not two positive
            integers, or the profile is unknown.

    Example:
        >>> import numpy as np
        >>> resize(np.full((480, 640, 3), 200, np.uint8), (8, 9)).shape
        (8, 9, 3)
    """
    refuse_fork()
    images = jnp.asarray(images)
    if images.dtype != jnp.uint8:
        raise TypeError(f"expected images of dtype uint8, got {images.dtype}")
    if images.ndim < 2 or 0 in images.shape:
        raise ValueError(
            "expected images of shape [..., H, W, 3] or [..., H, W] without an empty axis, "
            f"got {list(images.shape)}"
        )
    size = _checked(size)
    rgb = images.ndim >= 3 and images.shape[-1] == 3
    batch_axes = images.ndim - (3 if rgb else 2)
    height, width = images.shape[batch_axes : batch_axes + 2]
    resized = resize_padded(
        images.reshape(-1, *images.shape[batch_axes:]),
        plan_resize(height, width, size, profile=profile),
        size,
        vertical_first=goes_vertical_first(height, width, size, profile=profile),
    )
    return resized.reshape(*images.shape[:batch_axes], *resized.shape[1:])


def _checked(size: tuple[int, int]) -> tuple[int, int]:
    try:
        height, width = map(operator.index, size)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        raise ValueError(f"expected a size (h, w) of two positive integers, got {size!r}")
    return height, width


@functools.partial(jax.jit, static_argnames=("size", "vertical_first", "packed"))
def resize_padded(
    images: jax.Array,
    weights: ResizeWeights,
    size: tuple[int, int],
    *,
    vertical_first: bool,
    packed: bool = False,
) -> jax.Array:
    """Resize images that are padded to a common size, each with the weights of its true one.

    The images stand in the top left corner. What lies beyond them may be anything: it has no
    weight, and on the CPU it takes no time. A place whose weights have length 0 gives anything.

    Args:
        images: ``uint8[B, H, W, 3]`` or ``uint8[B, H, W]``, H and W being those of the bucket.
        weights: `plan_resize` for the bucket and `size`: of one true size, which all images share,
            or stacked along a first axis of length B.
        size: the target ``(h, w)`` in pixels.
        vertical_first: which pass goes first, as `vertical_first` says.
        packed: the images do not stand in a corner but at the start of their places, the rows one
            after another without padding between them. A place has less than 2³¹ bytes then.

    Returns:
        ``uint8[B, h, w, 3]`` or ``uint8[B, h, w]``.
    """

    batch, rows, columns = images.shape[:3]
    channels = images.shape[3] if images.ndim == 4 else 1
    matrices = images.reshape(batch, rows, columns * channels)

    def resize_one(
        x: jax.Array, weights: ResizeWeights, at: tuple[ArrayLike, ...] = ()
    ) -> jax.Array:
        height, width = (jnp.asarray(axis.length) for axis in weights)
        stride = width * channels if packed else None
        if vertical_first:
            if packed:
                x, at = read_rows(x, at, 0, rows, stride), ()
            x = resize_height(x, weights.vertical, size[0], width * channels, at)
            return resize_width(x, weights.horizontal, size[1], channels, size[0])
        x = resize_width(x, weights.horizontal, size[1], channels, height, at, stride)
        return resize_height(x, weights.vertical, size[0], size[1] * channels)

    shared = jnp.ndim(weights.vertical.starts) == 1
    if in_blocks(weights.vertical):
        resized = jax.vmap(resize_one, (0, None if shared else 0))(matrices, weights)
    else:
        # The strips are read from where they are in the batch: a slice of it would be a copy.
        places = jnp.arange(batch, dtype=jnp.int32)
        if shared:
            resized = lax.map(lambda i: resize_one(matrices, weights, (i,)), places)
        else:
            resized = lax.map(lambda xs: resize_one(matrices, xs[1], xs[:1]), (places, weights))
    return resized.reshape(batch, *size, *images.shape[3:])
