"""How a batch is laid out, and what the device does with it.

Everything that knows padded shapes, programs and devices is here: the stream sees rows by position.
"""

import math
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from functools import cache, lru_cache, partial
from threading import Semaphore
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxdedup.hashing import HashMethod, hash_padded
from jaxdedup.image import (
    Profile,
    ResizeWeights,
    bucket_shape,
    plan_resize,
    resize_padded,
    vertical_first,
)
from jaxdedup.loading import Batch, DecodeError, Failure, Item, Layout, Pixels, decode, load_batches
from jaxdedup.runtime import core_count

from ._method import Method
from ._recipe import Recipe, parameters
from ._spread import replicate, spread

# On the CPU a batch that stays in the cache is fastest, and only spares the cost of the call; an
# accelerator wants to be filled.
_CPU_BATCH_BYTES = 12 * 2**20
_DEVICE_BATCH_BYTES = 512 * 2**20
_MAX_BATCH_SIZE = 256
_WAITING = 2  # workers that the device keeps waiting, while the others decode

Rows = NDArray[Any]


class Program(NamedTuple):
    """What, beside the padded shape, a device function is compiled for."""

    vertical_first: bool


def encode_batches(
    items: Iterable[Item],
    recipe: Recipe,
    *,
    batch_size: int | None,
    num_workers: int | None,
) -> Generator[tuple[int, Rows | Failure]]:
    """Rows and failures, each with its item's position, as they come; nothing is kept."""
    # A core has a batch; an accelerator one that it works on, and one on its way.
    in_flight = Semaphore(core_count() if jax.default_backend() == "cpu" else 2)

    def process(batch: Batch) -> list[tuple[int, Rows]]:
        with in_flight:
            rows = _rows(batch, recipe)
        batch.release()
        by_position = zip(batch.positions, rows, strict=True)
        return [(position, row) for position, row in by_position if position is not None]

    loaded = decode_batches(
        items, recipe, batch_size=batch_size, num_workers=num_workers, process=process
    )
    with closing(loaded):
        for done in loaded:
            if isinstance(done, Failure):
                yield done.position, done
            else:
                yield from done


def encode_pixels(pixels: Pixels, recipe: Recipe) -> Rows:
    """The row of one decoded image, in this thread."""
    layout = _layout(pixels.shape, recipe=recipe, batch_size=1)._replace(capacity=1)
    shape = (pixels.shape[0], pixels.shape[1])
    batch = Batch(layout, np.zeros((1, *layout.shape), np.uint8), [0], [shape])
    batch.image(0, pixels.shape)[...] = pixels
    return _rows(batch, recipe)[0]


def decoder(recipe: Recipe) -> Callable[..., Pixels]:
    """:func:`jaxdedup.loading.decode` with the recipe's settings."""
    # At twice the target size the resize still averages over several pixels.
    height, width = recipe.method.size
    draft_size = (2 * height, 2 * width) if recipe.draft else None
    return partial(decode, formats=recipe.formats, draft_size=draft_size)


def decode_batches(
    items: Iterable[Item],
    recipe: Recipe,
    *,
    batch_size: int | None = None,
    num_workers: int | None = None,
    process: Callable[[Batch], Any] = lambda batch: batch,
) -> Generator[Any]:
    """:func:`jaxdedup.loading.load_batches` with the recipe's layouts and settings."""
    return load_batches(
        items,
        partial(_layout, recipe=recipe, batch_size=batch_size),
        num_workers=num_workers or core_count() + _WAITING,
        decode_into=decoder(recipe),
        process=process,
    )


def _layout(shape: tuple[int, ...], *, recipe: Recipe, batch_size: int | None) -> Layout:
    """Which images share a batch: those padded to one shape, whose passes run in one order."""
    height, width, *channels = shape
    padded = (*bucket_shape(height, width), *channels)
    if math.prod(padded) >= 2**31:
        raise DecodeError(f"has {height}×{width} pixels: padded, 2³¹ bytes or more")
    order = vertical_first(height, width, recipe.method.size, profile=recipe.profile)
    return Layout(padded, _capacity(padded, batch_size), Program(order))


def _capacity(padded: tuple[int, ...], batch_size: int | None) -> int:
    """The size of a batch: a power of two for each device, so that programs are few."""
    budget = _CPU_BATCH_BYTES if jax.default_backend() == "cpu" else _DEVICE_BATCH_BYTES
    most = batch_size or _MAX_BATCH_SIZE * jax.local_device_count()
    devices = jax.local_device_count() if jax.local_device_count() <= most else 1
    fitting = min(budget // math.prod(padded), most // devices)
    return devices << max(0, fitting.bit_length() - 1)


def _rows(batch: Batch, recipe: Recipe) -> Rows:
    """A row for each place of a batch that is taken, on the host."""
    method, program = recipe.method, batch.layout.program
    weights = _weights(batch, method.size)
    if method.load is None:
        run = _hash_program(method, recipe.profile, program)
        return np.asarray(run((), batch.pixels, weights))[: len(batch.shapes)]
    resized = _resize_program(method.size, program)((), batch.pixels, weights)
    # A batch may have left before it was full. The network is not run on the free places, but
    # on a power of two, so that it is compiled for few sizes.
    taken = 1 << (len(batch.shapes) - 1).bit_length()
    rows = jnp.asarray(_network(method)(resized[:taken]))
    if rows.ndim != 2 or rows.shape[0] != min(taken, len(resized)):
        raise ValueError(
            f"expected feature rows of shape ({taken}, D) from the model, got {rows.shape}"
        )
    return np.array(rows, np.float32)[: len(batch.shapes)]  # a copy, that can be written to


def _weights(batch: Batch, size: tuple[int, int]) -> ResizeWeights:
    """The planned resize of each place of a batch."""
    free = batch.layout.capacity - len(batch.shapes)
    return _batched_weights(tuple(batch.shapes), free, size, batch.layout.shape[:2])


@lru_cache(maxsize=64)  # most folders hold images of few sizes
def _batched_weights(
    shapes: tuple[tuple[int, int], ...],
    free: int,
    size: tuple[int, int],
    bucket: tuple[int, int],
) -> ResizeWeights:
    plans = [plan_resize(*shape, size, bucket=bucket) for shape in shapes]
    nothing = jax.tree.map(np.zeros_like, plans[0])  # of length 0: a free place takes no time
    plans += [nothing] * free
    return jax.device_put(jax.tree.map(lambda *leaves: np.stack(leaves), *plans))


@cache
def _hash_program(method: Method, profile: Profile, program: Program) -> Callable[..., jax.Array]:
    hashed = HashMethod(method.name, method.size, method.compute)

    @jax.jit
    def run(_: Any, images: jax.Array, weights: ResizeWeights) -> jax.Array:
        return hash_padded(
            images,
            weights,
            method=hashed,
            vertical_first=program.vertical_first,
            profile=profile,
            packed=True,
        )

    return spread(run)


@cache
def _resize_program(size: tuple[int, int], program: Program) -> Callable[..., jax.Array]:
    @jax.jit
    def resize(_: Any, images: jax.Array, weights: ResizeWeights) -> jax.Array:
        resized = resize_padded(
            images, weights, size, vertical_first=program.vertical_first, packed=True
        )
        grey = images.ndim == 3
        return jnp.repeat(resized[..., None], 3, axis=-1) if grey else resized

    return spread(resize)


@lru_cache(maxsize=4)  # it holds the parameters
def _network(method: Method) -> Callable[[jax.Array], Any]:
    params = parameters(method).values
    if not method.traced:  # a function of the user's is called as it is
        return partial(method.compute, params)
    # Traced, it is not divided among the cores: they have a batch each.
    return partial(spread(jax.jit(method.compute)), replicate(params))
