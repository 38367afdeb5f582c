"""From items to rows: decoding in threads, and the device function on what they decoded."""

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxdedup.loading import (
    Batch,
    Failure,
    Item,
    Note,
    Pixels,
    background_colour,
    decode,
    load_batches,
    unnoted,
)
from jaxdedup.runtime import core_count, refuse_fork

from ._method import Method
from ._programs import device_function
from ._recipe import Recipe, parameters

_WAITING = 2  # workers that the device keeps waiting, while the others decode

Rows = NDArray[Any]


def encode_batches(
    items: Iterable[Item],
    recipe: Recipe,
    *,
    batch_size: int | None,
    num_workers: int | None,
    max_pixels_in_flight: int | None = None,
    note: Note = unnoted,
    count: int = 0,
) -> Generator[tuple[int, Rows | Failure]]:
    """Rows and failures, each with its item's position, as they come; nothing is kept.

    Args:
        items: what is to be encoded.
        recipe: how.
        batch_size: the most images in a batch.
        num_workers: the number of threads.
        max_pixels_in_flight: the most pixels that are decoded at the same time.
        note: called for images that become one flat colour.
        count: how many items there are, as far as is known.
    """
    done = pixels = 0

    def process(batch: Batch) -> list[tuple[int, Rows]]:
        nonlocal done, pixels
        done, pixels = done + len(batch.positions), pixels + batch.pixel_count
        rows = _rows(batch, recipe, max(0, count - done) * pixels / done)
        by_position = zip(batch.positions, rows, strict=True)
        return [(position, row) for position, row in by_position if position is not None]

    loaded = decode_batches(
        items,
        recipe,
        process,
        batch_size=batch_size,
        num_workers=num_workers,
        max_pixels_in_flight=max_pixels_in_flight,
        note=note,
    )
    with closing(loaded):
        for result in loaded:
            if isinstance(result, Failure):
                yield result.position, result
            else:
                yield from result


def encode_pixels(pixels: Pixels, recipe: Recipe) -> Rows:
    """The row of one decoded image, in this thread."""
    refuse_fork()
    function = device_function(recipe.method, recipe.profile)
    place = None
    for shape in (None, pixels.shape):
        batch = Batch(function.plan(shape))
        place = batch.reserve(0, pixels.shape)
        if place is not None:
            break
    assert place is not None
    place[...] = pixels
    return _rows(batch, recipe)[0]


def decoder(recipe: Recipe, note: Note = unnoted) -> Callable[..., Pixels]:
    """:func:`jaxdedup.loading.decode` with the recipe's settings."""
    # At twice the target size the resize still averages over several pixels.
    height, width = recipe.method.size
    draft_size = (2 * height, 2 * width) if recipe.draft else None
    return partial(
        decode,
        formats=recipe.formats,
        draft_size=draft_size,
        background=background_colour(recipe.background),
        range=recipe.range,
        note=note,
    )


def decode_batches(
    items: Iterable[Item],
    recipe: Recipe,
    process: Callable[[Batch], Any],
    *,
    batch_size: int | None = None,
    num_workers: int | None = None,
    max_pixels_in_flight: int | None = None,
    note: Note = unnoted,
) -> Generator[Any]:
    """:func:`jaxdedup.loading.load_batches` with the recipe's plans and settings."""
    return load_batches(
        items,
        device_function(recipe.method, recipe.profile).plan,
        process,
        batch_size=batch_size,
        num_workers=num_workers or core_count() + _WAITING,
        max_pixels_in_flight=max_pixels_in_flight,
        decode_into=decoder(recipe, note),
    )


def _rows(batch: Batch, recipe: Recipe, pixels_to_come: float = 0) -> Rows:
    """A row for each image of a batch, on the host."""
    method = recipe.method
    rows = device_function(method, recipe.profile)(batch, pixels_to_come)
    return rows if method.load is None else _features(method, rows)


def _features(method: Method, images: Rows) -> Rows:
    """The rows of resized images, by a network that is compiled for powers of two."""
    count = len(images)
    padded = np.zeros((1 << (count - 1).bit_length(), *images.shape[1:]), np.uint8)
    padded[:count] = images
    rows = jnp.asarray(_network(method)(padded))
    if rows.ndim != 2 or len(rows) != len(padded):
        raise ValueError(
            f"expected feature rows of shape ({len(padded)}, D) from the model, got {rows.shape}"
        )
    return np.array(rows, np.float32)[:count]  # a copy, that can be written to


@lru_cache(maxsize=4)  # it holds the parameters
def _network(method: Method) -> Callable[[Any], Any]:
    params = parameters(method).values
    if not method.traced:  # a function of the user's is called as it is
        return partial(method.compute, params)
    # Traced, it is not divided among the cores: they have a batch each.
    return partial(jax.jit(method.compute), params)
