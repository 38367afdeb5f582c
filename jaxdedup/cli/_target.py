"""What the commands work on: images that are to be encoded, or encodings from a file."""

import os
import time
from argparse import Namespace
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from jaxdedup import encoding, loading
from jaxdedup.encoding import Encodings, Origin, Recipe
from jaxdedup.index import Index
from jaxdedup.runtime import escaped

from ._output import tell

INDEX = ".idx"  # what the name of an index ends in

# What the bits are.
_SETTINGS = ("profile", "draft", "background", "range", "exif_orientation", "trim")


class Target:
    """Images that are to be encoded, in a folder or an archive, or a file of encodings.

    Args:
        options: of the command.
        path: of the folder or the file.
        is_images: whether it can't be a file of encodings.
        or_image: whether it may be an image, too.
    """

    def __init__(
        self, options: Namespace, path: str, *, is_images: bool = False, or_image: bool = False
    ) -> None:
        is_table = path.lower().endswith(".parquet")
        is_images = is_images or (is_table and bool(options.column))
        if not is_images and not loading.is_url(path) and not os.path.exists(path):
            raise ValueError(f"expected a folder or a file of encodings, got {path!r:.100}")
        self.path = path
        self.source: loading.ImageSource | None = None
        self.stored: Encodings | Index | None = None
        is_stored = path.lower().endswith((*encoding.SUFFIXES, INDEX)) and not os.path.isdir(path)
        if is_images or (not is_stored and loading.is_source(path)):
            source = loading.open_source(
                path,
                recursive=options.recursive,
                follow_links=options.follow_links,
                column=options.column if is_table else None,
                key=options.key if is_table else None,
            )
            self.source = loading.Frames(source) if options.frames else source
        elif is_stored or not or_image:
            is_index = path.lower().endswith(INDEX)
            self.stored = Index.open(path) if is_index else encoding.load(path)
            _refuse_other(options, path, self.stored.origin)

    @property
    def names(self) -> Sequence[str]:
        """Of the images that there are, which may be unreadable."""
        return self.source.names if self.source is not None else self.stored_encodings.names

    @property
    def stored_encodings(self) -> Encodings:
        """What the file holds."""
        assert self.stored is not None
        return self.stored.encodings if isinstance(self.stored, Index) else self.stored

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
                progress=None if options.quiet else recipe.method.name,
                **settings,
            )
        _tell_encoded(options, len(encodings), reused, time.perf_counter() - start)
        _tell_skipped(options, encodings.failures)
        return encodings


def refuse_columns(options: Namespace, targets: Sequence[Target]) -> None:
    """ValueError if the options name columns, and no target has any."""
    if not any(isinstance(target.source, loading.Table) for target in targets):
        for option in ("column", "key"):
            if getattr(options, option):
                raise ValueError(f"--{option} goes with a .parquet file of images")


def recipe_for(options: Namespace, origin: Origin | None = None) -> Recipe:
    """The recipe that the options ask for, or the one that made a file."""
    if origin is not None:  # whose rows may be of turned images: those of the others are not
        recipe = Recipe.from_origin(replace(origin, orientations="none"))
        return replace(recipe, formats=options.formats or recipe.formats)
    method = encoding.method_named(_method_name(options) or "phash")
    if getattr(options, "quality", False) or getattr(options, "min_quality", None):
        method = encoding.rated(method)
    asked = {name: value for name in _SETTINGS if (value := getattr(options, name))}
    return Recipe(method, formats=options.formats, **asked)


def _method_name(options: Namespace) -> str | None:
    """The name that the options say, if any."""
    if options.hash_size is None:
        return options.method
    return f"{options.method or 'phash'}-{options.hash_size}"


def _refuse_other(options: Namespace, path: str, origin: Origin) -> None:
    """ValueError if the options ask for other encodings than a file has."""
    asked = {name: getattr(options, name) for name in _SETTINGS}
    if name := _method_name(options):
        asked["method"] = encoding.method_named(name).name
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


def say(options: Namespace, text: str) -> None:
    if not options.quiet:
        tell(text)


def say_each(options: Namespace, lines: Iterable[str]) -> None:
    for line in lines:
        say(options, f"  {line}")
