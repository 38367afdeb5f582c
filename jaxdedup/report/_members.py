"""From a map of duplicates to groups in the order in which a page shows them."""

import math
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple, TypeVar

import numpy as np

from jaxdedup.duplicates import Matches
from jaxdedup.encoding import INVERSE_TURNS, TURNS
from jaxdedup.search import HammingPairs, groups

DuplicateMap = Mapping[
    str,
    Sequence[str]
    | Sequence[tuple[str, int]]
    | Sequence[tuple[str, float]]
    | Sequence[tuple[str, int, str]]
    | Sequence[tuple[str, float, str]],
]

_T = TypeVar("_T")
Score = int | float | None


class Member(NamedTuple):
    """An image of a group, and how near it is to another one.

    Attributes:
        name: the file name.
        score: a distance (int) or a similarity (float); None for the group's first member, and in
            maps without scores.
        near: the member that the score is about; None where that is the group's first.
        turn: of :data:`jaxdedup.encoding.TURNS`, after which it looks as the group's first does.
        stays: whether it is of the corpus, from which nothing goes.
    """

    name: str
    score: Score = None
    near: str | None = None
    turn: str = "none"
    stays: bool = False


def duplicate_groups(duplicates: DuplicateMap, corpus: Collection[str] = ()) -> list[list[Member]]:
    """The connected components of a map, the largest first.

    The first member of a group is the one with most duplicates. The others follow by how near they
    are to it, and then those which only a chain of duplicates leads to, by how near they are to one
    to which a shorter chain leads. What else is equal keeps the order of the map.

    Args:
        duplicates: the map.
        corpus: the names of what is in a corpus, from which nothing goes.

    Raises:
        TypeError: not a map from file names to lists of file names, or of names with scores.
        ValueError: a score that is not finite, or scores for a part of the map only.
    """
    _refuse_other(duplicates)
    number = {name: n for n, name in enumerate(duplicates)}
    i, j = array("i"), array("i")  # there may be millions
    kinds = set()
    for name, n in list(number.items()):
        for duplicate, score, _ in _entries(duplicates, name):
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
    arranged = [_arrange(component, duplicates) for component in components]
    return [[m._replace(stays=m.name in corpus) for m in group] for group in arranged]


def _refuse_other(duplicates: object) -> None:
    if not isinstance(duplicates, Mapping):
        raise TypeError(
            f"expected a map of duplicates as find_duplicates returns it, "
            f"got {type(duplicates).__name__}"
        )


def named_apart(
    duplicates: DuplicateMap, new: Callable[[str], str], old: Callable[[str], str]
) -> tuple[DuplicateMap, set[str]]:
    """A map from what was searched for to what is in a corpus, by their names on the page.

    Returns:
        The map, both ways round and the corpus first; and the names of what is in the corpus.
    """
    _refuse_other(duplicates)
    there: dict[str, list[Any]] = {}
    back: dict[str, list[Any]] = {}
    for name in duplicates:
        entries = _entries(duplicates, name)
        one = new(name)
        there[one] = []
        for other, score, turn in entries:
            two, unscored = old(other), score is None
            there[one].append(two if unscored else (two, score, turn))
            back.setdefault(two, []).append(one if unscored else (one, score, _undone(turn)))
    return back | there, set(back)


def groups_of_matches(matches: Matches) -> list[list[Member]]:
    """As :func:`duplicate_groups` of ``matches.to_dict(scores=True)``, without its pairs.

    Thousands of copies are a group without their millions of pairs.
    """
    kinds, counts = matches.kinds, np.bincount(matches.kinds)
    near = _near_kinds(matches, len(counts))
    order = np.argsort(kinds, kind="stable")
    starts = np.cumsum(counts) - counts
    # What is near a kind is near its first item.
    first = order[starts].tolist()
    degree = [
        int(count) - 1 + sum(int(counts[other]) for other, *_ in others)
        for count, others in zip(counts, near, strict=True)
    ]
    copy = matches.metric.copy_score, "none"

    def arrange(group: list[int]) -> list[Member]:
        reference = max(group, key=lambda item: degree[kinds[item]])
        of_reference = {other: found for other, *found in near[kinds[reference]]}
        steps = _steps(kinds[reference], lambda kind: (other for other, *_ in near[kind]))
        direct, indirect = [], []
        for item in group:
            kind, name = kinds[item], matches.names[item]
            if item == reference:
                continue
            if kind == kinds[reference] or kind in of_reference:
                score, turn = of_reference.get(kind, copy)
                direct.append(Member(name, score, None, turn))
                continue
            closer = [entry for entry in near[kind] if steps[entry[0]] < steps[kind]]
            found = [(first[other], score, turn) for other, score, turn in closer]
            other, score, turn = min(found, key=lambda entry: (_farness(entry[1]), entry[0]))
            indirect.append(Member(name, score, matches.names[other], _undone(turn)))
        for members in (direct, indirect):
            members.sort(key=lambda member: _farness(member.score))
        return _turned_alike([Member(matches.names[reference]), *direct, *indirect])

    return [arrange(group) for group in matches.groups()]


def _near_kinds(matches: Matches, count: int) -> list[list[tuple[int, int | float, str]]]:
    """By kind, the kinds near it, each with its score and its turn."""
    near: list[list[tuple[int, int | float, str]]] = [[] for _ in range(count)]
    i, j, scores = (column.tolist() for column in matches.pairs)
    turns = [0] * len(i) if matches.turns is None else matches.turns.tolist()
    for kind, other, score, turn in zip(i, j, scores, turns, strict=True):
        near[kind].append((other, score, TURNS[turn]))
        near[other].append((kind, score, TURNS[INVERSE_TURNS[turn]]))
    return near


def _entries(duplicates: DuplicateMap, name: str) -> Iterator[tuple[str, Score, str]]:
    """The duplicates of a name, each with its score or None, and its turn."""
    if not isinstance(name, str):
        raise TypeError(f"expected file names as keys, got {name!r:.100}")
    found = duplicates.get(name, ())
    if isinstance(found, str) or not isinstance(found, Sequence):
        raise TypeError(f"expected a list of duplicates for {name!r:.100}, got {found!r:.100}")
    return (_entry(name, item) for item in found)


def _entry(name: str, item: Any) -> tuple[str, Score, str]:
    if isinstance(item, str):
        return item, None, "none"
    # JSON has lists where find_duplicates has tuples.
    is_entry = isinstance(item, (tuple, list)) and len(item) in (2, 3)
    if not is_entry or not all(isinstance(part, str) for part in (item[0], *item[2:])):
        raise TypeError(
            f"expected file names or (name, score) for {name!r:.100}, got {item!r:.100}"
        )
    duplicate, score, turn = (*item, "none")[:3]
    if turn not in TURNS:
        raise ValueError(
            f"expected a turn among {', '.join(TURNS)} of {duplicate!r:.100}, got {turn!r:.100}"
        )
    if type(score) is int:  # the most frequent by far
        return duplicate, score, turn
    if isinstance(score, bool | np.bool) or not isinstance(score, Real):
        raise TypeError(f"expected a number as the score of {duplicate!r:.100}, got {score!r:.100}")
    if not math.isfinite(score):
        raise ValueError(f"expected a finite score for {duplicate!r:.100}, got {score}")
    return duplicate, int(score) if isinstance(score, Integral) else float(score), turn


def _arrange(component: list[str], duplicates: DuplicateMap) -> list[Member]:
    first = max(component, key=lambda name: len(duplicates.get(name, ())))
    steps = _steps(first, lambda name: (other for other, *_ in _entries(duplicates, name)))
    of_first = {name: (score, turn) for name, score, turn in _entries(duplicates, first)}
    direct, indirect = [], []
    for name in component:
        if name == first:
            continue
        if name in of_first:
            score, turn = of_first[name]
            direct.append(Member(name, score, None, turn))
            continue
        own = {other: (score, turn) for other, score, turn in _entries(duplicates, name)}
        if first in own:  # a map that has a pair just one way round
            score, turn = own[first]
            direct.append(Member(name, score, None, _undone(turn)))
        else:
            closer = [other for other in own if steps.get(other, math.inf) < steps.get(name, 0)]
            nearest = min(closer or own, key=lambda other: _farness(own[other][0]), default=None)
            score, turn = own[nearest] if nearest is not None else (None, "none")
            indirect.append(Member(name, score, nearest, _undone(turn)))
    for members in (direct, indirect):
        members.sort(key=lambda member: _farness(member.score))
    return _turned_alike([Member(first), *direct, *indirect])


def _steps(first: _T, near: Callable[[_T], Iterable[_T]]) -> dict[_T, int]:
    """The length of the shortest chain from the first to each that one leads to."""
    steps, queue = {first: 0}, [first]
    for item in queue:
        for other in near(item):
            if other not in steps:
                steps[other] = steps[item] + 1
                queue.append(other)
    return steps


def _turned_alike(group: list[Member]) -> list[Member]:
    """A group whose turns are those to what each is near, with the turns to the group's first."""
    if all(member.turn == "none" for member in group):
        return group
    by_name = {member.name: member for member in group}

    def turn(member: Member) -> str:
        total, passed = 0, set[str]()
        while member.name not in passed:  # a map of one way round may lead in a circle
            passed.add(member.name)
            total = _followed_by(total, TURNS.index(member.turn))
            member = by_name[member.near or group[0].name]
        return TURNS[total]

    return [member._replace(turn=turn(member)) for member in group]


def _followed_by(first: int, second: int) -> int:
    """The one turn that does what two do, by number: a transpose or none (4), then flips (1, 2)."""
    flips = first & 3
    if second & 4:  # which exchanges the two flips before it
        flips = flips >> 1 | (flips & 1) << 1
    return (first & 4 | flips) ^ second


def _undone(turn: str) -> str:
    return TURNS[INVERSE_TURNS[TURNS.index(turn)]]


def _farness(score: Score) -> float:
    """Sorts the nearest first: by distance, or by similarity the other way round."""
    if score is None:
        return 0
    return score if isinstance(score, int) else -score
