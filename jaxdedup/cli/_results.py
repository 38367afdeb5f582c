"""Results as text, as lines of JSON, and as files.

A line of JSON has these keys, whatever was found; others may come to stand beside them.

==================  ==========================================================================
encode              name; hash, or features; quality, where that was asked for
find, report        group (from 1, the largest), name, score and turn: of its nearest duplicate;
                    or_score, with --or; a score is null where that search found none
find --to-remove    name
query, index, and   name, duplicate, score, turn
with --against
==================  ==========================================================================
"""

import csv
import io
import json
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, BinaryIO

import numpy as np

from jaxdedup import duplicates, runtime
from jaxdedup.duplicates import Matches
from jaxdedup.encoding import TURNS, Encodings
from jaxdedup.runtime import escaped

from ._output import give, printable
from ._target import say, shown

Found = Mapping[str, Sequence[Any]]  # by name, what is near, with scores

_LINES = 10_000  # that are written at a time


def give_encodings(options: Namespace, encodings: Encodings) -> None:
    """A line for each image: its hash and its name."""
    rows = encodings.to_dict().items()
    if not options.json:
        _give_lines(options, ((f"{digits}  ", name, "none") for name, digits in rows))
        return
    is_hash = encodings.origin.dtype == "uint8"
    made: Iterator[dict[str, Any]] = (
        {"name": name, "hash": row} if is_hash else {"name": name, "features": row[0].tolist()}
        for name, row in rows
    )
    if encodings.quality is not None:
        qualities = encodings.quality.tolist()
        made = (line | {"quality": q} for line, q in zip(made, qualities, strict=True))
    _give_json(made)


def give_removable(options: Namespace, matches: Matches, removed: Sequence[str]) -> None:
    """The names that can go."""
    if options.output:
        runtime.write_json(options.output, removed)
    elif options.json:
        _give_json({"name": name} for name in removed)
    else:
        _give_lines(options, (("", name, "none") for name in removed))
    say(options, f"{len(removed)} of {len(matches.names)} images can go")


def give_groups(options: Namespace, searches: Sequence[Matches]) -> int:
    """The groups, and how far the nearest duplicate of each image is.

    Returns:
        How many there are.
    """
    groups = duplicates.union_groups(*searches)
    nearest = [_nearest(matches) for matches in searches]
    if options.json:
        _give_json(
            {"group": number, "name": name, **_scores(name, nearest)}
            for number, group in enumerate(groups, 1)
            for name in group
        )
    else:
        for number, group in enumerate(groups):
            if number:
                give("\0" if options.null else "\n")
            _give_lines(options, (_line(name, nearest) for name in group))
    return len(groups)


def map_of(searches: Sequence[Matches], *, scores: bool) -> dict[Any, Any]:
    """What one search found, or either of two."""
    if len(searches) == 1:
        return searches[0].to_dict(scores=scores)
    found = duplicates.union(*searches)
    return found if scores else _names(found)


def write_pairs(options: Namespace, encodings: Encodings) -> int:
    """The pairs as they are found, with scores, as lines of CSV.

    Returns:
        How many there are.
    """
    names, count = encodings.names, 0

    def write(file: BinaryIO) -> None:
        nonlocal count
        text = io.TextIOWrapper(file, "utf-8", errors="surrogateescape", newline="")
        lines = csv.writer(text)
        lines.writerow(["name", "duplicate", "score"])
        with runtime.measured(shown(options, "search")) as show:
            limits = {"threshold": options.threshold, "on_progress": show}
            for pairs in duplicates.iter_pairs(encodings, **limits):
                found = zip(*(column.tolist() for column in pairs), strict=True)
                lines.writerows((names[i], names[j], score) for i, j, score in found)
                count += len(pairs.i)
        text.detach()

    runtime.write_whole(options.output, write)
    say(options, f"{count} pairs of {len(names)} images are in {options.output}")
    return count


def give_found(options: Namespace, found: Found) -> int:
    """What is near each of the new images.

    Returns:
        How many have duplicates.
    """
    if options.json:
        _give_json(
            {"name": name, "duplicate": other, "score": score, "turn": (*turn, "none")[0]}
            for name, near in found.items()
            for other, score, *turn in near
        )
    elif options.output:
        runtime.write_json(options.output, found if options.scores else _names(found))
    else:
        _give_queries(found)
    matched = sum(map(bool, found.values()))
    say(options, f"{matched} of {len(found)} new images have duplicates")
    return matched


def _names(found: Found) -> dict[str, list[Any]]:
    return {name: [match[0] for match in near] for name, near in found.items()}


def _give_json(lines: Iterable[Mapping[str, Any]]) -> None:
    text = (f"{json.dumps(line)}\n" for line in lines)
    while part := "".join(islice(text, _LINES)):
        give(part)


def _nearest(matches: Matches) -> dict[Any, tuple[int | float, str]]:
    """By name, how far the nearest duplicate is, and how it is turned."""
    score, turn = matches.nearest().tolist(), matches.turns_of_nearest()
    items = (item for group in matches.groups() for item in group)
    return {matches.names[item]: (score[item], TURNS[turn[item]]) for item in items}


def _scores(name: Any, nearest: Sequence[Mapping[Any, tuple[Any, str]]]) -> dict[str, Any]:
    """The score of each search, and a turn of one of them."""
    scores, turns = zip(*(found.get(name, (None, "none")) for found in nearest), strict=True)
    named = dict(zip(("score", "or_score"), scores, strict=False))
    return {**named, "turn": max(turns, key="none".__ne__)}


def _line(name: Any, nearest: Sequence[Mapping[Any, tuple[Any, str]]]) -> tuple[str, str, str]:
    """What stands before a name, a score for each search; the name; and how it is turned."""
    *scores, turn = _scores(name, nearest).values()
    return "".join(f"{_score(score)}  " for score in scores), name, turn


def _give_lines(options: Namespace, lines: Iterable[tuple[str, str, str]]) -> None:
    """Lines of what stands before a name, the name, and how it is turned; not where names are as
    they are, which end where the line does."""
    if options.null:
        text = (f"{before}{printable(name, True)}\0" for before, name, _ in lines)
    else:
        text = (f"{before}{printable(name, False)}{_turn(turn)}\n" for before, name, turn in lines)
    while part := "".join(islice(text, _LINES)):
        give(part, "raw" if options.null else "")


def _give_queries(found: Found) -> None:
    for name, near in found.items():
        if near:
            lines = (f"  {_score(s)}  {escaped(other)}{_turn(*turn)}\n" for other, s, *turn in near)
            give(f"{escaped(name)}\n{''.join(lines)}")


def _turn(turn: str = "none") -> str:
    return "" if turn == "none" else f"  ({turn})"


def _score(score: Any) -> str:
    if score is None:
        return " -"
    return f"{score:.4f}" if isinstance(score, (float, np.floating)) else f"{score:2d}"
