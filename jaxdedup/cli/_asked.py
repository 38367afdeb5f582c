"""The first step of a command: what is asked, once it is clear that it can be done."""

import os
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from jaxdedup import duplicates, encoding, loading, runtime
from jaxdedup.encoding import Recipe

from ._output import refuse_closed_output
from ._target import Target, recipe_for

_OF_FOLDERS = (
    "recursive",
    "follow_links",
    "frames",
    "formats",
    "batch_size",
    "num_workers",
    "max_pixels_in_flight",
    "cache",
    "weights",
    "or",
)


def refuse_contradictions(options: Namespace, is_list: bool) -> None:
    """ValueError if options of find go without each other."""
    if options.keep and not options.to_remove:
        raise ValueError("--keep goes with --to-remove")
    if options.keep and options.against:
        raise ValueError("--keep goes without --against, all of which stays")
    if options.null and options.against and not options.to_remove:
        raise ValueError("--null goes with --to-remove where there is --against: see --json")
    if options.scores and options.to_remove:
        raise ValueError("--scores goes with groups of duplicates, not with --to-remove")
    if vars(options)["or"] and (options.to_remove or options.against):
        raise ValueError("--or goes with groups of duplicates, not with --to-remove or --against")
    others = (options.to_remove, vars(options)["or"], options.orientations != "none")
    if is_list and any((*others, options.against)):
        told = "--to-remove, --or, --orientations and --against"
        raise ValueError(f"--output FILE.csv goes without {told}")


def refuse_unwritable(options: Namespace) -> None:
    """ValueError or OSError if there is no place, or are two, for what is written."""
    if options.json and options.output and not options.output.endswith(".html"):
        raise ValueError("--json goes without --output")
    if options.json and getattr(options, "null", False):
        raise ValueError("--json goes without --null")
    if options.json:
        refuse_closed_output()
    if options.failures:
        runtime.refuse_unless_writable(options.failures)


def sides_asked_for(
    options: Namespace, paths: Sequence[str], *, are_images: bool = False
) -> list[Target]:
    """What is searched, and where it is searched if that is not itself."""
    refuse_shared(options, [*paths, *options.against])
    is_one_of_two = bool(options.against)
    return [
        Target(options, *side, is_images=are_images, is_one_of_two=is_one_of_two)
        for side in (paths, options.against)
        if side
    ]


def refuse_shared(options: Namespace, paths: Sequence[str]) -> None:
    """ValueError if a folder, or an archive, is there twice, or within another one."""
    real = sorted((os.path.realpath(path), path) for path in paths)
    for (one, shown), (other, inner) in combinations(real, 2):
        is_within = options.recursive and other.startswith(os.path.join(one, ""))
        if one == other or (is_within and not os.path.isfile(other)):
            raise ValueError(
                f"expected folders that share no images, got {shown!r:.100} and {inner!r:.100}"
            )


def refuse_columns(options: Namespace, targets: Sequence[Target]) -> None:
    """ValueError if the options name columns, and no target has any."""
    sources = [source for target in targets for source in target.sources.values()]
    if not any(isinstance(source, loading.Table) for source in sources):
        for option in ("column", "key"):
            if getattr(options, option):
                raise ValueError(f"--{option} goes with a .parquet file of images")


def recipe_asked_for(
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
    refuse_unwritable(options)
    if options.output:
        if not options.output.endswith(output_suffixes):
            wanted = " or ".join(f"FILE{suffix}" for suffix in output_suffixes)
            raise ValueError(f"expected --output {wanted}, got {options.output!r:.100}")
        runtime.refuse_unless_writable(options.output)
    else:
        refuse_closed_output()
    if recipe is not None and len(targets) > 1 and targets[1].source is not None:
        encoding.refuse_other_cache(cache_of(options, "against"), recipe)
    return recipe


def cache_of(options: Namespace, other: str) -> str | None:
    """A cache beside that of --cache, if there is one: each is for one folder and one method."""
    cache = getattr(options, "cache", None)
    return cache and f"{cache}-{other}"


def with_orientations(options: Namespace, target: Target, recipe: Recipe | None) -> Recipe | None:
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


def recipe_of_or(options: Namespace, recipe: Recipe | None) -> Recipe | None:
    """The recipe of --or, if there is one."""
    if not vars(options)["or"]:
        return None
    assert recipe is not None  # what goes with a folder
    name, threshold = vars(options)["or"]
    method = encoding.oriented(encoding.method_named(name), options.orientations)
    other = replace(recipe, method=method)
    duplicates.check_threshold(other.origin, threshold)
    encoding.refuse_other_cache(cache_of(options, name), other)
    return other
