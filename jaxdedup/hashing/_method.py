"""What the hashes share: resize and luma, in either order, then comparisons, packed."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, cast

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.typing import ArrayLike

from jaxdedup.devices import ON_ONE_CORE, WideProgram, map_on_cores, split_for_cores
from jaxdedup.image import Profile, checked_images, resize, weigh_channels
from jaxdedup.runtime import integer_within

from ._in_place import from_first_aligned
from ._kept import from_kept_memory

_IN_CACHE = 32  # small images, of which NumPy makes bits at a time
_LEAST_BYTES, _MOST_BYTES = 2 * 2**20, 4 * 2**20  # of a batch: to be worth a thread, and a copy

Array = Any  # JAX's, traced or not, or NumPy's: the arithmetic is in integers, the bits the same


@dataclass(frozen=True)
class HashMethod:
    """A perceptual hash as a value.

    Attributes:
        name: what files and the command line call it.
        size: ``(h, w)``, what it looks at; ``()`` where it takes images as they are.
        count: its bits.
        bits: its comparisons, from luma ``uint8[..., h, w]`` to ``bool[..., count]``, traced or on
            the host; where it takes images as they are, on the host, from one image
            ``uint8[H, W, 3]`` or ``uint8[H, W]`` and the profile to ``bool[count]``. Where it has
            a quality, :func:`with_quality`.
        luma_first: whether images become grey before all else, or after they are resized.
        near: how many bits may differ between copies; None for 10 of 64, and the same share of
            others.
        quality: which quality images need to be compared, unless somebody says otherwise; None for
            a hash that comes without.
        host_is_faster: whether NumPy makes the bits of many images sooner than XLA does on a CPU.
    """

    name: str
    size: tuple[int, int] | tuple[()]
    count: int
    bits: Callable[..., Array]
    luma_first: bool = False
    near: int | None = None
    quality: int | None = None
    host_is_faster: bool = False


def sized_name(name: str, *sizes: tuple[int | None, int | None]) -> str:
    """The name of a hash: with its sizes, each beside its default, as far as one is another.

    Example:
        >>> sized_name("phash", (8, 8)), sized_name("phash", (16, 8))
        ('phash', 'phash-16')
    """
    kept = list(sizes)
    while kept and kept[-1][0] == kept[-1][1]:
        kept.pop()
    return "-".join([name, *(str(size) for size, _ in kept)])


def checked_power_of_two(value: Any, most: int, name: str = "hash_size") -> int:
    """A size as an int from 2 to ``most``; ValueError unless it is a power of two.

    Example:
        >>> checked_power_of_two(16, 256)
        16
    """
    size = integer_within(name, value, 2, most)
    if size & (size - 1):
        raise ValueError(f"expected {name} to be a power of two, got {size}")
    return size


def namespace(x: Array) -> Any:
    """``jax.numpy`` or ``numpy``."""
    return x.__array_namespace__()


def hash_images(images: ArrayLike, method: HashMethod, profile: Profile) -> jax.Array:
    """The packed bits of a hash that resizes: ``uint8[..., ceil(count / 8)]``.

    Args:
        images: ``uint8[..., H, W, 3]`` or ``uint8[..., H, W]``.
        method: the hash.
        profile: the Pillow whose resize and luma are reproduced.

    Example:
        >>> from jaxdedup.hashing import ahash_method
        >>> hash_images(np.eye(8, dtype=np.uint8), ahash_method(), "pillow13").shape
        (8,)
    """
    array, _ = checked_images(images)
    halves = _halves(method, profile) if method.host_is_faster else None
    grey_as = profile if method.luma_first else None
    return cast(jax.Array, over_batch(_program(method, profile), array, halves, grey_as))


class Halves(NamedTuple):
    """A program in two: what each core computes of a part, and the host of all that comes to."""

    on_cores: Callable[..., Any]  # jitted
    on_host: Callable[[Any], Any]


def over_batch(
    program: Callable[..., Any],
    images: ArrayLike,
    halves: Halves | None = None,
    grey_as: Profile | None = None,
) -> Any:
    """A jitted program's results, computed by each device of what it holds, or by all cores.

    Args:
        program: of images, whose batch axes its results, a pytree of arrays, begin with.
        images: ``uint8[..., H, W, 3]`` or ``uint8[..., H, W]``.
        halves: of the program, where cores share a batch; by default they compute all of it.
        grey_as: of a program that makes RGB images grey before all else, the profile.

    Example:
        >>> over_batch(jax.jit(lambda images: images.max((-2, -1))), np.eye(8, dtype=np.uint8))
        Array(1, dtype=uint8)
    """
    sharding = _sharding(images)
    if sharding is not None:  # a loop over a sharded axis would gather it first
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
    if halves is None:
        return map_on_cores(_on_core(program, grey_as), parts)
    return halves.on_host(map_on_cores(_on_core(halves.on_cores, grey_as), parts))


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
    return split_for_cores(images, _LEAST_BYTES, most_bytes=_MOST_BYTES)


@lru_cache(maxsize=64)
def _program(method: HashMethod, profile: Profile) -> Callable[[ArrayLike], jax.Array]:
    return jax.jit(lambda images: pack_bits(method.bits(_small_luma(images, method, profile))))


@lru_cache(maxsize=64)
def _halves(method: HashMethod, profile: Profile) -> Halves:
    def packed(luma: jax.Array) -> jax.Array:
        some = np.array_split(np.asarray(luma), -(-len(luma) // _IN_CACHE))
        return jax.device_put(np.concatenate([pack_bits(method.bits(part)) for part in some]))

    return Halves(jax.jit(lambda images: _small_luma(images, method, profile)), packed)


def _small_luma(images: ArrayLike, method: HashMethod, profile: Profile) -> jax.Array:
    if not method.size:
        raise ValueError(f"expected a hash that resizes images, got {method.name}")
    is_rgb = np.ndim(images) >= 3 and np.shape(images)[-1] == 3
    resized = resize(images, method.size, profile=profile, luma_first=method.luma_first)
    to_weigh = is_rgb and not method.luma_first
    return weigh_channels(resized, profile) if to_weigh else resized


@lru_cache(maxsize=64)
def _on_core(program: Callable[..., Any], grey_as: Profile | None) -> Callable[..., Any]:
    run = from_kept_memory(WideProgram(program, ON_ONE_CORE))
    return from_first_aligned(program, run, grey_as) if grey_as else run


def pack_bits(bits: Array) -> Array:
    """``bool[..., N]`` to ``uint8[..., ceil(N / 8)]``, right-aligned as a number is.

    Example:
        >>> pack_bits(np.array([True] + [False] * 8))
        array([1, 0], dtype=uint8)
    """
    space = namespace(bits)
    if missing := -bits.shape[-1] % 8:
        front = space.zeros((*bits.shape[:-1], missing), bool)
        bits = space.concatenate([front, bits], axis=-1)
    return space.packbits(bits, axis=-1)
