"""What the four hashes share: resize, then luma, then 64 comparisons, packed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.typing import ArrayLike

from jaxdedup._cores import core_count
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
    program = partial(_hash_images, method=method, profile=profile)
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
    # Compiled here, for the one or two shapes there are, lest each thread do it.
    programs = {part.shape: _compiled(part.shape, method, profile) for part in parts}
    with ThreadPoolExecutor(len(parts)) as pool:
        done = pool.map(lambda part: programs[part.shape](part).block_until_ready(), parts)
        return jnp.concatenate(list(done))


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
    """A large batch in a CPU's memory, in a part for each core: XLA runs a loop on one core.

    Everything else stays whole: what is traced, small, or on an accelerator, and where there are
    several devices, which share the cores already.
    """
    if not isinstance(images, (np.ndarray, jax.Array)) or isinstance(images, jax.core.Tracer):
        return [images]
    if jax.default_backend() != "cpu" or jax.device_count() > 1:
        return [images]
    if images.ndim < 4 or images.dtype != np.uint8:
        return [images]
    count = min(core_count(), len(images), images.nbytes // _LEAST_BYTES)
    return list(np.array_split(np.asarray(images), count)) if count > 1 else [images]


@partial(jax.jit, static_argnames=("method", "profile"))
def _hash_images(images: ArrayLike, *, method: HashMethod, profile: Profile) -> jax.Array:
    return _hash_resized(resize(images, method.size, profile=profile), method, profile)


@lru_cache(maxsize=64)
def _compiled(shape: tuple[int, ...], method: HashMethod, profile: Profile) -> jax.stages.Compiled:
    images = jax.ShapeDtypeStruct(shape, jnp.uint8)  # type: ignore[no-untyped-call]
    return _hash_images.lower(images, method=method, profile=profile).compile()


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
