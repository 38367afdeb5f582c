"""From items to rows: decoding in threads, and the device function on what they decoded."""

import logging
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import repeat
from typing import Any

from numpy.typing import NDArray

from jaxdedup.hashing import split_quality
from jaxdedup.loading import (
    Allocate,
    Batch,
    BatchOfOne,
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

from ._programs import WAITING, device_function, work_of
from ._recipe import Recipe

Rows = NDArray[Any]

logger = logging.getLogger("jaxdedup.ties")  # which the command line shows


def encode_batches(
    items: Iterable[Item],
    recipe: Recipe,
    *,
    batch_size: int | None,
    count: int = 0,
    **decoding: Any,
) -> Generator[tuple[int, tuple[Rows, int | None] | Failure]]:
    """Rows with their quality, and failures, each with its item's position, as they come.

    Nothing is kept. How many ties were decided as the reference rounds, the log tells at the end.

    Args:
        items: what is to be encoded.
        recipe: how.
        batch_size: the most images in a batch.
        count: how many items there are, as far as is known.
        decoding: as of :func:`decode_batches`.
    """
    function = device_function(recipe.method, recipe.profile)
    done = work = ties = 0

    def process(batch: Batch) -> tuple[Any, ...]:
        nonlocal done, work
        done, work = done + len(batch.positions), work + work_of(batch)
        to_come = max(0, count - done) * work / done
        rows = function(batch, work_to_come=to_come, batch_size=batch_size)
        return batch.positions, *_taken_apart(rows, recipe)

    loaded = decode_batches(items, recipe, process, batch_size=batch_size, **decoding)
    with closing(loaded):
        for result in loaded:
            if isinstance(result, Failure):
                yield result.position, result
                continue
            for position, row, quality, tied in zip(*result, strict=False):  # some are endless
                if position is not None:
                    ties += tied
                    yield position, (row, quality)
    if ties:
        logger.info("%d ties of %s redone in the reference's order", ties, recipe.method.name)


def encode_pixels(pixels: Pixels, recipe: Recipe) -> Rows:
    """The row of one decoded image, in this thread."""
    refuse_fork()
    function = device_function(recipe.method, recipe.profile)
    if function.prepare is not None:
        pixels = function.prepare(pixels)
    batch = BatchOfOne(function.plan(None), pixels)
    if not batch.positions:
        batch = BatchOfOne(function.plan(pixels.shape), pixels)
    row: Rows = _taken_apart(function(batch), recipe)[0][0]
    return row


def _taken_apart(rows: Rows, recipe: Recipe) -> tuple[Rows, Iterable[int | None], Iterable[bool]]:
    """Rows, the quality of each image where the method tells it, and whether it was a tie."""
    if recipe.method.quality is None:
        return rows, repeat(None), repeat(False)
    rated = split_quality(rows, recipe.method.row.rows)
    return rated.rows, rated.quality.tolist(), rated.tied.tolist()


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
        exif_orientation=recipe.exif_orientation,
        trim=recipe.trim,
        note=note,
    )


def whole_decoder(recipe: Recipe) -> Callable[..., Pixels]:
    """As :func:`decoder`, of images as large as they are."""
    return decoder(replace(recipe, draft=False, trim=False))


def _decoder_into(recipe: Recipe, note: Note) -> Callable[..., Pixels]:
    """As :func:`decoder`, of images as they are encoded."""
    decode_item = decoder(recipe, note)
    prepare = device_function(recipe.method, recipe.profile).prepare
    if prepare is None:
        return decode_item

    def decode_into(item: Item, allocate: Allocate, **admission: Any) -> Pixels:
        pixels = prepare(decode_item(item, **admission))
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
    """:func:`jaxdedup.loading.load_batches` with the recipe's plans and settings.

    ``note`` is called for images that become one flat colour.
    """
    return load_batches(
        items,
        device_function(recipe.method, recipe.profile).plan,
        process,
        batch_size=batch_size,
        num_workers=num_workers or core_count() + WAITING,
        max_pixels_in_flight=max_pixels_in_flight,
        decode_into=_decoder_into(recipe, note),
    )
