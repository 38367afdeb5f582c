"""The k best of what a search has come across, for each of many queries."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[Any]  # the smaller, the nearer: distances, or similarities with their sign turned


class Found(NamedTuple):
    """Rows that may be among the nearest: [H] queries, rows and scores."""

    query: NDArray[np.integer[Any]]
    row: NDArray[np.integer[Any]]
    score: Scores

    def among_others(self) -> "Found":
        """Without the rows that are queries themselves."""
        other = self.query != self.row
        return Found(self.query[other], self.row[other], self.score[other])


class Nearest:
    """The nearest rows of each query so far, the nearest first and equals in their order.

    Attributes:
        row: int32[B, k], −1 where there is none yet.
        score: [B, k], the worst that there is where there is none yet.
    """

    def __init__(self, count: int, k: int, none: np.generic) -> None:
        self.row = np.full((count, k), -1, np.int32)
        self.score = np.full((count, k), none)

    def add(self, found: Found) -> None:
        """Takes in rows: those of a query in order, and later than all that it has."""
        k = self.row.shape[1]
        met = np.bincount(found.query, minlength=len(self.row)) > 0
        chosen = np.flatnonzero(met)
        # What is there comes first, as it has the smaller indices.
        query = np.concatenate(
            [np.repeat(np.arange(len(chosen)), k), (np.cumsum(met) - 1)[found.query]]
        )
        row = np.concatenate([self.row[chosen].ravel(), found.row.astype(np.int32)])
        score = np.concatenate([self.score[chosen].ravel(), found.score.astype(self.score.dtype)])
        order = _by_query_and_score(query, score)
        counts = np.bincount(query)
        best = order[(np.cumsum(counts) - counts)[:, None] + np.arange(k)]
        self.row[chosen], self.score[chosen] = row[best], score[best]

    @property
    def worst(self) -> Scores:
        """[B], the score of the last of the nearest: what comes later must be below it."""
        return self.score[:, -1]


def _by_query_and_score(query: NDArray[np.intp], score: Scores) -> NDArray[np.intp]:
    """A stable order."""
    if score.dtype.kind == "u":
        key = query * (int(score.max(initial=0)) + 1) + score
        if key.max(initial=0) < 2**16:  # which NumPy sorts digit by digit, several times as fast
            key = key.astype(np.uint16)
        return np.argsort(key, kind="stable")
    return np.lexsort((score, query))
