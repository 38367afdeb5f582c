"""What the four hashes share: resize, then luma, then 64 comparisons, packed."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.typing import ArrayLike

from jaxdedup._cores import map_on_cores, split_for_cores
from jaxdedup._programs import WideProgram
from jaxdedup.image import (
    Profile,
    ResizeWeights,
    resize,
    resize_padded,
    rgb_to_luma,
)

_LEAST_BYTES = 4 * 2**20  # of a batch, to be worth a thread


class HashMethod(NamedTuple):
    """A perceptual hash: its name, the size ``(h, w)`` it looks at, and its comparisons."""

    name: str
    size: tuple[int, int]
    bits: Callable[[jax.Array], jax.Array]  # luma uint8[..., h, w] -> bool[..., 64]


def hash_images(images: ArrayLike, method: HashMethod, profile: Profile) -> jax.Array:
    """``uint8[..., H, W, 3]`` or ``uint8[..., H, W]`` -> ``uint8[..., 8]``."""
    program = _program(method, profile)
    sharding = _sharding(images)
    if sharding is not None:
        # Each device hashes what it holds. (A loop over a sharded axis would gather it first.)
        return jax.shard_map(
            program,
            mesh=sharding.mesh,
            in_specs=sharding.spec,
            out_specs=sharding.spec,
            check_vma=False,
        )(images)
    parts = _parts_for_cores(images)
    if len(parts) == 1:
        return program(images)
    return map_on_cores(_wide_program(method, profile), parts)


def _sharding(images: ArrayLike) -> NamedSharding | None:
    """How the batch is laid over devices, if it is, with the images whole."""
    if isinstance(images, jax.core.Tracer):
        sharding = jax.typeof(images).sharding  # known here on explicit meshes alone
    else:
        sharding = getattr(images, "sharding", None)
    if not isinstance(sharding, NamedSharding) or not any(sharding.spec):
        return None
    shape = np.shape(images)
    batch_axes = len(shape) - (3 if shape[-1] == 3 and len(shape) >= 3 else 2)
    lead = sharding.spec[:batch_axes]
    return sharding.update(spec=lead) if any(lead) else None


def _parts_for_cores(images: ArrayLike) -> list[Any]:
    """As `split_for_cores`, where the first axis is surely a batch's and not an image's height."""
    if np.ndim(images) < 4 or getattr(images, "dtype", None) != np.uint8:
        return [images]
    return split_for_cores(images, _LEAST_BYTES)


@lru_cache(maxsize=64)
def _program(method: HashMethod, profile: Profile) -> Callable[[ArrayLike], jax.Array]:
    @jax.jit
    def run(images: ArrayLike) -> jax.Array:
        return _hash_resized(resize(images, method.size, profile=profile), method, profile)

    return run


@lru_cache(maxsize=64)
def _wide_program(method: HashMethod, profile: Profile) -> WideProgram:
    return WideProgram(_program(method, profile))


@partial(jax.jit, static_argnames=("method", "vertical_first", "profile", "packed"))
def hash_padded(
    images: jax.Array,
    weights: ResizeWeights,
    *,
    method: HashMethod,
    vertical_first: bool,
    profile: Profile,
    packed: bool = False,
) -> jax.Array:
    """Hash a padded batch, whose images may differ in their true sizes.

    Args:
        images: ``uint8[B, H, W, 3]`` or ``uint8[B, H, W]``, padded to a bucket's shape.
        weights: the planned resize to ``method.size``, with a batch axis.
        method: the hash.
        vertical_first: the order of the passes, as planned.
        profile: the Pillow whose luma is reproduced.
        packed: how the images lie in their places, as `resize_padded` says.

    Returns:
        ``uint8[B, 8]``.
    """
    resized = resize_padded(
        images, weights, method.size, vertical_first=vertical_first, packed=packed
    )
    return _hash_resized(resized, method, profile)


def _hash_resized(images: jax.Array, method: HashMethod, profile: Profile) -> jax.Array:
    is_rgb = images.shape[-1] == 3  # no hash is 3 pixels wide
    luma = rgb_to_luma(images, profile=profile) if is_rgb else images
    return jnp.packbits(method.bits(luma), axis=-1)
