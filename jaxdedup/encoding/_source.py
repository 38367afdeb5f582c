"""All of a source at once: with a cache, with progress, as columns."""

import logging
import os
from collections.abc import Collection, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any, Self

import numpy as np

from jaxdedup.loading import ImageSource, check_source
from jaxdedup.runtime import Path, watched

from ._cache import EncodingCache, refuse_impossible
from ._encodings import Encodings
from ._recipe import Recipe
from ._stream import Encoded, encode

logger = logging.getLogger("jaxdedup")


def encode_source(
    source: ImageSource,
    recipe: Recipe,
    *,
    cache: Path | None = None,
    without: Collection[str] = (),
    batch_size: int | None = None,
    num_workers: int | None = None,
    max_pixels_in_flight: int | None = None,
    progress: str | None = None,
) -> tuple[Encodings, int]:
    """Encode all images of a source.

    Args:
        source: a folder or an archive.
        recipe: what is made of them.
        cache: a file, made where it doesn't exist, that remembers the encodings of this source.
            Only files that are new, or whose size or modification time has changed, are encoded.
            A run that is killed loses its last second. Where the cache can't be used, the log tells
            why, and everything is encoded.
        without: keys of the source that are left out.
        batch_size: as of :func:`encode`.
        num_workers: as of :func:`encode`.
        max_pixels_in_flight: as of :func:`encode`.
        progress: what the progress bar is called; None for none.

    Returns:
        The encodings, in sorted order, and how many the cache had.

    Raises:
        ValueError: the cache is another file, or holds encodings of another origin, or an argument
            is wrong.
        FileNotFoundError, IsADirectoryError: the cache can be no file.

    Example:
        >>> import tempfile
        >>> from jaxdedup.encoding import METHODS
        >>> from jaxdedup.loading import Folder
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     encode_source(Folder(folder), Recipe(METHODS["phash"]))
        (<Encodings: 0 of phash>, 0)
    """
    check_source(source)
    with _Store(cache, recipe) as store, ExitStack() as stack:
        known, without = store.reuse(source), frozenset(without)
        for key in without:
            known.pop(key, None)
        wanted = ((k, item) for k, item in source if k not in known and k not in without)
        count = len(source) - len(known) - len(without)
        new = _Counted(wanted, count)
        stream = encode(
            new,
            recipe,
            batch_size=batch_size,
            num_workers=num_workers,
            max_pixels_in_flight=max_pixels_in_flight,
        )
        label = f"{progress}, {len(known):,} reused" if progress and known else progress
        shown = watched(_kept(stream, store), label, count)
        results = stack.enter_context(closing(_after(known, recipe, shown)))
        return Encodings.collect(results, recipe), len(known)


def refuse_other_cache(cache: Path | None, recipe: Recipe) -> None:
    """For before the work: raise what :func:`encode_source` would for this cache.

    Raises:
        ValueError: the cache is another file, or holds encodings of another origin.
        FileNotFoundError, IsADirectoryError: the cache can be no file.

    Example:
        >>> from jaxdedup.encoding import METHODS
        >>> refuse_other_cache(".", Recipe(METHODS["phash"]))
        Traceback (most recent call last):
        ...
        IsADirectoryError: expected a file as the cache, got the folder '.'
    """
    if cache is None:
        return
    refuse_impossible(cache, recipe.origin)
    if os.path.exists(cache):  # or it would be made
        with suppress(OSError), _opened(cache, recipe):  # where encoding goes on without
            pass


def _opened(cache: Path, recipe: Recipe) -> EncodingCache:
    row = recipe.method.row
    last = recipe.method.quality is not None  # a byte more
    row_bytes = None if row.width is None else row.width * row.dtype.itemsize + last
    return EncodingCache(cache, recipe.origin, row_bytes)


class _Store:
    """A cache as long as it works, and nothing from then on: what fails is told, once."""

    def __init__(self, path: Path | None, recipe: Recipe) -> None:
        self._cache: EncodingCache | None = None
        if path is None:
            return
        with self._or_without():
            self._cache = _opened(path, recipe)

    def reuse(self, source: ImageSource) -> dict[str, bytes]:
        known: dict[str, bytes] = {}
        with self._or_without():
            if self._cache is not None:
                known = self._cache.reuse(source)
        return known

    def put(self, encoded: Encoded) -> None:
        if self._cache is not None and encoded.row is not None:
            with self._or_without():
                last = b"" if encoded.quality is None else bytes([encoded.quality])
                self._cache.put(encoded.key, encoded.row.tobytes() + last)

    @contextmanager
    def _or_without(self) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, IsADirectoryError):  # a mistake in the path
            raise
        except OSError as error:
            logger.warning("encoding goes on without a cache: %s", error)
            cache, self._cache = self._cache, None
            if cache is not None:
                with suppress(OSError):
                    cache.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        cache, self._cache = self._cache, None
        if cache is not None:
            with self._or_without():
                cache.__exit__(*error)


class _Counted:
    """An iterator that knows about how many items it has."""

    def __init__(self, items: Iterator[Any], count: int) -> None:
        self._items = items
        self._count = count

    def __iter__(self) -> Iterator[Any]:
        return self._items

    def __length_hint__(self) -> int:
        return self._count


def _kept(stream: Generator[Encoded], store: _Store) -> Generator[Encoded]:
    """The stream, each row of which is put into the cache at once."""
    with closing(stream):
        for encoded in stream:
            store.put(encoded)
            yield encoded


def _after(
    known: dict[str, bytes], recipe: Recipe, stream: Generator[Encoded]
) -> Generator[Encoded]:
    dtype, is_rated = recipe.method.row.dtype, recipe.method.quality is not None
    with closing(stream):
        for key, row in known.items():
            if is_rated:
                yield Encoded(key, np.frombuffer(row[:-1], dtype), None, row[-1])
            else:
                yield Encoded(key, np.frombuffer(row, dtype))
        yield from stream
