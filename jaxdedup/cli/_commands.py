"""The commands, each in two steps: whatever can be wrong is found out before the work begins."""

import csv
import io
import os
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, BinaryIO

import numpy as np

from jaxdedup import duplicates, encoding, runtime
from jaxdedup.duplicates import Matches
from jaxdedup.encoding import TURNS, Encodings, Recipe
from jaxdedup.index import Index
from jaxdedup.report import save_report
from jaxdedup.runtime import escaped

from ._output import give, printable, refuse_closed_output
from ._target import INDEX, Target, recipe_for, refuse_columns, say, say_each

Work = Callable[[], int]
Found = Mapping[str, Sequence[Any]]  # by name, what is near

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
    "or",
)


def encode(options: Namespace) -> Work:
    """``jaxdedup encode``."""
    target = Target(options, options.directory, is_images=True)
    refuse_columns(options, [target])
    recipe = recipe_for(options)
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
    either = vars(options)["or"]
    if either and options.to_remove:
        raise ValueError("--or goes with groups of duplicates, not with --to-remove")
    is_list = bool(options.output) and options.output.endswith(".csv")
    if is_list and (options.to_remove or either or options.orientations != "none"):
        raise ValueError("--output FILE.csv goes without --to-remove, --or and --orientations")
    target = Target(options, options.target)
    keep: Any = options.keep or "first"
    duplicates.check_keep(keep, target.source is not None)
    recipe = _prepare(options, [target], output_suffixes=(".json", ".csv"))
    recipe = _with_orientations(options, target, recipe)
    also = _also(options, recipe)

    def work() -> int:
        seen = duplicates.look(target.source) if options.to_remove else None
        encodings = target.encodings(options, recipe)
        if is_list:
            _write_pairs(options, encodings)
            return _code(encodings)
        matches = _matches(options, encodings, order=None if options.output else "score")
        if options.to_remove:
            decode = None if recipe is None else encoding.whole_decoder(recipe)
            removed = matches.removable(keep, target.source, decode, seen)
            _give_removable(options, matches, removed)
        else:
            _give_groups(options, matches, *_others(options, target, also))
        return _code(encodings)

    return work


def query(options: Namespace) -> Work:
    """``jaxdedup query``."""
    if options.nearest is not None and options.threshold is not None:
        raise ValueError("--nearest goes without --threshold")
    targets = [Target(options, options.new, or_image=True), Target(options, options.corpus)]
    recipe = _prepare(options, targets)
    recipes = (_with_orientations(options, targets[0], recipe), recipe)

    def work() -> int:
        new, corpus = map(Target.encodings, targets, [options] * 2, recipes)
        if options.nearest is not None or isinstance(targets[1].stored, Index):
            matches = _nearest(options, new, corpus, options.nearest)
        else:
            matches = _matches(options, new, corpus, order="score")
        _give_found(options, matches.to_dict(scores=options.scores or not options.output))
        return _code(new, corpus)

    return work


def index(options: Namespace) -> Work:
    """``jaxdedup index``."""
    if not options.into.endswith(INDEX):
        raise ValueError(f"expected --into FILE{INDEX}, got {options.into!r:.100}")
    runtime.refuse_unless_writable(options.into)
    target = Target(options, options.directory)
    old = [Target(options, options.into)] if os.path.exists(options.into) else []
    recipe = _prepare(options, [target, *old])
    turned = _with_orientations(options, target, recipe)

    def work() -> int:
        corpus = old[0].stored if old else Index.build(target.no_encodings(recipe))
        assert isinstance(corpus, Index)
        known, gone = _known_and_gone(corpus, target.names)
        new = target.encodings(options, turned, known)
        if options.prune:
            there = corpus.encodings.names
            corpus.remove([there[place] for place in gone])
        corpus.add(new)
        if new or (options.prune and gone):
            corpus.save(options.into)
        left = "taken out" if options.prune else "in the index alone"
        say(options, f"{len(new)} added, {len(known)} there already, {len(gone)} {left}")
        if old:
            near = _nearest(options, new, corpus.encodings).to_dict(scores=True)
            _give_found(options, _without_themselves(near, options.scores or not options.output))
        return _code(corpus.encodings)

    return work


def report(options: Namespace) -> Work:
    """``jaxdedup report``."""
    target = Target(options, options.directory, is_images=True)
    recipe = _with_orientations(
        options, target, _prepare(options, [target], output_suffixes=(".html",))
    )
    also = _also(options, recipe)

    def work() -> int:
        encodings = target.encodings(options, recipe)
        matches = _matches(options, encodings)
        searches = [matches, *_others(options, target, also)]
        save_report(
            options.output,
            matches if also is None else _duplicates(*searches, scores=False),
            target.source or target.path,
            formats=options.formats,
            exif_orientation=options.exif_orientation,
            num_workers=options.num_workers,
            progress=None if options.quiet else "thumbnails",
        )
        count = len(duplicates.union_groups(*searches))
        say(options, f"{count} groups of duplicates are in {options.output}")
        return _code(encodings)

    return work


def _prepare(
    options: Namespace, targets: Sequence[Target], output_suffixes: tuple[str, ...] = (".json",)
) -> Recipe | None:
    """The recipe for what is to be encoded; None where nothing is."""
    origins = [target.stored.origin for target in targets if target.stored is not None]
    recipe = recipe_for(options, *origins[:1]) if len(origins) < len(targets) else None
    refuse_columns(options, targets)
    if recipe is None:
        for option in _OF_FOLDERS:
            if getattr(options, option, None):
                raise ValueError(f"--{option.replace('_', '-')} goes with a folder")
    for origin in (*origins, *([recipe.origin] if recipe else [])):
        duplicates.check_threshold(origin, options.threshold)
        duplicates.check_quality(origin, options.min_quality)
    if options.output:
        if not options.output.endswith(output_suffixes):
            wanted = " or ".join(f"FILE{suffix}" for suffix in output_suffixes)
            raise ValueError(f"expected --output {wanted}, got {options.output!r:.100}")
        runtime.refuse_unless_writable(options.output)
    else:
        refuse_closed_output()
    return recipe


def _with_orientations(options: Namespace, target: Target, recipe: Recipe | None) -> Recipe | None:
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


def _matches(options: Namespace, *encodings: Encodings, order: Any = None) -> Matches:
    limits = {name: getattr(options, name) for name in ("threshold", "max_pairs", "min_quality")}
    with runtime.timed(None if options.quiet else "search"):
        matches = duplicates.find_matches(*encodings, order=order, **limits)
    _tell_low(options, matches.low_quality)
    return matches


def _tell_low(options: Namespace, names: Sequence[str]) -> None:
    if names:
        told = f"{len(names)} images have too low a quality, and are in no group"
        say(options, f"{told}: --list-skipped names them")
    if options.list_skipped:
        say_each(options, map(escaped, names))


def _nearest(
    options: Namespace, new: Encodings, corpus: Encodings, k: int | None = None
) -> Matches:
    threshold = None if k else duplicates.check_threshold(new.origin, options.threshold)
    limits = {name: getattr(options, name) for name in ("max_pairs", "min_quality")}
    with runtime.timed(None if options.quiet else "search"):
        matches = duplicates.find_nearest(new, corpus, k=k, threshold=threshold, **limits)
    _tell_low(options, matches.low_quality)
    return matches


def _also(options: Namespace, recipe: Recipe | None) -> Recipe | None:
    """The recipe of --or, if there is one."""
    if not vars(options)["or"]:
        return None
    assert recipe is not None  # what goes with a folder
    name, threshold = vars(options)["or"]
    method = encoding.oriented(encoding.method_named(name), options.orientations)
    other = replace(recipe, method=method)
    duplicates.check_threshold(other.origin, threshold)
    return other


def _others(options: Namespace, target: Target, recipe: Recipe | None) -> list[Matches]:
    """What --or finds, if it is asked for."""
    if recipe is None:
        return []
    name, threshold = vars(options)["or"]
    cache = options.cache and f"{options.cache}-{name}"
    own = Namespace(**vars(options) | {"cache": cache, "threshold": threshold, "min_quality": None})
    return [_matches(own, target.encodings(own, recipe))]


def _known_and_gone(corpus: Index, names: Sequence[str]) -> tuple[set[str], list[int]]:
    """Which of the names are in an index, and the places of what else is in it."""
    places = corpus.places(names)
    known = {names[number] for number in np.flatnonzero(places >= 0).tolist()}
    return known, np.delete(np.arange(len(corpus)), places[places >= 0]).tolist()


def _without_themselves(found: Found, with_scores: bool) -> Found:
    """Matches with scores, but for those of images with themselves; the scores if they are asked
    for."""
    others = {name: [match for match in near if match[0] != name] for name, near in found.items()}
    if with_scores:
        return others
    return {name: [match[0] for match in near] for name, near in others.items()}


def _code(*encodings: Encodings) -> int:
    return 0 if all(encodings) else _NOTHING_ENCODED


def _give_removable(options: Namespace, matches: Matches, removed: Sequence[str]) -> None:
    if options.output:
        runtime.write_json(options.output, removed)
    else:
        _give_lines(options, (("", name, "none") for name in removed))
    say(options, f"{len(removed)} of {len(matches.names)} images can go")


def _give_groups(options: Namespace, *searches: Matches) -> None:
    groups = duplicates.union_groups(*searches)
    if options.output:
        runtime.write_json(options.output, _duplicates(*searches, scores=options.scores))
    else:
        nearest = [_scores(matches) for matches in searches]
        for number, group in enumerate(groups):
            if number:
                give("\0" if options.null else "\n")
            _give_lines(options, (_line(name, nearest) for name in group))
    count = len({name for matches in searches for name in matches.names})
    say(options, f"{len(groups)} groups of duplicates among {count} images")


def _duplicates(*searches: Matches, scores: bool) -> dict[Any, Any]:
    """What one search found, or either of two."""
    if len(searches) == 1:
        return searches[0].to_dict(scores=scores)
    found = duplicates.union(*searches)
    return found if scores else {name: [match[0] for match in near] for name, near in found.items()}


def _scores(matches: Matches) -> dict[Any, tuple[str, str]]:
    """By name, how far the nearest duplicate is, and how it is turned."""
    score, turn = matches.nearest(), matches.turns_of_nearest()
    items = (item for group in matches.groups() for item in group)
    return {matches.names[item]: (_score(score[item]), TURNS[turn[item]]) for item in items}


def _line(name: Any, nearest: Sequence[Mapping[Any, tuple[str, str]]]) -> tuple[str, str, str]:
    """What stands before a name, a score for each search; the name; and how it is turned."""
    scores, turns = zip(*(found.get(name, (" -", "none")) for found in nearest), strict=True)
    return "".join(f"{score}  " for score in scores), name, max(turns, key="none".__ne__)


def _give_lines(options: Namespace, lines: Iterable[tuple[str, str, str]]) -> None:
    """Lines of what stands before a name, the name, and how it is turned; not where names are as
    they are, which end where the line does."""
    if options.null:
        text = (f"{before}{printable(name, True)}\0" for before, name, _ in lines)
    else:
        text = (f"{before}{printable(name, False)}{_turn(turn)}\n" for before, name, turn in lines)
    while part := "".join(islice(text, _LINES)):
        give(part, "raw" if options.null else "")


def _write_pairs(options: Namespace, encodings: Encodings) -> None:
    """The pairs as they are found, with scores, as lines of CSV."""
    least = duplicates.check_quality(encodings.origin, options.min_quality)
    encodings, low = duplicates.of_quality(encodings, least)
    _tell_low(options, low)
    count = 0

    def write(file: BinaryIO) -> None:
        nonlocal count
        text = io.TextIOWrapper(file, "utf-8", errors="surrogateescape", newline="")
        lines = csv.writer(text)
        lines.writerow(["name", "duplicate", "score"])
        with runtime.measured(None if options.quiet else "search") as show:
            limits = {"threshold": options.threshold, "on_progress": show}
            for pairs in duplicates.iter_pairs(encodings, **limits):
                found = zip(*(column.tolist() for column in pairs), strict=True)
                lines.writerows((names[i], names[j], score) for i, j, score in found)
                count += len(pairs.i)
        text.detach()

    names = encodings.names
    runtime.write_whole(options.output, write)
    say(options, f"{count} pairs of {len(names)} images are in {options.output}")


def _give_found(options: Namespace, found: Found) -> None:
    """What is near each of the new images."""
    if options.output:
        runtime.write_json(options.output, found)
    else:
        _give_queries(found)
    matched = sum(map(bool, found.values()))
    say(options, f"{matched} of {len(found)} new images have duplicates")


def _give_queries(found: Found) -> None:
    for name, near in found.items():
        if near:
            lines = (f"  {_score(s)}  {escaped(other)}{_turn(*turn)}\n" for other, s, *turn in near)
            give(f"{escaped(name)}\n{''.join(lines)}")


def _turn(turn: str = "none") -> str:
    return "" if turn == "none" else f"  ({turn})"


def _score(score: Any) -> str:
    return f"{score:.4f}" if isinstance(score, (float, np.floating)) else f"{score:2d}"
