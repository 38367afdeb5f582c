"""Encoding as a stream: keyed items in, keyed rows out."""

import operator
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

from numpy.typing import NDArray

from jaxdedup.loading import Failure, FlatImages, Item, own
from jaxdedup.runtime import positive_or_none, refuse_fork

from ._device import decoder, encode_batches
from ._recipe import Recipe, check_recipe

Key = Any  # anything hashable


class Encoded(NamedTuple):
    """What became of an item.

    Attributes:
        key: its key.
        row: ``uint8[b]`` of a hash, ``float32[D]`` of a network; None where there is a failure.
        failure: why the item could not be loaded.
        quality: how much there is to see, 0 to 100; None of a method that doesn't tell.
    """

    key: Key
    row: NDArray[Any] | None
    failure: str | None = None
    quality: int | None = None


class Stream(Generator[Encoded]):
    """What :func:`encode` yields, with its recipe.

    Attributes:
        recipe: by which it encodes.
    """

    def __init__(self, results: Generator[Encoded], recipe: Recipe) -> None:
        self._results = results
        self.recipe = recipe

    def send(self, value: None) -> Encoded:
        return self._results.send(value)

    def throw(self, *error: Any) -> Encoded:
        return self._results.throw(*error)


def encode(
    items: Iterable[tuple[Key, Item]],
    recipe: Recipe,
    *,
    batch_size: int | None = None,
    num_workers: int | None = None,
    max_pixels_in_flight: int | None = None,
) -> Stream:
    """Encode keyed images, lazily, as they come.

    One item in is one result out; an item that can't be loaded is a result with its reason. The
    memory does not grow with the number of items, and nothing is kept: several threads may encode
    by one recipe at once.

    Args:
        items: ``(key, item)`` pairs: a :class:`jaxdedup.loading.Folder`, or any other iterable. An
            item is a path, the bytes of a file, an open binary file, a Pillow image or an array;
            paths and bytes apart, it is read before the next is asked for. The iterable is read
            from other threads, but never by two at once.
        recipe: what is made of them.
        batch_size: the most images in a call of the device function; None to choose. No encoding
            depends on it.
        num_workers: number of threads, which decode and then run the device on what they decoded;
            None for two more than there are cores.
        max_pixels_in_flight: the most pixels that are decoded at the same time, but that a larger
            image is decoded alone; None for a quarter of the memory granted, at 16 bytes a pixel.

    Yields:
        The results, in the order in which they are ready: none waits for an item that the iterable
        has not given yet, so that this may wait for a result. Of images that became one flat
        colour, as their transparency or range is dropped, the log tells once, at the end.

    Raises:
        TypeError, ValueError: an argument is wrong; before anything is read.
        RuntimeError: this process was forked from one in which JAX had run.
        Exception: what the iterable itself raises, after all that was read before.

    Example:
        >>> import numpy as np
        >>> from jaxdedup.encoding import METHODS, Recipe
        >>> items = [("black", np.zeros((9, 9), np.uint8)), ("bad", b"no image")]
        >>> for key, row, failure, _ in sorted(encode(items, Recipe(METHODS["phash"]))):
        ...     print(key, failure or row)
        bad is not an image of a known format
        black [255 255 255 255 255 255 255 255]
    """
    if not isinstance(items, Iterable):
        raise TypeError(f"expected an iterable of (key, item) pairs, got {type(items).__name__}")
    check_recipe(recipe)
    bounds = {
        "batch_size": batch_size,
        "num_workers": num_workers,
        "max_pixels_in_flight": max_pixels_in_flight,
    }
    bounds = {name: positive_or_none(name, value) for name, value in bounds.items()}
    refuse_fork()
    resources = {**bounds, "count": operator.length_hint(items, 0)}
    return Stream(_encode(iter(items), recipe, resources), recipe)


def _encode(
    items: Iterator[tuple[Key, Item]],
    recipe: Recipe,
    resources: dict[str, Any],
) -> Generator[Encoded]:
    keys: dict[int, Key] = {}  # of the items that are underway, by position
    errors: list[BaseException] = []
    flat = FlatImages()
    read = decoder(recipe, flat.note)

    def owned() -> Iterator[Item]:
        try:
            for position, pair in enumerate(items):
                key, item = _checked(pair)
                keys[position] = key
                yield _owned(key, item, read)
        except GeneratorExit:
            raise
        except BaseException as error:  # the items' own: told after what was read before
            errors.append(error)

    results = encode_batches(owned(), recipe, note=flat.note, **resources)
    with closing(results):
        for position, result in results:
            key = keys.pop(position)
            if isinstance(result, Failure):
                yield Encoded(key, None, result.reason)
            else:
                row, quality = result
                yield Encoded(key, row, None, quality)
    flat.tell()
    if errors:
        raise errors[0]


def _owned(key: Key, item: Item, read: Callable[..., Any]) -> Item:
    try:
        return own(item, read)
    except TypeError as error:
        raise TypeError(f"{error}, for {key!r:.200}") from None


def _checked(pair: Any) -> tuple[Key, Item]:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise TypeError(f"expected items as (key, item) pairs, got {pair!r:.80}")
    return pair[0], pair[1]
