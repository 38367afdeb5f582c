"""The commands, each in two steps: whatever can be wrong is found out before the work begins."""

import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jaxdedup import duplicates, encoding, loading, runtime
from jaxdedup.duplicates import Matches
from jaxdedup.encoding import Encodings, Origin, Recipe
from jaxdedup.report import save_report

Work = Callable[[], int]

_NOTHING_ENCODED = 1


class _Target:
    """A folder or an archive that is to be encoded, or a file of encodings, which is read."""

    def __init__(self, options: Namespace, path: str, *, is_images: bool | None = None) -> None:
        if not is_images and not os.path.exists(path):
            raise ValueError(f"expected a folder or a file of encodings, got {path!r}")
        self.path = path
        self.source: loading.ImageSource | None = None
        self.stored: Encodings | None = None
        if is_images or loading.is_source(path):
            self.source = loading.open_source(path, recursive=options.recursive)
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
            progress=None if options.quiet else recipe.method.name,
        )
        _tell_encoded(options, len(encodings), reused, time.perf_counter() - start)
        _tell_skipped(options, encodings.failures)
        return encodings


def encode(options: Namespace) -> Work:
    """``jaxdedup encode``."""
    target = _Target(options, options.directory, is_images=True)
    recipe = _recipe(options)
    if options.output:
        encoding.refuse_unsavable(options.output, recipe.origin)
    elif isinstance(recipe.method.row, encoding.Features):
        raise ValueError("expected --output FILE.npz or FILE.parquet for the features of cnn")

    def work() -> int:
        encodings = target.encodings(options, recipe)
        if options.output:
            encoding.save(options.output, encodings)
        else:
            for name, digits in encodings.to_dict().items():
                print(f"{digits}  {name}")
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
        encodings = target.encodings(options, recipe)
        matches = _matches(options, encodings, order=None if options.output else "score")
        if options.to_remove:
            decode = None if recipe is None else encoding.decoder(replace(recipe, draft=False))
            _give_removable(options, matches, matches.removable(keep, target.source, decode))
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
            _print_queries(found)
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
            matches.to_dict(scores=True),
            target.source or target.path,
            formats=options.formats,
            num_workers=options.num_workers,
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
    if recipe is None:
        for option in ("recursive", "formats", "batch_size", "num_workers", "cache"):
            if getattr(options, option, None):
                raise ValueError(f"--{option.replace('_', '-')} goes with a folder")
    duplicates.check_threshold(recipe.origin if recipe else origins[0], options.threshold)
    if options.output:
        if not options.output.endswith(output_suffix):
            raise ValueError(f"expected --output FILE{output_suffix}, got {options.output!r}")
        runtime.refuse_unless_writable(options.output)
    return recipe


def _with_orientations(options: Namespace, target: _Target, recipe: Recipe | None) -> Recipe | None:
    """The recipe for what is turned; a file has to have been made so."""
    if target.stored is not None:
        made = target.stored.origin.orientations
        if options.orientations not in ("none", made):
            raise ValueError(
                f"--orientations {options.orientations} needs images, or a file with the rows of "
                f"turned ones: {target.path!r} has one row an image"
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
    return Recipe(method, options.profile or "pillow13", options.draft, options.formats)


def _method_name(options: Namespace) -> str | None:
    """The name that the options say, if any."""
    if options.hash_size is None:
        return options.method
    return f"{options.method or 'phash'}-{options.hash_size}"


def _refuse_other(options: Namespace, path: str, origin: Origin) -> None:
    """ValueError if the options ask for other encodings than a file has."""
    asked = {name: getattr(options, name) for name in ("profile", "draft")}
    if name := _method_name(options):
        asked["method"] = encoding.method_named(name).name
    wanted = replace(origin, **{name: value for name, value in asked.items() if value})
    if different := wanted.differences(origin):
        raise ValueError(f"{path!r} holds other encodings: {different}")


def _matches(options: Namespace, *encodings: Encodings, order: Any = None) -> Matches:
    limits = {"threshold": options.threshold, "max_pairs": options.max_pairs}
    return duplicates.find_matches(*encodings, order=order, **limits)


def _code(*encodings: Encodings) -> int:
    return 0 if all(encodings) else _NOTHING_ENCODED


def _give_removable(options: Namespace, matches: Matches, removed: Sequence[str]) -> None:
    if options.output:
        runtime.write_json(options.output, removed)
    else:
        print("".join(f"{name}\n" for name in removed), end="")
    _tell(options, f"{len(removed)} of {len(matches.names)} images can go")


def _give_groups(options: Namespace, matches: Matches) -> None:
    groups = matches.groups()
    if options.output:
        runtime.write_json(options.output, matches.to_dict(scores=options.scores))
    else:
        nearest = matches.nearest()
        turned = _nearest_turns(matches)
        for number, group in enumerate(groups):
            names = [f"{matches.names[item]}{_turn(turned.get(item))}" for item in group]
            scores = [_score(nearest[item]) for item in group]
            lines = [f"{score}  {name}\n" for score, name in zip(scores, names, strict=True)]
            print(("\n" if number else "") + "".join(lines), end="")
    _tell(options, f"{len(groups)} groups of duplicates among {len(matches.names)} images")


def _nearest_turns(matches: Matches) -> dict[int, str]:
    """By image, how its nearest match is turned to look as it does."""
    if matches.turns is None:
        return {}
    found = matches.to_dict(scores=True).values()
    return {item: near[0][2] for item, near in enumerate(found) if near}


def _turn(turn: str | None = None) -> str:
    return "" if turn in (None, "none") else f"  ({turn})"


def _print_queries(found: Mapping[str, Sequence[tuple[Any, ...]]]) -> None:
    for name, near in found.items():
        if near:
            print(name)
            lines = (f"  {_score(s)}  {other}{_turn(*turn)}\n" for other, s, *turn in near)
            print("".join(lines), end="")


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
        _tell(options, "\n".join(f"  {name}: {reason}" for name, reason in failures.items()))


def _tell(options: Namespace, text: str) -> None:
    if not options.quiet:
        print(text, file=sys.stderr)
