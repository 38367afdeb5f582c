"""The k most similar rows in one pass over the corpus: bounds by products, decided in float64.

The product of two rows of unit length in float32 is within a margin of their similarity. So a row
is among the k nearest only if its product comes within two margins of the k-th highest. How high
that is at least, the highest products of k groups of rows tell at once. Few rows are left, and the
host decides on those.
"""

import jax
import numpy as np
from numpy.typing import NDArray

from ._bound import margin
from ._devices import has_fast_matrix_products, power_of_two
from ._nearest import Found, Nearest
from ._products import Tile, tiles
from ._rows import Features, parts, similarities
from ._words import where

_GROUPS = 2**9  # of rows
_UNDECIDED = 2**20  # rows to hold
_LEAST = np.finfo(np.float32).min  # but for −∞, the product of a row that is left out


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
    search = _Search(
        features, corpus, k, 2 * margin(features.shape[1], has_fast_matrix_products(device))
    )
    for tile in tiles(features, corpus, device):
        if among_themselves:
            _leave_out_themselves(tile)
        search.take(tile)
    search.decide()
    return search.nearest.row, -search.nearest.score


class _Search:
    """The nearest so far, and rows that are not decided on."""

    def __init__(self, features: Features, corpus: Features, k: int, slack: np.float32) -> None:
        self.nearest = Nearest(len(features), k, np.float32(np.inf))
        self._by_product = Nearest(len(features), k, np.float32(np.inf))
        self._reach = np.full(len(features), _LEAST)  # of products that count
        self._features, self._corpus = features, corpus
        self._k, self._slack = k, slack
        self._undecided: list[Found] = []

    def take(self, tile: Tile) -> None:
        """Takes in a tile; for each query the tiles come in the order of the rows."""
        queries = slice(tile.query, tile.query + len(tile.products))
        if tile.row == 0:
            reach = _kth_highest(tile.products, self._k) - self._slack
            self._reach[queries] = np.maximum(reach, _LEAST)
        query, row = where(tile.products >= self._reach[queries, None])
        found = Found(query + tile.query, row + tile.row, -tile.products[query, row])
        self._by_product.add(found)
        reach = -self._by_product.worst[queries] - self._slack
        np.maximum(self._reach[queries], reach, out=self._reach[queries])
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


def _leave_out_themselves(tile: Tile) -> None:
    itself = np.arange(len(tile.products)) + tile.query - tile.row
    query = np.flatnonzero((itself >= 0) & (itself < tile.products.shape[1]))
    tile.products[query, itself[query]] = -np.inf
