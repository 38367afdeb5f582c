"""What the four hashes share: resize, then luma, then 64 comparisons, packed."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.typing import ArrayLike

from jaxdedup._cores import map_on_cores, split_for_cores
from jaxdedup._programs import WideProgram
from jaxdedup.image import Profile, resize, weigh_channels
from jaxdedup.runtime import refuse_fork

_LEAST_BYTES = 4 * 2**20  # of a batch, to be worth a thread


Array = Any  # JAX's, traced or not, or NumPy's: the arithmetic is in integers, the bits the same


class HashMethod(NamedTuple):
    """A perceptual hash: its name, the size ``(h, w)`` it looks at, and its comparisons."""

    name: str
    size: tuple[int, int]
    bits: Callable[[Array], Array]  # luma uint8[..., h, w] -> bool[..., 64]


def namespace(x: Array) -> Any:
    """``jax.numpy`` or ``numpy``."""
    return x.__array_namespace__()


def hash_images(images: ArrayLike, method: HashMethod, profile: Profile) -> jax.Array:
    """``uint8[..., H, W, 3]`` or ``uint8[..., H, W]`` -> ``uint8[..., 8]``."""
    refuse_fork()
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
        resized = resize(images, method.size, profile=profile)
        is_rgb = resized.shape[-1] == 3  # no hash is 3 pixels wide
        luma = weigh_channels(resized, profile) if is_rgb else resized
        return pack_bits(method.bits(luma))

    return run


@lru_cache(maxsize=64)
def _wide_program(method: HashMethod, profile: Profile) -> WideProgram:
    return WideProgram(_program(method, profile))


def hash_resized(images: Array, method: HashMethod, profile: Profile) -> Array:
    """Hash images that have the method's size already.

    Args:
        images: ``uint8[..., h, w, 3]``, JAX's or NumPy's; of a grey one all channels are equal.
        method: the hash.
        profile: the Pillow whose luma is reproduced.

    Returns:
        ``uint8[..., 8]``, of the same kind of array.
    """
    return pack_bits(method.bits(weigh_channels(images, profile)))


def pack_bits(bits: Array) -> Array:
    """``bool[..., N]`` -> ``uint8[..., N / 8]``."""
    return namespace(bits).packbits(bits, axis=-1)
