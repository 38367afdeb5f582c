"""What a search found: pairs of kinds, whose copies are paired where somebody asks for a list."""

import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import islice, pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jaxdedup.encoding import INVERSE_TURNS, TURNS, Key
from jaxdedup.runtime import counted
from jaxdedup.search import Neighbours, connected_components, neighbours

from ._keep import Files, Keep, removable, removable_against
from ._metric import Metric, Order, Pairs

Indices = NDArray[np.int64]

_SHOWN = 5  # pairs, in a notebook


@dataclass(frozen=True, repr=False, eq=False)
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
        found = counted(self._pair_count, "pair")
        return f"<Matches of {counted(len(self.names), 'image')}{among}: {found}>"

    def _repr_html_(self) -> str:
        pairs = [*islice(self._kind_pairs(), _SHOWN)]
        lines = [(str(name), str(other), f"{score:.4g}") for name, other, score in pairs]
        lines += [("…", "…", "…")] if self._pair_count > len(lines) else []
        rows = "".join(f"<tr><td>{'</td><td>'.join(map(escape, line))}</td></tr>" for line in lines)
        return f"<p>{escape(repr(self))}</p><table>{rows}</table>"

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
        self._refuse_too_many()
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

    def _kind_pairs(self) -> Iterator[tuple[Key, Key, Any]]:
        """The first names of each two kinds, and of the copies of each kind; and the score."""
        of_names, of_others = _Members(self.kinds), _Members(self.other_kinds)
        for i, j, score in zip(*map(np.asarray, self.pairs), strict=True):
            name = of_names.items[of_names.starts[i]]
            yield self.names[name], self.others[of_others.items[of_others.starts[j]]], score
        if self.is_self_join:
            for start in of_names.starts[of_names.counts > 1]:
                name, other = of_names.items[start : start + 2]
                yield self.names[name], self.names[other], self.metric.copy_score

    @property
    def _pair_count(self) -> int:
        """How many pairs of names there are, those of copies included."""
        counts, other_counts = np.bincount(self.kinds), np.bincount(self.other_kinds)
        total = int((counts[self.pairs.i] * other_counts[self.pairs.j]).sum())
        if self.is_self_join:
            total += int((counts * (counts - 1) // 2).sum())
        return total

    def _refuse_too_many(self) -> None:
        total = self._pair_count
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
