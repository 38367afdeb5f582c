"""Pairs of images of which one is turned: the rows of all turns against the upright rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxdedup.encoding import INVERSE_TURNS

from ._metric import Metric, Pairs


def turned_pairs(
    rows: NDArray[Any],
    corpus: NDArray[Any] | None,
    turns: int,
    metric: Metric,
    limit: Any,
    max_pairs: int,
) -> tuple[Pairs, NDArray[np.int8]]:
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
        Pairs sorted by (i, j), i < j without a corpus; and int8[P], how j is turned to look like i.

    Raises:
        ValueError: there are more pairs than ``max_pairs``.
    """
    each = np.ascontiguousarray(rows.reshape(len(rows) * turns, -1))
    others = np.ascontiguousarray(each[::turns]) if corpus is None else corpus
    # Each pair may come once a turn, of either image; and each image finds itself.
    found = metric.pairs(each, others, limit, 2 * turns * max_pairs + len(each))
    query, j, score = (np.asarray(column) for column in found)
    i, turn = query // turns, np.array(INVERSE_TURNS, np.int8)[query % turns]
    if corpus is None:
        turned_back = np.array(INVERSE_TURNS, np.int8)[turn]
        turn = np.where(i < j, turn, turned_back)
        i, j = np.minimum(i, j), np.maximum(i, j)
    farness = np.abs(score.astype(np.float32) - metric.copy_score)
    order = np.lexsort((turn, farness, j, i))
    order = order[(i != j)[order]] if corpus is None else order
    is_first = np.ones(len(order), bool)
    is_first[1:] = (np.diff(i[order]) != 0) | (np.diff(j[order]) != 0)
    best = order[is_first]
    if len(best) > max_pairs:
        raise ValueError(
            f"the result would be {len(best):,} pairs, expected at most max_pairs={max_pairs:,}. "
            "Ask for a nearer threshold, or raise max_pairs"
        )
    columns: Any = (i[best].astype(np.int32), j[best], score[best])
    return type(found)(*columns), turn[best].astype(np.int8)
