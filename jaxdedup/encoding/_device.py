"""From items to rows: decoding in threads, and the device function on what they decoded."""

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from functools import partial
from typing import Any

from numpy.typing import NDArray

from jaxdedup.image import luma_on_host
from jaxdedup.loading import (
    Allocate,
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

from ._programs import device_function
from ._recipe import Recipe

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
    function = device_function(recipe.method, recipe.profile)
    done = pixels = 0

    def process(batch: Batch) -> list[tuple[int, Rows]]:
        nonlocal done, pixels
        done, pixels = done + len(batch.positions), pixels + batch.pixel_count
        to_come = max(0, count - done) * pixels / done
        rows = function(batch, pixels_to_come=to_come, batch_size=batch_size)
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
    pixels = prepared(pixels, recipe)
    place = None
    for shape in (None, pixels.shape):
        batch = Batch(function.plan(shape))
        place = batch.reserve(0, pixels.shape)
        if place is not None:
            break
    assert place is not None
    place[...] = pixels
    return function(batch)[0]


def decoder(recipe: Recipe, note: Note = unnoted) -> Callable[..., Pixels]:
    """:func:`jaxdedup.loading.decode` with the recipe's settings."""
    draft_size = None
    if recipe.draft and recipe.method.size:
        # At twice the target size the resize still averages over several pixels.
        height, width = recipe.method.size
        draft_size = (2 * height, 2 * width)
    return partial(
        decode,
        formats=recipe.formats,
        draft_size=draft_size,
        background=background_colour(recipe.background),
        range=recipe.range,
        note=note,
    )


def prepared(pixels: Pixels, recipe: Recipe) -> Pixels:
    """What of a decoded image is encoded."""
    if recipe.method.prepare is not None:
        return recipe.method.prepare(pixels, recipe.profile)
    if recipe.method.luma_first and pixels.ndim == 3:
        return luma_on_host(pixels, recipe.profile)
    return pixels


def _decoder_into(recipe: Recipe, note: Note) -> Callable[..., Pixels]:
    """As :func:`decoder`, of images as they are encoded."""
    decode_item = decoder(recipe, note)
    if not recipe.method.luma_first and recipe.method.prepare is None:
        return decode_item

    def decode_into(item: Item, allocate: Allocate, **admission: Any) -> Pixels:
        pixels = prepared(decode_item(item, **admission), recipe)
        place = allocate(pixels.shape)
        place[...] = pixels
        return place

    return decode_into


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
        decode_into=_decoder_into(recipe, note),
    )
