"""Pairs of images of which one is turned: the rows of all turns against the upright rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxdedup.encoding import INVERSE_TURNS

from ._metric import Metric, Pairs

Turned = tuple[Pairs, NDArray[np.int8] | None]


def turned_pairs(
    rows: NDArray[Any],
    corpus: NDArray[Any] | None,
    turns: int,
    metric: Metric,
    limit: Any,
    max_pairs: int,
) -> Turned:
    """The pairs that are near in at least one orientation, each once, as near as they come.

    Args:
        rows: ``[N, turns · b]``, those of the turns of an image side by side, the upright first.
        corpus: ``[M, b]``; None for the upright rows themselves, where none is its own neighbour,
            and whichever of the two is turned.
        turns: how many there are.
        metric: how rows are compared.
        limit: the threshold.
        max_pairs: the most pairs.

    Returns:
        Pairs sorted by (i, j), i < j without a corpus; and int8[P], how j is turned to look like i,
        None where there is one turn only.

    Raises:
        ValueError: there are more pairs than ``max_pairs``.
    """
    if turns == 1:
        return metric.pairs(rows, corpus, limit, max_pairs), None
    each = _one_turn_each(rows, turns)
    others = np.ascontiguousarray(each[::turns]) if corpus is None else corpus
    # Each pair may come once a turn, of either image; and each image finds itself.
    found = metric.pairs(each, others, limit, 2 * turns * max_pairs + len(each))
    best, turn = _as_near_as_they_come(found, turns, metric, self_join=corpus is None)
    if len(turn) > max_pairs:
        raise ValueError(
            f"the result would be {len(turn):,} pairs, expected at most max_pairs={max_pairs:,}. "
            "Ask for a nearer threshold, or raise max_pairs"
        )
    return best, turn


def nearest_turned(
    rows: NDArray[Any], corpus: NDArray[Any], turns: int, metric: Metric, k: int
) -> Turned:
    """The k nearest of each image, in whatever orientation; otherwise as :func:`turned_pairs`."""
    if turns == 1:
        return metric.nearest(rows, corpus, k), None
    # Whatever is among the k nearest of all turns is among those of the turn that it is nearest in.
    found = metric.nearest(_one_turn_each(rows, turns), corpus, k)
    best, turn = _as_near_as_they_come(found, turns, metric, self_join=False)
    order = np.lexsort((best.j, metric.farness(best[2]), best.i))
    first = np.searchsorted(best.i, best.i)  # of the pairs of the same image
    order = order[np.arange(len(order)) - first < k]
    return _chosen(best, order), turn[order]


def _one_turn_each(rows: NDArray[Any], turns: int) -> NDArray[Any]:
    return np.ascontiguousarray(rows.reshape(len(rows) * turns, -1))


def _as_near_as_they_come(
    found: Pairs, turns: int, metric: Metric, *, self_join: bool
) -> tuple[Pairs, NDArray[np.int8]]:
    """Of pairs of turns the nearest of each pair of images, sorted; of equals the least turned."""
    i, turn = found.i // turns, np.array(INVERSE_TURNS, np.int8)[found.i % turns]
    j = found.j
    if self_join:
        turned_back = np.array(INVERSE_TURNS, np.int8)[turn]
        turn = np.where(i < j, turn, turned_back)
        i, j = np.minimum(i, j), np.maximum(i, j)
    order = np.lexsort((turn, metric.farness(found[2]), j, i))
    order = order[(i != j)[order]] if self_join else order
    is_first = np.ones(len(order), bool)
    is_first[1:] = (np.diff(i[order]) != 0) | (np.diff(j[order]) != 0)
    best = order[is_first]
    return _chosen(found._replace(i=i, j=j), best), turn[best]


def _chosen(pairs: Pairs, order: NDArray[np.intp]) -> Pairs:
    columns: Any = (column[order] for column in pairs)
    return type(pairs)(*columns)
