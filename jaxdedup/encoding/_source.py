"""All of a source at once: with a cache, with progress, as columns."""

from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from typing import Any

import numpy as np

from jaxdedup.loading import ImageSource
from jaxdedup.runtime import Path, watched

from ._cache import EncodingCache
from ._encodings import Encodings
from ._recipe import Recipe
from ._stream import Encoded, encode


def encode_source(
    source: ImageSource,
    recipe: Recipe,
    *,
    cache: Path | None = None,
    batch_size: int | None = None,
    num_workers: int | None = None,
    progress: str | None = None,
) -> tuple[Encodings, int]:
    """Encode all images of a source.

    Args:
        source: a folder or an archive.
        recipe: what is made of them.
        cache: a file, made where it doesn't exist, that remembers the encodings of this source.
            Only files that are new, or whose size or modification time has changed, are encoded.
            A run that is killed loses its last second.
        batch_size: as of :func:`encode`.
        num_workers: as of :func:`encode`.
        progress: what the progress bar is called; None for none.

    Returns:
        The encodings, in sorted order, and how many the cache had.

    Raises:
        ValueError: the cache holds encodings of another origin, or an argument is wrong.
        OSError: the cache can't be opened, or another process uses it.

    Example:
        >>> import tempfile
        >>> from jaxdedup.encoding import METHODS
        >>> from jaxdedup.loading import Folder
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     encode_source(Folder(folder), Recipe(METHODS["phash"]))
        (<Encodings: 0 of phash>, 0)
    """
    with ExitStack() as stack:
        store = None if cache is None else stack.enter_context(EncodingCache(cache, recipe.origin))
        known = {} if store is None else store.reuse(source)
        new = _Counted(
            ((key, item) for key, item in source if key not in known), len(source) - len(known)
        )
        stream = encode(new, recipe, batch_size=batch_size, num_workers=num_workers)
        label = f"{progress}, {len(known):,} reused" if progress and known else progress
        shown = watched(_kept(stream, store), label, len(source) - len(known))
        results = stack.enter_context(closing(_after(known, recipe, shown)))
        return Encodings.collect(results, recipe), len(known)


class _Counted:
    """An iterator that knows about how many items it has."""

    def __init__(self, items: Iterator[Any], count: int) -> None:
        self._items = items
        self._count = count

    def __iter__(self) -> Iterator[Any]:
        return self._items

    def __length_hint__(self) -> int:
        return self._count


def _kept(stream: Generator[Encoded], cache: EncodingCache | None) -> Generator[Encoded]:
    """The stream, each row of which is put into the cache at once."""
    with closing(stream):
        for encoded in stream:
            if cache is not None and encoded.row is not None:
                cache.put(encoded.key, encoded.row.tobytes())
            yield encoded


def _after(
    known: dict[str, bytes], recipe: Recipe, stream: Generator[Encoded]
) -> Generator[Encoded]:
    dtype = recipe.method.row.dtype
    with closing(stream):
        yield from (Encoded(key, np.frombuffer(row, dtype)) for key, row in known.items())
        yield from stream
