"""The commands, each in two steps: whatever can be wrong is found out before the work begins."""

import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from jaxdedup.duplicates import Matches, check_keep, check_threshold, find_matches
from jaxdedup.encoding import (
    Encodings,
    Features,
    Origin,
    Recipe,
    commonest,
    decoder,
    encode_source,
    load,
    method_named,
    refuse_unsavable,
    save,
)
from jaxdedup.loading import is_source, open_source
from jaxdedup.report import save_report
from jaxdedup.runtime import refuse_unless_writable, write_json

Work = Callable[[], int]

_NOTHING_ENCODED = 1


def prepare_encode(options: Namespace) -> Work:
    """``jaxdedup encode``."""
    target = _Target(options, options.directory, only_images=True)
    recipe = _asked(options, None)
    if options.output:
        refuse_unsavable(options.output, recipe.method.name)
    elif isinstance(recipe.method.row, Features):
        raise ValueError("expected --output FILE.npz or FILE.parquet for the features of cnn")
    return partial(_encode, options, target, recipe)


def _encode(options: Namespace, target: "_Target", recipe: Recipe) -> int:
    encodings = target.encodings(recipe)
    if options.output:
        save(options.output, encodings)
    else:
        for name, digits in encodings.to_dict().items():
            print(f"{digits}  {name}")
    return _code(encodings)


def prepare_find(options: Namespace) -> Work:
    """``jaxdedup find``."""
    if options.keep and not options.to_remove:
        raise ValueError("--keep goes with --to-remove")
    if options.scores and options.to_remove:
        raise ValueError("--scores goes with groups of duplicates, not with --to-remove")
    target = _Target(options, options.target)
    check_keep(options.keep or "first", target.source is not None)
    recipe = _prepare(options, [target])
    return partial(_find, options, target, recipe)


def _find(options: Namespace, target: "_Target", recipe: Recipe | None) -> int:
    encodings = target.encodings(recipe)
    matches = _matches(options, encodings, order=None if options.output else "score")
    if options.to_remove:
        decode = None if recipe is None else decoder(replace(recipe, draft=False))
        removed = matches.removable(options.keep or "first", target.source, decode)
        if options.output:
            write_json(options.output, removed)
        else:
            print("".join(f"{name}\n" for name in removed), end="")
        _tell(options, f"{len(removed)} of {len(encodings)} images can go")
        return _code(encodings)
    groups = matches.groups()
    if options.output:
        write_json(options.output, matches.to_dict(scores=options.scores))
    else:
        _print_groups(matches, groups)
    _tell(options, f"{len(groups)} groups of duplicates among {len(encodings)} images")
    return _code(encodings)


def prepare_query(options: Namespace) -> Work:
    """``jaxdedup query``."""
    targets = _Target(options, options.new), _Target(options, options.corpus)
    recipe = _prepare(options, targets)
    return partial(_query, options, targets, recipe)


def _query(options: Namespace, targets: Sequence["_Target"], recipe: Recipe | None) -> int:
    new, corpus = (target.encodings(recipe) for target in targets)
    matches = _matches(options, new, corpus, order="score")
    found = matches.to_dict(scores=options.scores or not options.output)
    if options.output:
        write_json(options.output, found)
    else:
        _print_queries(found)
    matched = sum(bool(duplicates) for duplicates in found.values())
    _tell(options, f"{matched} of {len(found)} new images have duplicates")
    return _code(new, corpus)


def prepare_report(options: Namespace) -> Work:
    """``jaxdedup report``."""
    target = _Target(options, options.directory, only_images=True)
    recipe = _prepare(options, [target], output_suffix=".html")
    return partial(_report, options, target, recipe)


def _report(options: Namespace, target: "_Target", recipe: Recipe | None) -> int:
    encodings = target.encodings(recipe)
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


class _Target:
    """A folder or an archive that is to be encoded, or a file of encodings, which is read."""

    def __init__(self, options: Namespace, path: str, *, only_images: bool = False) -> None:
        if not only_images and not os.path.exists(path):
            raise ValueError(f"expected a folder or a file of encodings, got {path!r}")
        self.options = options
        self.path = path
        is_images = only_images or is_source(path)
        self.source = open_source(path, recursive=options.recursive) if is_images else None
        self.stored = None if is_images else load(path)

    def encodings(self, recipe: Recipe | None) -> Encodings:
        """What the file holds, or the images give."""
        if self.source is None or recipe is None:
            assert self.stored is not None
            return self.stored
        options = self.options
        start = time.perf_counter()
        encodings, reused = encode_source(
            self.source,
            recipe,
            cache=getattr(options, "cache", None),
            batch_size=options.batch_size,
            num_workers=options.num_workers,
            progress=None if options.quiet else recipe.method.name,
        )
        seconds = time.perf_counter() - start
        _tell(options, _summary(len(encodings), reused, seconds))
        _tell_skipped(options, encodings.failures)
        return encodings


def _prepare(
    options: Namespace, targets: Sequence[_Target], output_suffix: str = ".json"
) -> Recipe | None:
    """The recipe for what is to be encoded; None where nothing is."""
    origins = [target.stored.origin for target in targets if target.stored is not None]
    for target in targets:
        if target.stored is not None:
            _refuse_other(options, target.path, target.stored.origin)
    recipe = None
    if len(origins) < len(targets):
        recipe = _asked(options, origins[0] if origins else None)
    else:
        for option in ("recursive", "formats", "batch_size", "num_workers", "cache"):
            if getattr(options, option, None):
                raise ValueError(f"--{option.replace('_', '-')} goes with a folder")
    for origin in origins or ([recipe.origin] if recipe else []):
        check_threshold(origin, options.threshold)
    if options.output:
        if not options.output.endswith(output_suffix):
            raise ValueError(f"expected --output FILE{output_suffix}, got {options.output!r}")
        refuse_unless_writable(options.output)
    return recipe


def _asked(options: Namespace, origin: Origin | None) -> Recipe:
    """The recipe that the options ask for, or the one that made a file."""
    if origin is None:
        method = method_named(options.method or "phash")
        return Recipe(method, options.profile or "pillow13", options.draft, options.formats)
    recipe = Recipe.from_origin(origin)
    return replace(recipe, formats=options.formats or recipe.formats)


def _refuse_other(options: Namespace, path: str, origin: Origin) -> None:
    """ValueError if the options ask for other encodings than a file has."""
    wanted = replace(
        origin,
        method=options.method or origin.method,
        profile=options.profile or origin.profile,
        draft=options.draft or origin.draft,
    )
    if different := wanted.differences(origin):
        raise ValueError(f"{path!r} holds other encodings: {different}")


def _matches(
    options: Namespace, encodings: Encodings, corpus: Encodings | None = None, **order: Any
) -> Matches:
    return find_matches(
        encodings, corpus, threshold=options.threshold, max_pairs=options.max_pairs, **order
    )


def _code(*encodings: Encodings) -> int:
    return 0 if all(encodings) else _NOTHING_ENCODED


def _summary(count: int, reused: int, seconds: float) -> str:
    encoded = count - reused
    line = f"{encoded} images encoded in {seconds:.1f} s, {encoded / seconds:.0f} a second"
    return f"{line}; {reused} reused from the cache" if reused else line


def _tell_skipped(options: Namespace, failures: Mapping[str, str]) -> None:
    if not failures:
        return
    _tell(options, f"{len(failures)} skipped: {commonest(failures)}; --list-skipped names them")
    if options.list_skipped:
        _tell(options, "\n".join(f"  {name}: {reason}" for name, reason in failures.items()))


def _print_groups(matches: Matches, groups: list[list[int]]) -> None:
    nearest = matches.nearest()
    for number, group in enumerate(groups):
        lines = [f"{_score(nearest[item])}  {matches.names[item]}\n" for item in group]
        print(("\n" if number else "") + "".join(lines), end="")


def _print_queries(found: dict[str, list[tuple[str, Any]]]) -> None:
    for name, duplicates in found.items():
        if duplicates:
            print(name)
            print("".join(f"  {_score(score)}  {other}\n" for other, score in duplicates), end="")


def _score(score: Any) -> str:
    return f"{score:.4f}" if isinstance(score, (float, np.floating)) else f"{score:2d}"


def _tell(options: Namespace, text: str) -> None:
    if not options.quiet:
        print(text, file=sys.stderr)
