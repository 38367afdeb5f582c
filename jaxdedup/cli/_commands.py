"""The commands, each in two steps: whatever can be wrong is found out before the work begins."""

import os
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxdedup import duplicates, encoding, runtime
from jaxdedup.duplicates import Matches
from jaxdedup.encoding import Encodings, Recipe
from jaxdedup.index import Index
from jaxdedup.report import save_report
from jaxdedup.runtime import escaped

from ._asked import (
    cache_of,
    recipe_asked_for,
    recipe_of_or,
    refuse_columns,
    refuse_contradictions,
    refuse_shared,
    refuse_unwritable,
    sides_asked_for,
    with_orientations,
)
from ._output import refuse_closed_output
from ._results import (
    give_encodings,
    give_found,
    give_groups,
    give_removable,
    map_of,
    write_pairs,
)
from ._target import INDEX, Target, recipe_for, say, say_each, shown, write_failures

Work = Callable[[], int]

FAILED = 2  # as of wrong usage
FOUND = 1  # as of grep, the other way round: duplicates are what is wrong
NOTHING_ENCODED = 1


def encode(options: Namespace) -> Work:
    """``jaxdedup encode``."""
    refuse_shared(options, options.directories)
    target = Target(options, *options.directories, is_images=True)
    refuse_columns(options, [target])
    refuse_unwritable(options)
    recipe = recipe_for(options)
    origin = recipe.origin
    if options.output:
        encoding.refuse_unsavable(options.output, origin, float16=options.float16)
    elif options.float16:
        raise ValueError("--float16 goes with --output")
    elif origin.dtype != "uint8" and not options.json:
        wanted = "--output FILE.npz or FILE.parquet, or --json"
        raise ValueError(f"expected {wanted}, for the features of {origin.method}")
    else:
        refuse_closed_output()

    def work() -> int:
        encodings = target.encodings(options, recipe)
        write_failures(options, [target], [encodings])
        if options.output:
            encoding.save(options.output, encodings, float16=options.float16)
        else:
            give_encodings(options, encodings)
        return _code(options, 0, encodings)

    return work


def find(options: Namespace) -> Work:
    """``jaxdedup find``."""
    is_list = bool(options.output) and options.output.endswith(".csv")
    refuse_contradictions(options, is_list)
    sides = sides_asked_for(options, options.targets)
    target = sides[0]
    keep: Any = options.keep or "first"
    duplicates.check_keep(keep, target.source is not None)
    recipe = recipe_asked_for(options, sides, output_suffixes=(".json", ".csv"))
    turned = with_orientations(options, target, recipe)
    also = recipe_of_or(options, turned)

    def work() -> int:
        seen = [duplicates.look(side.source) for side in sides] if options.to_remove else []
        encodings = _encoded(options, sides, [turned, recipe])
        if is_list:
            return _code(options, _give_pairs(options, *encodings), *encodings)
        matches = _matches(options, *encodings, order=None if options.output else "score")
        if options.to_remove:
            decode = None if recipe is None else encoding.whole_decoder(recipe)
            files, *corpus = seen
            removed = matches.removable(keep, files, decode, *corpus)
            give_removable(options, matches, removed)
            return _code(options, len(removed), *encodings)
        searches = [matches, *_others(options, target, also)]
        return _code(options, _give_matches(options, searches), *encodings)

    return work


def query(options: Namespace) -> Work:
    """``jaxdedup query``."""
    if options.nearest is not None and options.threshold is not None:
        raise ValueError("--nearest goes without --threshold")
    if options.nearest is not None and options.check:
        raise ValueError("--check goes without --nearest, which finds some however far")
    targets = [Target(options, options.new, or_image=True), Target(options, options.corpus)]
    recipe = recipe_asked_for(options, targets)
    recipes = [with_orientations(options, targets[0], recipe), recipe]

    def work() -> int:
        new, corpus = _encoded(options, targets, recipes)
        if options.nearest is not None or isinstance(targets[1].stored, Index):
            matches = _nearest(options, new, corpus, options.nearest)
        else:
            matches = _matches(options, new, corpus, order="score")
        return _code(options, give_found(options, matches.to_dict(scores=True)), new, corpus)

    return work


def index(options: Namespace) -> Work:
    """``jaxdedup index``."""
    if not options.into.endswith(INDEX):
        raise ValueError(f"expected --into FILE{INDEX}, got {options.into!r:.100}")
    runtime.refuse_unless_writable(options.into)
    refuse_shared(options, options.targets)
    target = Target(options, *options.targets)
    old = [Target(options, options.into)] if os.path.exists(options.into) else []
    recipe = recipe_asked_for(options, [target, *old])
    turned = with_orientations(options, target, recipe)

    def work() -> int:
        corpus = old[0].stored if old else Index.build(target.no_encodings(recipe))
        assert isinstance(corpus, Index)
        known, gone = _known_and_gone(corpus, target.names)
        new = target.encodings(options, turned, known)
        write_failures(options, [target], [new])
        if options.prune:
            there = corpus.encodings.names
            corpus.remove([there[place] for place in gone])
        corpus.add(new)
        if new or (options.prune and gone):
            corpus.save(options.into)
        left = "taken out" if options.prune else "in the index alone"
        say(options, f"{len(new)} added, {len(known)} there already, {len(gone)} {left}")
        found = 0
        if old:
            near = _nearest(options, new, corpus.encodings).to_dict(scores=True)
            found = give_found(options, _without_themselves(near))
        return _code(options, found, corpus.encodings, failures=new.failures)

    return work


def report(options: Namespace) -> Work:
    """``jaxdedup report``."""
    if vars(options)["or"] and options.against:
        raise ValueError("--or goes without --against")
    sides = sides_asked_for(options, options.directories, are_images=True)
    target = sides[0]
    recipe = recipe_asked_for(options, sides, output_suffixes=(".html",))
    turned = with_orientations(options, target, recipe)
    also = recipe_of_or(options, turned)

    def work() -> int:
        encodings = _encoded(options, sides, [turned, recipe])
        matches = _matches(options, *encodings)
        searches = [matches, *_others(options, target, also)]
        source = target.source if len(sides) == 1 else target.beside(sides[1])
        save_report(
            options.output,
            matches if also is None else map_of(searches, scores=False),
            source or target.path,
            formats=options.formats,
            exif_orientation=options.exif_orientation,
            num_workers=options.num_workers,
            progress=shown(options, "thumbnails"),
        )
        if options.json:
            found = _give_matches(options, searches)
        else:
            found = _count(searches)
            what = "groups of duplicates" if matches.is_self_join else "images with duplicates"
            say(options, f"{found} {what} are in {options.output}")
        return _code(options, found, *encodings)

    return work


def _encoded(
    options: Namespace, sides: Sequence[Target], recipes: Sequence[Recipe | None]
) -> list[Encodings]:
    """Of each side what it gives; the second has a cache of its own."""
    second = Namespace(**vars(options) | {"cache": cache_of(options, "against")})
    asked = zip(sides, (options, second), recipes, strict=False)
    encodings = [side.encodings(own, recipe) for side, own, recipe in asked]
    write_failures(options, sides, encodings)
    return encodings


def _give_pairs(options: Namespace, encodings: Encodings) -> int:
    least = duplicates.check_quality(encodings.origin, options.min_quality)
    encodings, low = duplicates.of_quality(encodings, least)
    _tell_low(options, low)
    return write_pairs(options, encodings)


def _give_matches(options: Namespace, searches: Sequence[Matches]) -> int:
    """Groups, or what is near what; and how many of them there are."""
    if not searches[0].is_self_join:
        return give_found(options, searches[0].to_dict(scores=True))
    if options.output and not options.json:
        runtime.write_json(options.output, map_of(searches, scores=options.scores))
        found = _count(searches)
    else:
        found = give_groups(options, searches)
    count = len({name for matches in searches for name in matches.names})
    say(options, f"{found} groups of duplicates among {count} images")
    return found


def _count(searches: Sequence[Matches]) -> int:
    """The groups, or the new images that have duplicates."""
    if searches[0].is_self_join:
        return len(duplicates.union_groups(*searches))
    return int(np.isin(searches[0].kinds, searches[0].pairs.i).sum())


def _matches(options: Namespace, *encodings: Encodings, order: Any = None) -> Matches:
    limits = {name: getattr(options, name) for name in ("threshold", "max_pairs", "min_quality")}
    with runtime.timed(shown(options, "search")):
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
    with runtime.timed(shown(options, "search")):
        matches = duplicates.find_nearest(new, corpus, k=k, threshold=threshold, **limits)
    _tell_low(options, matches.low_quality)
    return matches


def _others(options: Namespace, target: Target, recipe: Recipe | None) -> list[Matches]:
    """What --or finds, if it is asked for."""
    if recipe is None:
        return []
    name, threshold = vars(options)["or"]
    settings = {"cache": cache_of(options, name), "threshold": threshold, "min_quality": None}
    own = Namespace(**vars(options) | settings)
    return [_matches(own, target.encodings(own, recipe))]


def _known_and_gone(corpus: Index, names: Sequence[str]) -> tuple[set[str], list[int]]:
    """Which of the names are in an index, and the places of what else is in it."""
    places = corpus.places(names)
    known = {names[number] for number in np.flatnonzero(places >= 0).tolist()}
    return known, np.delete(np.arange(len(corpus)), places[places >= 0]).tolist()


def _without_themselves(found: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Matches with scores, but for those of images with themselves."""
    return {name: [match for match in near if match[0] != name] for name, near in found.items()}


def _code(
    options: Namespace, found: int, *encodings: Encodings, failures: Mapping[Any, str] | None = None
) -> int:
    """How it ends: 0, but for nothing encoded, or what the options look for."""
    if options.strict and (failures or any(each.failures for each in encodings)):
        return FAILED
    if not all(encodings):
        return FAILED if options.check else NOTHING_ENCODED
    return FOUND if options.check and found else 0
