"""From a map of duplicates to groups in the order in which a page shows them."""

import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from jaxdedup.search import HammingPairs, groups

DuplicateMap = Mapping[str, Sequence[str] | Sequence[tuple[str, int]] | Sequence[tuple[str, float]]]


class Member(NamedTuple):
    """An image of a group, and how near it is to another one.

    Attributes:
        name: the file name.
        score: a distance (int) or a similarity (float); None for the group's first member, and in
            maps without scores.
        near: the member that the score is about; None where that is the group's first.
    """

    name: str
    score: int | float | None = None
    near: str | None = None


def duplicate_groups(duplicates: DuplicateMap) -> list[list[Member]]:
    """The connected components of a map, the largest first.

    The first member of a group is the one with most duplicates. The others follow by how near they
    are to it, and then those which only a chain of duplicates leads to. What else is equal keeps
    the order of the map.

    Raises:
        TypeError: not a map from file names to lists of file names, or of names with scores.
        ValueError: a score that is not finite, or scores for a part of the map only.
    """
    entries = _entries(duplicates)
    names = list(dict.fromkeys([*entries, *(name for found in entries.values() for name in found)]))
    number = {name: n for n, name in enumerate(names)}
    ends = [(number[a], number[b]) for a, found in entries.items() for b in found]
    i, j = np.array(ends, np.int32).reshape(-1, 2).T
    # Which items are connected does not depend on how near they are.
    pairs = HammingPairs(i, j, np.zeros(len(i), np.uint8))
    components = [[names[n] for n in group] for group in groups(pairs, len(names))]
    components.sort(key=len, reverse=True)
    return [_arrange(component, entries) for component in components]


_Entries = dict[str, dict[str, int | float | None]]


def _entries(duplicates: DuplicateMap) -> _Entries:
    """The map with its lists as dicts, from name to score or to None."""
    if not isinstance(duplicates, Mapping):
        raise TypeError(
            f"expected a map of duplicates as find_duplicates returns it, "
            f"got {type(duplicates).__name__}"
        )
    entries = {}
    for name, found in duplicates.items():
        if not isinstance(name, str):
            raise TypeError(f"expected file names as keys, got {name!r}")
        if isinstance(found, str) or not isinstance(found, Sequence):
            raise TypeError(f"expected a list of duplicates for {name!r}, got {found!r}")
        entries[name] = dict(_entry(name, item) for item in found)
    scored = {type(score) for found in entries.values() for score in found.values()}
    if len(scored) > 1:
        kinds = ", ".join(sorted("none" if t is type(None) else t.__name__ for t in scored))
        raise ValueError(f"expected scores of one kind in the whole map, got {kinds}")
    return entries


def _entry(name: str, item: Any) -> tuple[str, int | float | None]:
    if isinstance(item, str):
        return item, None
    # JSON has lists where find_duplicates has tuples.
    if not isinstance(item, tuple | list) or len(item) != 2 or not isinstance(item[0], str):
        raise TypeError(f"expected file names or (name, score) for {name!r}, got {item!r}")
    duplicate, score = item
    if isinstance(score, bool | np.bool) or not isinstance(score, Real):
        raise TypeError(f"expected a number as the score of {duplicate!r}, got {score!r}")
    if not math.isfinite(score):
        raise ValueError(f"expected a finite score for {duplicate!r}, got {score}")
    return duplicate, int(score) if isinstance(score, Integral) else float(score)


def _arrange(component: list[str], entries: _Entries) -> list[Member]:
    nothing: dict[str, int | float | None] = {}
    first = max(component, key=lambda name: len(entries.get(name, nothing)))
    of_first = entries.get(first, nothing)
    direct, indirect = [], []
    for name in component:
        own = entries.get(name, nothing)
        if name == first:
            continue
        if name in of_first or first in own:
            direct.append(Member(name, of_first.get(name, own.get(first))))
        else:
            near = min(own, key=lambda other: _farness(own[other]), default=None)
            indirect.append(Member(name, own[near] if near else None, near))
    for members in (direct, indirect):
        members.sort(key=lambda member: _farness(member.score))
    return [Member(first), *direct, *indirect]


def _farness(score: int | float | None) -> float:
    """Sorts the nearest first: by distance, or by similarity the other way round."""
    if score is None:
        return 0
    return score if isinstance(score, int) else -score
