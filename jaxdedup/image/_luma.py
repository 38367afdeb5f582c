"""RGB to grey."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from jaxdedup.runtime import refuse_fork

from ._profiles import Profile, rules

_WEIGHTS = (19595, 38470, 7471)  # of red, green and blue, of 2¹⁶


def rgb_to_luma(images: ArrayLike, *, profile: Profile = "pillow13") -> jax.Array:
    """Luma of RGB images, equal to Pillow's ``convert("L")`` bit for bit.

    ``(19595 R + 38470 G + 7471 B + bias) >> 16``: the weights of ITU-R Recommendation BT.601
    (1982) in 16-bit fixed point. The bias is 32768, which rounds, but for the profile ``pillow6``,
    where it is 0.

    Args:
        images: ``uint8[..., H, W, 3]``, or any other shape whose last axis is red, green, blue.
        profile: the version of Pillow to equal.

    Returns:
        ``uint8[..., H, W]``.

    Raises:
        TypeError: the dtype is not uint8.
        ValueError: the last axis is not 3 long, or the profile is unknown.

    Example:
        >>> import numpy as np
        >>> rgb_to_luma(np.array([[255, 0, 0], [255, 255, 255]], np.uint8))
        Array([ 76, 255], dtype=uint8)
    """
    rules(profile)
    refuse_fork()
    images = jnp.asarray(images)
    if images.dtype != jnp.uint8:
        raise TypeError(f"expected images of dtype uint8, got {images.dtype}")
    if images.shape[-1:] != (3,):
        raise ValueError(f"expected images of shape [..., 3], got {list(images.shape)}")
    return _luma(images, profile)


@partial(jax.jit, static_argnames="profile")
def _luma(images: jax.Array, profile: Profile) -> jax.Array:
    return lax.platform_dependent(
        images,
        cpu=partial(weigh_planes, profile=profile),
        default=partial(weigh_channels, profile=profile),
    )


def weigh_planes(images: jax.Array, profile: Profile) -> jax.Array:
    """The luma of ``uint8[..., 3]``, for a CPU: a third of the time.

    Its vectors take bytes that lie three apart, but not while it computes with them.
    """
    planes = [images[..., c] for c in range(3)]
    return _weighed(lax.optimization_barrier(planes), profile)  # type: ignore[no-untyped-call]


def weigh_middle(images: jax.Array, profile: Profile) -> jax.Array:
    """The luma of ``uint8[N, 3, L]``, for a CPU: as a sum, for which it takes whole vectors."""
    weights = np.array(_WEIGHTS, np.int32)[None, :, None]
    sums = jnp.sum(images.astype(jnp.int32) * weights, axis=1, dtype=jnp.int32)
    return ((sums + rules(profile).luma_bias) >> 16).astype(jnp.uint8)


def weigh_channels(images: Any, profile: Profile) -> Any:
    """The luma of ``uint8[..., 3]``, as an array of the same kind: JAX's or NumPy's."""
    return _weighed([images[..., c] for c in range(3)], profile)


def _weighed(planes: Any, profile: Profile) -> Any:
    red, green, blue = (plane.astype(np.int32) for plane in planes)
    return luma_of(red, green, blue, profile).astype(np.uint8)


def luma_of(red: Any, green: Any, blue: Any, profile: Profile) -> Any:
    """Luma of channels in int32, as int32."""
    weighed = _WEIGHTS[0] * red + _WEIGHTS[1] * green + _WEIGHTS[2] * blue
    return (weighed + rules(profile).luma_bias) >> 16
