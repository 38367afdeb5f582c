"""The k most similar rows in one pass over the corpus: bounds by products, decided in float64.

The product of two rows of unit length in float32 is within a margin of their similarity. So a row
is among the k nearest only if its product comes within two margins of the k-th highest. How high
that is at least, the highest products of k groups of rows tell at once. Few rows are left, and the
host decides on those. An accelerator gives some more than the k highest of a part of the corpus:
if the last of them comes so near too, the host multiplies.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import jax
import numpy as np
from numpy.typing import NDArray

from jaxdedup.runtime import core_count

from ._bound import margin
from ._checks import check_finite
from ._devices import is_accelerator, power_of_two
from ._group_bounds import (
    GROUP,
    Bounds,
    group_bounds,
    group_bounds_are_weak,
    group_bounds_pay,
    parts_of_queries,
)
from ._nearest import Found, Nearest
from ._on_accelerator import Highest, highest_in_parts
from ._products import products_of, tiles, to_units
from ._rows import Features, parts, similarities
from ._traced_top_k import ROWS
from ._words import where

_GROUPS = 2**9  # of rows
_MORE = 32  # of the highest products of an accelerator, some of which are no farther than rounding
_UNDECIDED = 2**20  # rows to hold
_FEW_GROUPS = 32  # of so many, one may have near rows: of more, matrix products are the faster
_LEAST = np.finfo(np.float32).min  # but for −∞, the product of a row that is left out
_FEW_QUERIES = 16  # the host has multiplied these before an accelerator has the corpus


def nearest_rows(
    features: Features, corpus: Features, k: int, device: jax.Device, *, among_themselves: bool
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Indices and similarities of the k nearest, int32[B, k] and float32[B, k].

    Args:
        features: float32[B, D].
        corpus: float32[N, D].
        k: how many, at most as many as there are.
        device: multiplies, if it is faster at matrices than at other things; else the host does.
        among_themselves: whether the features are the corpus, and none is its own neighbour.
    """
    search = _Search(features, corpus, k, among_themselves)
    if is_accelerator(device) and len(features) > _FEW_QUERIES:
        units, most = to_units(features, "features"), 2 * k + _MORE
        for some in highest_in_parts(
            units, corpus, most, device, ROWS, among_themselves=among_themselves
        ):
            search.take_highest(some)
    elif group_bounds_pay(features, corpus, k + among_themselves):
        for queries in parts_of_queries(len(features)):
            search.take_groups(np.arange(len(features))[queries])
    else:
        search.take_all(np.arange(len(features)), slice(0, len(corpus)))
    search.decide()
    return search.nearest.row, -search.nearest.score


class _Search:
    """The nearest so far, and rows that are not decided on."""

    def __init__(
        self, features: Features, corpus: Features, k: int, among_themselves: bool
    ) -> None:
        self.nearest = Nearest(len(features), k, np.float32(np.inf))
        self._by_product = Nearest(len(features), k, np.float32(np.inf))
        self._reach = np.full(len(features), _LEAST)  # of products that count
        self._features, self._corpus = features, corpus
        self._k, self._slack = k, 2 * margin(features.shape[1], low_precision=False)
        self._among_themselves = among_themselves
        self._undecided: list[Found] = []

    def take_highest(self, some: Highest) -> None:
        """Takes in the highest products of a part."""
        if not some.is_finite:
            check_finite(self._corpus[some.part], "corpus", some.part.start)
        np.maximum(self._reach, some.score[:, self._k - 1] - self._slack, out=self._reach)
        has_more = some.score[:, -1] >= self._reach
        in_order = np.argsort(some.row, axis=1)
        score = np.take_along_axis(some.score, in_order, axis=1)
        query, place = where((score >= self._reach[:, None]) & ~has_more[:, None])
        row = np.take_along_axis(some.row, in_order, axis=1)[query, place]
        self._add(Found(query, row, -score[query, place]))
        if has_more.any():
            self.take_all(np.flatnonzero(has_more), some.part)

    def take_groups(self, queries: NDArray[np.intp]) -> None:
        """Takes in all rows for some of the queries: of most groups only what bounds them."""
        units = to_units(self._features[queries], "features")
        with ThreadPoolExecutor(core_count()) as pool:
            for calls in group_bounds(units, self._corpus, pool):
                for call in calls:
                    if not call.is_finite:
                        check_finite(self._corpus[call.first :], "corpus", call.first)
                least = np.concatenate([call.least for call in calls], axis=1)
                reach = self._reach[queries]
                if (k := self._k + self._among_themselves) <= least.shape[1]:
                    sure = np.partition(least, -k, axis=1)[:, -k]
                    reach = self._reach[queries] = np.maximum(reach, sure - self._slack / 2)
                found = list(pool.map(partial(self._in_groups, queries, units, reach), calls))
                near = [some for some in found if some is not None]
                if len(near) < len(found):
                    group_bounds_are_weak(self._features, self._corpus)
                    self.take_all(queries, slice(calls[0].first, len(self._corpus)))
                    break
                self._add(Found(*map(np.concatenate, zip(*near, strict=True))))

    def _in_groups(
        self,
        queries: NDArray[np.intp],
        units: Features,
        reach: NDArray[np.float32],
        call: Bounds,
    ) -> Found | None:
        """The rows of a call that reach so high; None where most groups may have some."""
        number, group = where(call.highest >= reach[:, None] - call.off)
        if len(group) > call.highest.size // _FEW_GROUPS:
            return None
        row = call.first + GROUP * group[:, None] + np.arange(GROUP)
        products = products_of(self._corpus, np.minimum(row, len(self._corpus) - 1), units[number])
        near = (products >= reach[number, None]) & (row < len(self._corpus))
        if self._among_themselves:
            near &= row != queries[number, None]
        hit, turn = where(near)
        return Found(queries[number[hit]], row[hit, turn], -products[hit, turn])

    def take_all(self, queries: NDArray[np.intp], part: slice) -> None:
        """Takes in some rows, in order, for some of the queries."""
        for tile in tiles(self._features[queries], self._corpus[part]):
            query, row = queries[tile.query], tile.row + part.start
            if self._among_themselves:
                _leave_out_themselves(tile.products, query, row)
            self._take(tile.products, query, row)

    def _take(self, products: NDArray[np.float32], queries: NDArray[np.intp], first: int) -> None:
        """Takes in the products of some queries with the rows from ``first`` on."""
        if first == 0:
            reach = _kth_highest(products, self._k) - self._slack
            self._reach[queries] = np.maximum(reach, _LEAST)
        number, row = where(products >= self._reach[queries, None])
        self._add(Found(queries[number], row + first, -products[number, row]))

    def _add(self, found: Found) -> None:
        self._by_product.add(found)
        np.maximum(self._reach, -self._by_product.worst - self._slack, out=self._reach)
        self._undecided.append(found)
        if sum(len(some.row) for some in self._undecided) > _UNDECIDED:
            self.decide()

    def decide(self) -> None:
        """Computes the similarities of the rows that still can be among the nearest."""
        if not self._undecided:
            return
        columns = zip(*self._undecided, strict=True)
        query, row, score = (np.concatenate(column) for column in columns)
        self._undecided.clear()
        still = np.flatnonzero(-score >= self._reach[query])
        query, row = query[still], row[still]
        similarity = np.empty(len(row), np.float32)
        for part in parts(len(row), self._corpus.shape[1]):
            some = self._features[query[part]], self._corpus[row[part]]
            similarity[part] = similarities(*some)
        self.nearest.add(Found(query, row, -similarity))


def _kth_highest(products: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """[Q]: the k-th highest product of each query, or less."""
    groups = max(_GROUPS, power_of_two(4 * k))
    in_each = products.shape[1] // groups
    if in_each > 1:
        products = products[:, : in_each * groups].reshape(-1, in_each, groups).max(axis=1)
    if k > products.shape[1]:
        return np.full(len(products), _LEAST)
    return np.partition(products, -k, axis=1)[:, -k]


def _leave_out_themselves(
    products: NDArray[np.float32], queries: NDArray[np.intp], first: int
) -> None:
    itself = queries - first
    query = np.flatnonzero((itself >= 0) & (itself < products.shape[1]))
    products[query, itself[query]] = -np.inf
