"""What the commands work on: images that are to be encoded, or encodings from a file."""

import json
import os
import sys
import time
from argparse import Namespace
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from jaxdedup import encoding, loading, runtime
from jaxdedup.encoding import Encodings, Origin, Recipe
from jaxdedup.index import Index
from jaxdedup.runtime import escaped

from ._output import tell

INDEX = ".idx"  # what the name of an index ends in

# What the bits are.
_SETTINGS = ("profile", "draft", "background", "range", "exif_orientation", "trim")


class Target:
    """Images that are to be encoded, in folders or archives, or encodings: a file, or shards.

    Args:
        options: of the command.
        paths: of the folders, or of the file.
        is_images: whether it can't be a file of encodings; several can't.
        or_image: whether it may be an image, too.
        is_one_of_two: whether names begin with the path, as those of several folders do.
    """

    def __init__(
        self,
        options: Namespace,
        *paths: str,
        is_images: bool = False,
        or_image: bool = False,
        is_one_of_two: bool = False,
    ) -> None:
        self.paths = paths
        self.path = ", ".join(paths)
        self.sources: dict[str, loading.ImageSource] = {}
        self.stored: Encodings | Index | None = None
        self._is_joined = is_one_of_two or len(paths) > 1
        self._has_frames = options.frames
        for path in paths:
            if (source := _source(options, path, is_images or len(paths) > 1)) is not None:
                self.sources[path] = source
            elif _is_stored(path) or not or_image:
                self.stored = _stored(options, path)

    @cached_property
    def source(self) -> loading.ImageSource | None:
        """The images of all."""
        if not self.sources:
            return None
        one = loading.Several(self.sources) if self._is_joined else self.sources[self.path]
        return loading.Frames(one) if self._has_frames else one

    def beside(self, other: "Target") -> loading.ImageSource:
        """The images of two."""
        both = loading.Several(self.sources | other.sources)
        return loading.Frames(both) if self._has_frames else both

    def full(self, name: str) -> str:
        """The path of an image."""
        return loading.joined(self.path, name) if self.source and not self._is_joined else name

    @property
    def names(self) -> Sequence[str]:
        """Of the images that there are, which may be unreadable."""
        return self.source.names if self.source is not None else self.stored_encodings.names

    @property
    def stored_encodings(self) -> Encodings:
        """What the file holds."""
        assert self.stored is not None
        found = self.stored.encodings if isinstance(self.stored, Index) else self.stored
        if not self._is_joined:
            return found
        names = [loading.joined(self.path, name) for name in found.names]
        return Encodings(names, found.rows, found.origin, quality=found.quality, vouched_for=True)

    def no_encodings(self, recipe: Recipe | None) -> Encodings:
        """None, made as those that there are."""
        if recipe is not None:
            return Encodings.collect([], recipe)
        stored = self.stored_encodings
        return Encodings([], stored.rows[:0], stored.origin)

    def encodings(
        self, options: Namespace, recipe: Recipe | None, without: Collection[str] = ()
    ) -> Encodings:
        """What the file holds, or the images give, but for some names."""
        if recipe is None or self.stored is not None:
            return _without(self.stored_encodings, without)
        start = time.perf_counter()
        settings = {
            "batch_size": options.batch_size,
            "num_workers": options.num_workers,
            "max_pixels_in_flight": options.max_pixels_in_flight,
        }
        if self.source is None:
            image = encoding.encode([(self.path, self.path)], recipe, **settings)
            encodings, reused = Encodings.collect(image, recipe), 0
        else:
            encodings, reused = encoding.encode_source(
                self.source,
                recipe,
                cache=getattr(options, "cache", None),
                without=without,
                progress=shown(options, recipe.method.name),
                **settings,
            )
        _tell_encoded(options, len(encodings), reused, time.perf_counter() - start)
        _tell_skipped(options, encodings.failures)
        return encodings


def _source(options: Namespace, path: str, is_images: bool) -> loading.ImageSource | None:
    """The images at a path; None where it isn't, or need not be, for images."""
    is_table = path.lower().endswith(".parquet")
    is_images = is_images or (is_table and bool(options.column))
    if not is_images and not loading.is_url(path) and not os.path.exists(path):
        raise ValueError(f"expected a folder or a file of encodings, got {path!r:.100}")
    if not is_images and (_is_stored(path) or not loading.is_source(path)):
        return None
    return loading.open_source(
        path,
        recursive=options.recursive,
        follow_links=options.follow_links,
        column=options.column if is_table else None,
        key=options.key if is_table else None,
    )


def _is_stored(path: str) -> bool:
    if os.path.isdir(path):
        return encoding.holds_shards(path)
    return path.lower().endswith((*encoding.SUFFIXES, INDEX))


def _stored(options: Namespace, path: str) -> Encodings | Index:
    stored = Index.open(path) if path.lower().endswith(INDEX) else encoding.load(path)
    _refuse_other(options, path, stored.origin)
    return stored


def recipe_for(options: Namespace, origin: Origin | None = None) -> Recipe:
    """The recipe that the options ask for, or the one that made a file."""
    if origin is not None:  # whose rows may be of turned images: those of the others are not
        weights = options.weights
        own = encoding.weighted_method(origin.method, weights, origin.dtype) if weights else None
        recipe = Recipe.from_origin(replace(origin, orientations="none"), own)
        return replace(recipe, formats=options.formats or recipe.formats)
    method = _method(options)
    if getattr(options, "quality", False) or getattr(options, "min_quality", None):
        method = encoding.rated(method)
    asked = {name: value for name in _SETTINGS if (value := getattr(options, name))}
    return Recipe(method, formats=options.formats, **asked)


def _method(options: Namespace) -> encoding.Method:
    name = _method_name(options) or "phash"
    if options.weights:
        return encoding.weighted_method(name, options.weights)
    return encoding.method_named(name)


def _method_name(options: Namespace) -> str | None:
    """The name that the options say, if any."""
    if options.hash_size is None:
        return options.method
    return f"{options.method or 'phash'}-{options.hash_size}"


def _refuse_other(options: Namespace, path: str, origin: Origin) -> None:
    """ValueError if the options ask for other encodings than a file has."""
    asked = {name: getattr(options, name) for name in _SETTINGS}
    if _method_name(options):
        asked["method"] = _method(options).name
    wanted = replace(origin, **{name: value for name, value in asked.items() if value})
    if different := wanted.differences(origin):
        raise ValueError(f"{path!r:.100} holds other encodings: {different}")


def _without(encodings: Encodings, names: Collection[str]) -> Encodings:
    if not names:
        return encodings
    return encodings.only(np.array([name not in names for name in encodings.names], bool))


def _tell_encoded(options: Namespace, count: int, reused: int, seconds: float) -> None:
    encoded = count - reused
    rate = f"{encoded} images encoded in {seconds:.1f} s, {encoded / seconds:.0f} a second"
    say(options, f"{rate}; {reused} reused from the cache" if reused else rate)


def _tell_skipped(options: Namespace, failures: Mapping[str, str]) -> None:
    if failures:
        reasons = encoding.commonest(failures)
        say(options, f"{len(failures)} skipped: {reasons}; --list-skipped names them")
    if options.list_skipped:
        say_each(options, (f"{escaped(n)}: {escaped(why)}" for n, why in failures.items()))


def write_failures(
    options: Namespace, targets: Sequence[Target], encodings: Sequence[Encodings]
) -> None:
    """What --failures asks for: what could not be loaded, and why."""
    if not options.failures:
        return
    lines = [
        json.dumps({"path": target.full(name), "reason": reason}) + "\n"
        for target, found in zip(targets, encodings, strict=True)
        for name, reason in found.failures.items()
    ]
    runtime.write_whole(options.failures, lambda file: file.writelines(map(str.encode, lines)))


def shown(options: Namespace, label: str) -> str | None:
    """What progress is called, where anybody sees it."""
    is_seen = not options.quiet and sys.stderr is not None and sys.stderr.isatty()
    return label if is_seen else None


def say(options: Namespace, text: str) -> None:
    if not options.quiet:
        tell(text)


def say_each(options: Namespace, lines: Iterable[str]) -> None:
    for line in lines:
        say(options, f"  {line}")
