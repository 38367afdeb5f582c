"""Which encodings are near which: the one door to all searches of encodings.

Equal rows have the same neighbours. So only distinct ones, the kinds, are searched, and thousands
of copies of one placeholder are one group without their millions of pairs, which are made only
where somebody asks for a list of them.
"""

import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jaxdedup.encoding import INVERSE_TURNS, TURNS, Encodings, Key
from jaxdedup.runtime import positive
from jaxdedup.search import (
    HammingPairs,
    Neighbours,
    connected_components,
    distinct_rows,
    neighbours,
)

from ._keep import Files, Keep, removable, removable_against
from ._metric import Metric, Order, Pairs, Progress, check_threshold, metric_of
from ._quality import check_quality, of_quality
from ._turned import Turned, turned_pairs

DEFAULT_MAX_PAIRS = 10_000_000  # a result of this size takes some gigabytes as a dict

Indices = NDArray[np.int64]

_NONE = np.zeros(0, np.int32)
NOTHING: Turned = HammingPairs(_NONE, _NONE, _NONE.astype(np.uint8)), None


@dataclass(frozen=True, repr=False)
class Matches:
    """What a search found.

    Attributes:
        names: the keys of what was searched for.
        others: the keys of the corpus, or of what is near in it; those of ``names`` where there was
            none.
        kinds: int64[N]: equal rows of ``names`` are of one kind.
        other_kinds: int64[M], likewise of ``others``.
        pairs: of kinds that are near each other.
        metric: how they are compared.
        order: of the matches of a name: the nearest first, or as in ``others``.
        max_pairs: the most pairs of names to list.
        is_self_join: whether there was no corpus.
        turns: int8[P]: of each pair, how the second is turned to look like the first, by number in
            :data:`jaxdedup.encoding.TURNS`; None where nothing was turned.
        low_quality: the keys of what was left out, as there is too little to see in it.
    """

    names: Sequence[Key]
    others: Sequence[Key]
    kinds: Indices
    other_kinds: Indices
    pairs: Pairs
    metric: Metric
    order: Order
    max_pairs: int
    is_self_join: bool
    turns: NDArray[np.int8] | None = None
    low_quality: Sequence[Key] = ()

    def __repr__(self) -> str:
        among = "" if self.is_self_join else f" in {len(self.others):,}"
        return f"<Matches of {len(self.names):,} images{among}>"

    def to_dict(self, *, scores: bool = False) -> dict[Key, list[Any]]:
        """By name the list of its matches; with scores, of tuples (name, score).

        Where orientations were searched for, of tuples (name, score, turn): the turn of
        :data:`jaxdedup.encoding.TURNS` after which the match looks as the name does.

        Raises:
            ValueError: there are more pairs than ``max_pairs``.
        """
        near = self.neighbours()
        others = self.others
        matched: list[Any] = [others[index] for index in near.indices.tolist()]
        if scores:
            columns = [matched, near.score.tolist()]
            if self.turns is not None:
                columns.append([TURNS[turn] for turn in self._turns_of(near).tolist()])
            matched = list(zip(*columns, strict=True))
        ends = pairwise(near.starts.tolist())
        return {name: matched[a:b] for name, (a, b) in zip(self.names, ends, strict=True)}

    def with_text_names(self) -> "Matches":
        """The same with names that JSON can hold as keys."""
        texts = text_names(self.names)
        others = texts if self.is_self_join else text_names(self.others)
        return replace(self, names=texts, others=others)

    def neighbours(self) -> Neighbours:
        """The matches of each name, as places in ``others``.

        Raises:
            ValueError: there are more pairs than ``max_pairs``.
        """
        pairs = self.pairs
        if not self._has_copies:  # kinds are names
            return neighbours(pairs, len(self.names), order=self.order, both_ways=self.is_self_join)
        i, j, score, _ = self._directed()
        of_names, of_others = _Members(self.kinds), _Members(self.other_kinds)
        counts = of_names.counts[i] * of_others.counts[j]
        self._refuse_too_many(int(counts.sum()))
        entry = np.repeat(np.arange(len(i)), counts)
        place = np.arange(len(entry)) - np.repeat(np.cumsum(counts) - counts, counts)
        row, column = np.divmod(place, of_others.counts[j[entry]])
        a = of_names.items[of_names.starts[i[entry]] + row]
        b = of_others.items[of_others.starts[j[entry]] + column]
        if self.is_self_join:
            a, b, entry = (part[distinct] for distinct in [a != b] for part in (a, b, entry))
        found = type(pairs)(a.astype(np.int32), b.astype(np.int32), score[entry])
        return neighbours(found, len(self.names), order=self.order, both_ways=False)

    def groups(self) -> list[list[int]]:
        """The items of each group, directly or indirectly near each other, largest group first.

        Raises:
            ValueError: a corpus was searched, whose items are numbered for themselves.
        """
        if not self.is_self_join:
            raise ValueError(f"expected a search without a corpus for groups, got {self!r}")
        count = int(self.kinds.max(initial=-1)) + 1
        label = connected_components(self.pairs, count)[self.kinds]
        items = np.argsort(label, kind="stable")
        groups = np.split(items, np.flatnonzero(np.diff(label[items])) + 1)
        return sorted((g.tolist() for g in groups if len(g) > 1), key=len, reverse=True)

    def nearest(self) -> NDArray[Any]:
        """The score of the nearest match of each name; where there is none, nothing of meaning."""
        return self._of_nearest("score")

    def turns_of_nearest(self) -> NDArray[Any]:
        """How the nearest match of each name is turned to look like it, by number in
        :data:`jaxdedup.encoding.TURNS`; of equally near ones, the one that is turned least."""
        return self._of_nearest("turn")

    def removable(
        self,
        keep: Keep | Callable[[list[Key]], Key] = "first",
        files: Files | None = None,
        decode: Callable[[Any], Any] | None = None,
        corpus: Files | None = None,
    ) -> list[Key]:
        """Names that can go, as each has a duplicate that stays; in order.

        Where a corpus was searched, all of that stays, and what has a duplicate in it can go.
        Otherwise:

        No two of the names that stay are duplicates. With the first to stay, these are the files
        that imagededup's ``find_duplicates_to_remove`` names. With their files, those that are not
        there any more, or not as they were when they were looked at, neither go nor keep others
        from staying; and a file goes with all of its paths, links included, or not at all. Of both
        the log tells.

        Args:
            keep: which of several duplicates stays: the ``"first"``, or of the files the
                ``"largest"`` (in pixels), ``"newest"`` or ``"oldest"`` (by modification time), the
                first among equals; or a function that takes a group's names, in order, and gives
                the one that stays.
            files: what :func:`look` gave before they were read, where there are any.
            decode: decodes a file that Pillow can't open.
            corpus: the files of the corpus, where there is one and it has any.

        Raises:
            ValueError: ``keep`` is unknown, needs files where there are none, goes without a
                corpus, or returned something else than a name of its list.
        """
        members = [items.tolist() for items in _Members(self.kinds).split()]
        near = self._near_kinds()
        if self.is_self_join:
            removed = removable(members, near, self.names, keep, files, decode)
        elif keep == "first":
            other_members = [items.tolist() for items in _Members(self.other_kinds).split()]
            removed = removable_against(
                members, near, other_members, self.names, self.others, files, corpus
            )
        else:
            raise ValueError(f"expected no keep where all of a corpus stays, got {keep!r:.100}")
        return [self.names[item] for item in removed]

    def _near_kinds(self) -> list[list[int]]:
        """Of each kind, the others that are near it: without a corpus, not itself."""
        near: list[list[int]] = [[] for _ in range(int(self.kinds.max(initial=-1)) + 1)]
        i, j, *_ = self._directed()
        for kind, other in zip(i.tolist(), j.tolist(), strict=True):
            if kind != other or not self.is_self_join:
                near[kind].append(other)
        return near

    def _turns_of(self, near: Neighbours) -> NDArray[np.int8]:
        """The turn of each neighbour, int8[Q]."""
        i, j, _, turn = self._directed()
        count = int(self.other_kinds.max(initial=-1)) + 1
        names = np.repeat(np.arange(len(self.names)), np.diff(near.starts))
        asked = self.kinds[names] * count + self.other_kinds[near.indices]
        return turn[np.searchsorted(i * count + j, asked)]

    def _of_nearest(self, column: Literal["score", "turn"]) -> NDArray[Any]:
        """A column of the nearest match of each name."""
        directed = self._directed()
        values = getattr(directed, column)
        best = np.zeros(int(self.kinds.max(initial=-1)) + 1, values.dtype)
        farness = self.metric.farness(directed.score)
        farthest_first = np.lexsort((-directed.turn, -farness))  # the nearest is written last
        best[directed.i[farthest_first]] = values[farthest_first]
        return best[self.kinds]

    @property
    def _has_copies(self) -> bool:
        return any(
            int(kinds.max(initial=-1)) + 1 < len(kinds) for kinds in (self.kinds, self.other_kinds)
        )

    def _directed(self) -> "_Directed":
        """The kinds near each kind, itself included where it has copies; ordered by kind."""
        i, j, score = (np.asarray(column) for column in self.pairs)
        turn = np.zeros(len(i), np.int8) if self.turns is None else self.turns
        if self.is_self_join:
            own = np.flatnonzero(_Members(self.kinds).counts > 1)
            copies = np.full(len(own), self.metric.copy_score, score.dtype)
            i, j = np.concatenate([i, j, own]), np.concatenate([j, i, own])
            score = np.concatenate([score, score, copies])
            undone = np.array(INVERSE_TURNS, np.int8)[turn]
            turn = np.concatenate([turn, undone, np.zeros(len(own), np.int8)])
        order = np.lexsort((j, i))
        i, j = (column[order].astype(np.int64) for column in (i, j))
        return _Directed(i, j, score[order], turn[order])

    def _refuse_too_many(self, directed: int) -> None:
        total = directed
        if self.is_self_join:  # each pair both ways, and each of a copied kind with itself
            counts = _Members(self.kinds).counts
            total = (directed - int(counts[counts > 1].sum())) // 2
        if total > self.max_pairs:
            raise ValueError(
                f"the result would be exactly {total:,} pairs, expected at most "
                f"max_pairs={self.max_pairs:,}. Ask for groups (find_matches(…).groups(), jaxdedup "
                "find) or for what can be removed, which need no pairs of equal encodings, for a "
                "nearer threshold, or raise max_pairs"
            )


class _Directed(NamedTuple):
    """Pairs of kinds, both ways round where both were searched for.

    Attributes:
        i, j: int64[P], the kinds.
        score: of each pair.
        turn: int8[P], how j is turned to look like i.
    """

    i: Indices
    j: Indices
    score: NDArray[Any]
    turn: NDArray[np.int8]


class _Members:
    """The items of each kind, one kind after the other."""

    def __init__(self, kinds: Indices) -> None:
        self.counts = np.bincount(kinds)
        self.items = np.argsort(kinds, kind="stable")
        self.starts = np.cumsum(self.counts) - self.counts

    def split(self) -> list[Indices]:
        return np.split(self.items, self.starts[1:]) if len(self.counts) else []


def find_matches(
    encodings: Encodings,
    corpus: Encodings | None = None,
    *,
    threshold: int | float | None = None,
    max_pairs: int = DEFAULT_MAX_PAIRS,
    min_quality: int | None = None,
    order: Order | None = None,
) -> Matches:
    """The encodings that are near each other, or near those of a corpus.

    Encodings of several orientations (:func:`jaxdedup.encoding.oriented`) find images that are
    turned: of two images that distance counts which is least over the turns of the one, and without
    a corpus over those of either.

    Args:
        encodings: what is searched for.
        corpus: where it is searched; None for the encodings themselves, where none matches itself.
            One row an image is enough.
        threshold: inclusive: of hashes the greatest distance in bits, of features the least cosine
            similarity; None for the method's own (:func:`check_threshold`).
        max_pairs: the most pairs to hold; those of equal encodings count where they are listed.
        min_quality: of images, 0 to 100; the others, on either side, are left out, and named by
            ``low_quality``. None for 50 of PDQ, whose authors advise it, and else for any.
        order: of the matches of each: the nearest first (``"score"``), or as in the corpus
            (``"index"``); None for imagededup's, the former for hashes, the latter for features.

    Raises:
        TypeError: the threshold, or the quality, is no number.
        ValueError: the threshold or the quality is out of range, the quality is not known, the two
            were not made in one way, or there are more pairs than ``max_pairs``.

    Example:
        >>> from jaxdedup.encoding import METHODS, Recipe
        >>> hashes = {"a.png": "00" * 8, "b.png": "ff" * 8, "c.png": "00" * 7 + "03"}
        >>> encodings = Encodings.from_map(hashes, Recipe(METHODS["phash"]).origin)
        >>> find_matches(encodings).to_dict(scores=True)
        {'a.png': [('c.png', 2)], 'b.png': [], 'c.png': [('a.png', 2)]}
    """
    metric = metric_of(encodings.origin)
    limit = check_threshold(encodings.origin, threshold)
    max_pairs = positive("max_pairs", max_pairs)
    encodings, low = of_quality(encodings, check_quality(encodings.origin, min_quality))
    if corpus is not None:
        corpus, low_too = of_quality(corpus, check_quality(corpus.origin, min_quality))
        low += low_too
        corpus = comparable(encodings, corpus)
    distinct, kinds = _kinds(encodings.rows)
    others, other_kinds = (None, kinds) if corpus is None else _kinds(corpus.rows)
    if not len(distinct) or (others is not None and not len(others)):
        pairs, turns = NOTHING
    else:
        turned = encodings.origin.row.rows
        pairs, turns = turned_pairs(distinct, others, turned, metric, limit, max_pairs)
    return Matches(
        encodings.names,
        (encodings if corpus is None else corpus).names,
        kinds,
        other_kinds,
        pairs,
        metric,
        order or metric.order,
        max_pairs,
        is_self_join=corpus is None,
        turns=turns,
        low_quality=low,
    )


def iter_pairs(
    encodings: Encodings,
    *,
    threshold: int | float | None = None,
    on_progress: Progress | None = None,
) -> Iterator[Pairs]:
    """The pairs of encodings that are near each other, piece by piece, however many there are.

    Args:
        encodings: of one row an image.
        threshold: as of :func:`find_matches`.
        on_progress: called with the share of the work that is done, 0 to 1, now and then.

    Returns:
        An iterator of pieces, of a million pairs or less: ``i`` and ``j`` are places in
        ``encodings.names``, each pair is in one of the pieces, once, and the pieces in no order.

    Raises:
        TypeError: the threshold is no number.
        ValueError: the threshold is out of range, or there are rows of turned images.

    Example:
        >>> from jaxdedup.encoding import METHODS, Recipe
        >>> hashes = {"a.png": "00" * 8, "b.png": "ff" * 8, "c.png": "00" * 7 + "03"}
        >>> encodings = Encodings.from_map(hashes, Recipe(METHODS["phash"]).origin)
        >>> [(i, j, distance.tolist()) for i, j, distance in iter_pairs(encodings) if len(i)]
        [(array([0], dtype=int32), array([2], dtype=int32), [2])]
    """
    if encodings.origin.row.rows > 1:
        raise ValueError("expected one row an image, got those of turned images")
    limit = check_threshold(encodings.origin, threshold)
    if not len(encodings):
        return iter(())
    return metric_of(encodings.origin).iter_pairs(encodings.rows, limit, on_progress)


def comparable(encodings: Encodings, corpus: Encodings) -> Encodings:
    """The corpus, one row an image; ValueError unless the two were made in one way."""
    corpus = upright(corpus)
    made = replace(encodings.origin, orientations="none")
    if different := made.differences(corpus.origin):
        raise ValueError(f"the two sides were not made in one way: {different}")
    return corpus


def upright(encodings: Encodings) -> Encodings:
    """Without the rows of turned images: one row an image.

    Example:
        >>> from jaxdedup.encoding import METHODS, Recipe, oriented
        >>> origin = Recipe(oriented(METHODS["phash"])).origin
        >>> upright(Encodings(["a.png"], np.zeros((1, 64), np.uint8), origin)).rows.shape
        (1, 8)
    """
    rows = encodings.origin.row.rows
    if rows == 1:
        return encodings
    width = encodings.rows.shape[1] // rows
    return Encodings(
        encodings.names,
        np.ascontiguousarray(encodings.rows[:, :width]),
        replace(encodings.origin, orientations="none"),
        encodings.failures,
        encodings.quality,
        vouched_for=True,
    )


def _kinds(rows: NDArray[Any]) -> tuple[NDArray[Any], Indices]:
    """The distinct rows, in the order in which they come first, and which of them each row is."""
    first, kinds, _ = map(np.asarray, distinct_rows(rows))
    if rows.dtype == np.float32:
        # Features that are all zero have no direction, and so are not near their copies.
        stands_for = np.where(rows.any(axis=1), first[kinds], np.arange(len(rows)))
        first, kinds = np.unique(stands_for, return_inverse=True)
    return (rows if len(first) == len(rows) else rows[first]), kinds.astype(np.int64)


def text_names(names: Iterable[Hashable]) -> list[str]:
    """Names as JSON can hold them; ValueError where two become one."""
    texts = [_text(name) for name in names]
    if len(set(texts)) < len(texts):
        raise ValueError("two names have the same text, so they can't both be keys in JSON")
    return texts


def _text(name: Hashable) -> str:
    if isinstance(name, (str, bytes, os.PathLike)):
        return os.fsdecode(name)
    return str(name)
