"""The commands, each in two steps: whatever can be wrong is found out before the work begins."""

import os
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from jaxdedup import duplicates, encoding, loading, runtime
from jaxdedup.duplicates import Matches
from jaxdedup.encoding import TURNS, Encodings, Origin, Recipe
from jaxdedup.report import save_report
from jaxdedup.runtime import escaped

from ._output import give, printable, refuse_closed_output, tell

Work = Callable[[], int]

_NOTHING_ENCODED = 1
_LINES = 10_000  # that are written at a time
_OF_FOLDERS = (
    "recursive",
    "follow_links",
    "frames",
    "formats",
    "batch_size",
    "num_workers",
    "max_pixels_in_flight",
    "cache",
)
_DECIDING = ("method", "profile", "draft", "background", "range")  # what the bits are


class _Target:
    """A folder or an archive that is to be encoded, or a file of encodings, which is read."""

    def __init__(self, options: Namespace, path: str, *, is_images: bool = False) -> None:
        is_table = path.lower().endswith(".parquet")
        is_images = is_images or (is_table and bool(options.column))
        if not is_images and not loading.is_url(path) and not os.path.exists(path):
            raise ValueError(f"expected a folder or a file of encodings, got {path!r:.100}")
        self.path = path
        self.source: loading.ImageSource | None = None
        self.stored: Encodings | None = None
        if is_images or loading.is_source(path):
            source = loading.open_source(
                path,
                recursive=options.recursive,
                follow_links=options.follow_links,
                column=options.column if is_table else None,
                key=options.key if is_table else None,
            )
            self.source = loading.Frames(source) if options.frames else source
        else:
            self.stored = encoding.load(path)
            _refuse_other(options, path, self.stored.origin)

    def encodings(self, options: Namespace, recipe: Recipe | None) -> Encodings:
        """What the file holds, or the images give."""
        if self.source is None or recipe is None:
            assert self.stored is not None
            return self.stored
        start = time.perf_counter()
        encodings, reused = encoding.encode_source(
            self.source,
            recipe,
            cache=getattr(options, "cache", None),
            batch_size=options.batch_size,
            num_workers=options.num_workers,
            max_pixels_in_flight=options.max_pixels_in_flight,
            progress=None if options.quiet else recipe.method.name,
        )
        _tell_encoded(options, len(encodings), reused, time.perf_counter() - start)
        _tell_skipped(options, encodings.failures)
        return encodings


def encode(options: Namespace) -> Work:
    """``jaxdedup encode``."""
    target = _Target(options, options.directory, is_images=True)
    _refuse_columns(options, [target])
    recipe = _recipe(options)
    if options.output:
        encoding.refuse_unsavable(options.output, recipe.origin, float16=options.float16)
    elif options.float16:
        raise ValueError("--float16 goes with --output")
    elif isinstance(recipe.method.row, encoding.Features):
        raise ValueError("expected --output FILE.npz or FILE.parquet for the features of cnn")
    else:
        refuse_closed_output()

    def work() -> int:
        encodings = target.encodings(options, recipe)
        if options.output:
            encoding.save(options.output, encodings, float16=options.float16)
        else:
            shown = encodings.to_dict().items()
            _give_lines(options, ((f"{digits}  ", name, "none") for name, digits in shown))
        return _code(encodings)

    return work


def find(options: Namespace) -> Work:
    """``jaxdedup find``."""
    if options.keep and not options.to_remove:
        raise ValueError("--keep goes with --to-remove")
    if options.scores and options.to_remove:
        raise ValueError("--scores goes with groups of duplicates, not with --to-remove")
    target = _Target(options, options.target)
    keep: Any = options.keep or "first"
    duplicates.check_keep(keep, target.source is not None)
    recipe = _with_orientations(options, target, _prepare(options, [target]))

    def work() -> int:
        seen = duplicates.look(target.source) if options.to_remove else None
        encodings = target.encodings(options, recipe)
        matches = _matches(options, encodings, order=None if options.output else "score")
        if options.to_remove:
            decode = None if recipe is None else encoding.decoder(replace(recipe, draft=False))
            removed = matches.removable(keep, target.source, decode, seen)
            _give_removable(options, matches, removed)
        else:
            _give_groups(options, matches)
        return _code(encodings)

    return work


def query(options: Namespace) -> Work:
    """``jaxdedup query``."""
    targets = [_Target(options, path) for path in (options.new, options.corpus)]
    recipe = _prepare(options, targets)
    recipes = (_with_orientations(options, targets[0], recipe), recipe)

    def work() -> int:
        new, corpus = map(_Target.encodings, targets, [options] * 2, recipes)
        matches = _matches(options, new, corpus, order="score")
        found = matches.to_dict(scores=options.scores or not options.output)
        if options.output:
            runtime.write_json(options.output, found)
        else:
            _give_queries(found)
        matched = sum(map(bool, found.values()))
        _tell(options, f"{matched} of {len(found)} new images have duplicates")
        return _code(new, corpus)

    return work


def report(options: Namespace) -> Work:
    """``jaxdedup report``."""
    target = _Target(options, options.directory, is_images=True)
    recipe = _with_orientations(options, target, _prepare(options, [target], output_suffix=".html"))

    def work() -> int:
        encodings = target.encodings(options, recipe)
        matches = _matches(options, encodings)
        save_report(
            options.output,
            matches,
            target.source or target.path,
            formats=options.formats,
            num_workers=options.num_workers,
            progress=None if options.quiet else "thumbnails",
        )
        _tell(options, f"{len(matches.groups())} groups of duplicates are in {options.output}")
        return _code(encodings)

    return work


def _prepare(
    options: Namespace, targets: Sequence[_Target], output_suffix: str = ".json"
) -> Recipe | None:
    """The recipe for what is to be encoded; None where nothing is."""
    origins = [target.stored.origin for target in targets if target.stored is not None]
    recipe = _recipe(options, *origins[:1]) if len(origins) < len(targets) else None
    _refuse_columns(options, targets)
    if recipe is None:
        for option in _OF_FOLDERS:
            if getattr(options, option, None):
                raise ValueError(f"--{option.replace('_', '-')} goes with a folder")
    duplicates.check_threshold(recipe.origin if recipe else origins[0], options.threshold)
    if options.output:
        if not options.output.endswith(output_suffix):
            raise ValueError(f"expected --output FILE{output_suffix}, got {options.output!r:.100}")
        runtime.refuse_unless_writable(options.output)
    else:
        refuse_closed_output()
    return recipe


def _refuse_columns(options: Namespace, targets: Sequence[_Target]) -> None:
    if not any(isinstance(target.source, loading.Table) for target in targets):
        for option in ("column", "key"):
            if getattr(options, option):
                raise ValueError(f"--{option} goes with a .parquet file of images")


def _with_orientations(options: Namespace, target: _Target, recipe: Recipe | None) -> Recipe | None:
    """The recipe for what is turned; a file has to have been made so."""
    if target.stored is not None:
        made = target.stored.origin.orientations
        if options.orientations not in ("none", made):
            raise ValueError(
                f"--orientations {options.orientations} needs images, or a file with the rows of "
                f"turned ones: {target.path!r:.100} has one row an image"
            )
        return recipe
    assert recipe is not None
    return replace(recipe, method=encoding.oriented(recipe.method, options.orientations))


def _recipe(options: Namespace, origin: Origin | None = None) -> Recipe:
    """The recipe that the options ask for, or the one that made a file."""
    if origin is not None:  # whose rows may be of turned images: those of the others are not
        recipe = Recipe.from_origin(replace(origin, orientations="none"))
        return replace(recipe, formats=options.formats or recipe.formats)
    method = encoding.method_named(_method_name(options) or "phash")
    return Recipe(
        method,
        options.profile or "pillow13",
        options.draft,
        options.formats,
        options.background,
        options.range or "clip",
    )


def _method_name(options: Namespace) -> str | None:
    """The name that the options say, if any."""
    if options.hash_size is None:
        return options.method
    return f"{options.method or 'phash'}-{options.hash_size}"


def _refuse_other(options: Namespace, path: str, origin: Origin) -> None:
    """ValueError if the options ask for other encodings than a file has."""
    asked = {name: getattr(options, name) for name in _DECIDING if name != "method"}
    if name := _method_name(options):
        asked["method"] = encoding.method_named(name).name
    wanted = replace(origin, **{name: value for name, value in asked.items() if value})
    if different := wanted.differences(origin):
        raise ValueError(f"{path!r:.100} holds other encodings: {different}")


def _matches(options: Namespace, *encodings: Encodings, order: Any = None) -> Matches:
    limits = {"threshold": options.threshold, "max_pairs": options.max_pairs}
    with runtime.timed(None if options.quiet else "search"):
        return duplicates.find_matches(*encodings, order=order, **limits)


def _code(*encodings: Encodings) -> int:
    return 0 if all(encodings) else _NOTHING_ENCODED


def _give_removable(options: Namespace, matches: Matches, removed: Sequence[str]) -> None:
    if options.output:
        runtime.write_json(options.output, removed)
    else:
        _give_lines(options, (("", name, "none") for name in removed))
    _tell(options, f"{len(removed)} of {len(matches.names)} images can go")


def _give_groups(options: Namespace, matches: Matches) -> None:
    groups = matches.groups()
    if options.output:
        runtime.write_json(options.output, matches.to_dict(scores=options.scores))
    else:
        nearest = matches.nearest()
        turns = matches.turns_of_nearest()
        for number, group in enumerate(groups):
            if number:
                give("\0" if options.null else "\n")
            lines = (
                (f"{_score(nearest[item])}  ", matches.names[item], TURNS[turns[item]])
                for item in group
            )
            _give_lines(options, lines)
    _tell(options, f"{len(groups)} groups of duplicates among {len(matches.names)} images")


def _give_lines(options: Namespace, lines: Iterable[tuple[str, str, str]]) -> None:
    """Lines of what stands before a name, the name, and how it is turned; not where names are as
    they are, which end where the line does."""
    if options.null:
        text = (f"{before}{printable(name, True)}\0" for before, name, _ in lines)
    else:
        text = (f"{before}{printable(name, False)}{_turn(turn)}\n" for before, name, turn in lines)
    while part := "".join(islice(text, _LINES)):
        give(part, "raw" if options.null else "")


def _give_queries(found: Mapping[str, Sequence[tuple[Any, ...]]]) -> None:
    for name, near in found.items():
        if near:
            lines = (f"  {_score(s)}  {escaped(other)}{_turn(*turn)}\n" for other, s, *turn in near)
            give(f"{escaped(name)}\n{''.join(lines)}")


def _turn(turn: str = "none") -> str:
    return "" if turn == "none" else f"  ({turn})"


def _score(score: Any) -> str:
    return f"{score:.4f}" if isinstance(score, (float, np.floating)) else f"{score:2d}"


def _tell_encoded(options: Namespace, count: int, reused: int, seconds: float) -> None:
    encoded = count - reused
    rate = f"{encoded} images encoded in {seconds:.1f} s, {encoded / seconds:.0f} a second"
    _tell(options, f"{rate}; {reused} reused from the cache" if reused else rate)


def _tell_skipped(options: Namespace, failures: Mapping[str, str]) -> None:
    if failures:
        reasons = encoding.commonest(failures)
        _tell(options, f"{len(failures)} skipped: {reasons}; --list-skipped names them")
    if options.list_skipped:
        lines = (f"  {escaped(name)}: {escaped(why)}" for name, why in failures.items())
        _tell(options, "\n".join(lines))


def _tell(options: Namespace, text: str) -> None:
    if not options.quiet:
        tell(text)
