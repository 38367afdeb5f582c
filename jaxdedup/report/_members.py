"""From a map of duplicates to groups in the order in which a page shows them."""

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from jaxdedup.duplicates import Matches
from jaxdedup.search import HammingPairs, groups

DuplicateMap = Mapping[str, Sequence[str] | Sequence[tuple[str, int]] | Sequence[tuple[str, float]]]

Score = int | float | None


class Member(NamedTuple):
    """An image of a group, and how near it is to another one.

    Attributes:
        name: the file name.
        score: a distance (int) or a similarity (float); None for the group's first member, and in
            maps without scores.
        near: the member that the score is about; None where that is the group's first.
    """

    name: str
    score: Score = None
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
    if not isinstance(duplicates, Mapping):
        raise TypeError(
            f"expected a map of duplicates as find_duplicates returns it, "
            f"got {type(duplicates).__name__}"
        )
    number = {name: n for n, name in enumerate(duplicates)}
    i, j = array("i"), array("i")  # there may be millions
    kinds = set()
    for name, n in list(number.items()):
        for duplicate, score in _entries(duplicates, name):
            i.append(n)
            j.append(number.setdefault(duplicate, len(number)))
            kinds.add("none" if score is None else type(score).__name__)
    if len(kinds) > 1:
        raise ValueError(
            f"expected scores of one kind in the whole map, got {', '.join(sorted(kinds))}"
        )
    # Which items are connected does not depend on how near they are.
    pairs = HammingPairs(np.array(i), np.array(j), np.zeros(len(i), np.uint8))
    names = list(number)
    components = [[names[n] for n in group] for group in groups(pairs, len(names))]
    components.sort(key=len, reverse=True)
    return [_arrange(component, duplicates) for component in components]


def groups_of_matches(matches: Matches) -> list[list[Member]]:
    """As :func:`duplicate_groups` of ``matches.to_dict(scores=True)``, without its pairs.

    Thousands of copies are a group without their millions of pairs.
    """
    kinds, counts = matches.kinds, np.bincount(matches.kinds)
    near = _near_kinds(matches, len(counts))
    order = np.argsort(kinds, kind="stable")
    starts = np.cumsum(counts) - counts
    # Of each kind two items: what is near it is near its first, and its first to the second.
    first = order[starts].tolist()
    second = order[np.minimum(starts + 1, len(order) - 1)].tolist()
    degree = [
        int(count) - 1 + sum(int(counts[other]) for other, _ in others)
        for count, others in zip(counts, near, strict=True)
    ]
    copy = matches.metric.copy_score

    def arrange(group: list[int]) -> list[Member]:
        reference = max(group, key=lambda item: degree[kinds[item]])
        of_reference = {kinds[reference]: copy, **dict(near[kinds[reference]])}
        direct, indirect = [], []
        for item in group:
            kind, name = kinds[item], matches.names[item]
            if item == reference:
                continue
            if kind in of_reference:
                direct.append(Member(name, of_reference[kind]))
                continue
            alike = [(copy, second[kind] if item == first[kind] else first[kind])]
            found = [(score, first[other]) for other, score in near[kind]]
            found += alike if counts[kind] > 1 else []
            score, other = min(found, key=lambda entry: (_farness(entry[0]), entry[1]))
            indirect.append(Member(name, score, matches.names[other]))
        for members in (direct, indirect):
            members.sort(key=lambda member: _farness(member.score))
        return [Member(matches.names[reference]), *direct, *indirect]

    return [arrange(group) for group in matches.groups()]


def _near_kinds(matches: Matches, count: int) -> list[list[tuple[int, int | float]]]:
    """By kind, the kinds near it, each with its score."""
    near: list[list[tuple[int, int | float]]] = [[] for _ in range(count)]
    i, j, scores = (column.tolist() for column in matches.pairs)
    for kind, other, score in zip(i, j, scores, strict=True):
        near[kind].append((other, score))
        near[other].append((kind, score))
    return near


def _entries(duplicates: DuplicateMap, name: str) -> Iterator[tuple[str, Score]]:
    """The duplicates of a name, each with its score or None."""
    if not isinstance(name, str):
        raise TypeError(f"expected file names as keys, got {name!r:.100}")
    found = duplicates.get(name, ())
    if isinstance(found, str) or not isinstance(found, Sequence):
        raise TypeError(f"expected a list of duplicates for {name!r:.100}, got {found!r:.100}")
    return (_entry(name, item) for item in found)


def _entry(name: str, item: Any) -> tuple[str, Score]:
    if isinstance(item, str):
        return item, None
    # JSON has lists where find_duplicates has tuples.
    if not isinstance(item, (tuple, list)) or len(item) != 2 or not isinstance(item[0], str):
        raise TypeError(
            f"expected file names or (name, score) for {name!r:.100}, got {item!r:.100}"
        )
    duplicate, score = item
    if type(score) is int:  # the most frequent by far
        return duplicate, score
    if isinstance(score, bool | np.bool) or not isinstance(score, Real):
        raise TypeError(f"expected a number as the score of {duplicate!r:.100}, got {score!r:.100}")
    if not math.isfinite(score):
        raise ValueError(f"expected a finite score for {duplicate!r:.100}, got {score}")
    return duplicate, int(score) if isinstance(score, Integral) else float(score)


def _arrange(component: list[str], duplicates: DuplicateMap) -> list[Member]:
    first = max(component, key=lambda name: len(duplicates.get(name, ())))
    of_first = dict(_entries(duplicates, first))
    direct, indirect = [], []
    for name in component:
        if name == first:
            continue
        if name in of_first:
            direct.append(Member(name, of_first[name]))
            continue
        own = dict(_entries(duplicates, name))
        if first in own:  # a map that has a pair just one way round
            direct.append(Member(name, own[first]))
        else:
            nearest = min(own.items(), key=lambda item: _farness(item[1]), default=(None, None))
            indirect.append(Member(name, nearest[1], nearest[0]))
    for members in (direct, indirect):
        members.sort(key=lambda member: _farness(member.score))
    return [Member(first), *direct, *indirect]


def _farness(score: Score) -> float:
    """Sorts the nearest first: by distance, or by similarity the other way round."""
    if score is None:
        return 0
    return score if isinstance(score, int) else -score
