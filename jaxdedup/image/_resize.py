"""LANCZOS resize of uint8 images."""

import functools
import operator
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ._checks import checked_images
from ._forms import resize_on_gpu, resize_planes
from ._lanczos import vertical_first as goes_vertical_first
from ._luma import rgb_to_luma, weigh_channels, weigh_planes
from ._platform import Form, by_platform, form_on_cpu
from ._profiles import Profile
from ._strips import resize_in_strips


def resize(
    images: ArrayLike,
    size: tuple[int, int],
    *,
    profile: Profile = "pillow13",
    luma_first: bool = False,
) -> jax.Array:
    """LANCZOS resize, equal to Pillow's ``resize(..., LANCZOS)`` of uint8 images bit for bit.

    An array of three or more axes whose last axis is 3 long is RGB; every other one is grey. (A
    batch of grey images of width 3 can go through `jax.vmap`, which shows each image by itself.)
    The aspect ratio is that of `size`.

    Args:
        images: ``uint8[..., H, W, 3]`` or ``uint8[..., H, W]``.
        size: the target ``(h, w)`` in pixels, larger or smaller.
        profile: the version of Pillow to equal; versions differ in the order of the two passes.
        luma_first: whether RGB images become grey before, as by Pillow's ``convert("L")``.

    Returns:
        ``uint8[..., h, w, 3]``, or of grey images, also of such that became grey,
        ``uint8[..., h, w]``.

    Raises:
        TypeError: the dtype is not uint8.
        ValueError: there are fewer than two axes, an axis is empty, `size` is not two positive
            integers, or the profile is unknown.

    Example:
        >>> import numpy as np
        >>> resize(np.full((480, 640, 3), 200, np.uint8), (8, 9)).shape
        (8, 9, 3)
    """
    array, rgb = checked_images(images)
    images = jnp.asarray(array)
    size = _checked(size)
    batch_axes = images.ndim - (3 if rgb else 2)
    height, width = images.shape[batch_axes : batch_axes + 2]
    resized = _resize(
        images.reshape(-1, height, width, 3 if rgb else 1),
        size,
        goes_vertical_first(height, width, size, profile=profile),
        form_on_cpu(),
        profile if rgb and luma_first else None,
    )
    channels = (3,) if rgb and not luma_first else ()
    return resized.reshape(*images.shape[:batch_axes], *size, *channels)


@functools.partial(jax.jit, static_argnames=("size", "vertical_first", "on_cpu", "luma"))
def _resize(
    images: jax.Array,
    size: tuple[int, int],
    vertical_first: bool,
    on_cpu: str,
    luma: Profile | None = None,
) -> jax.Array:
    """``uint8[B, H, W, C]`` to ``uint8[B, h, w, C]``, or, with a profile of luma, one channel."""
    if images.shape[1:3] == size:  # each pixel would be itself
        return images if luma is None else rgb_to_luma(images, profile=luma)[..., None]

    def of_luma(form: Form, weigh: Callable[..., jax.Array]) -> Form:
        if luma is None:
            return form
        return lambda images: form(weigh(images, luma)[..., None])

    cpu, gpu, tpu = (
        functools.partial(form, size=size, vertical_first=vertical_first)
        for form in (resize_in_strips, resize_on_gpu, resize_planes)
    )
    return by_platform(
        images,
        cpu=of_luma(cpu, weigh_planes),
        gpu=functools.partial(gpu, luma=luma),
        tpu=of_luma(tpu, weigh_channels),
        on_cpu=on_cpu,
    )


def _checked(size: tuple[int, int]) -> tuple[int, int]:
    try:
        height, width = map(operator.index, size)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        raise ValueError(f"expected a size (h, w) of two positive integers, got {size!r}")
    return height, width
