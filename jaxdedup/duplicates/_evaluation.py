"""How good a set of found duplicates is, measured against a known one.

Both are maps of the kind ``find_duplicates`` returns without scores: every item's name with the
list of its duplicates. The metrics are imagededup's.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from math import log2
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

DuplicateMap = Mapping[Hashable, Sequence[Hashable]]
_Score = Callable[[Sequence[Hashable], Sequence[Hashable]], float]
Measure = Literal["map", "ndcg", "jaccard", "classification", "all"]


def evaluate(
    ground_truth_map: DuplicateMap, retrieved_map: DuplicateMap, metric: Measure = "all"
) -> dict[str, float | NDArray[np.float64] | NDArray[np.int64]]:
    """Measures retrieved duplicates against the true ones.

    Equals ``imagededup.evaluation.evaluate``, except that the arrays always have both classes:
    imagededup leaves out a class that occurs in neither map. Here it scores 0 with a support of 0.

    Args:
        ground_truth_map: ``{name: [names of its duplicates]}``. Whoever is a duplicate is a key
            too, and has the other in its list.
        retrieved_map: the same for the duplicates found, in the order found; with the same keys.
        metric: which entries to return, in upper or lower case; ``"all"`` of them by default.

    Returns:
        Averages over the keys, from 0 to 1: ``"map"``, mean average precision; ``"ndcg"``,
        normalised discounted cumulative gain, normalised by the best order of what was retrieved;
        ``"jaccard"``, the Jaccard index of the lists as sets. An item counts 1 in each if both
        its lists are empty and 0 if just one is.

        For ``"classification"`` the entries ``"precision"``, ``"recall"``, ``"f1_score"``
        (float64[2]) and ``"support"`` (int64[2]) over all unordered pairs of keys: first of the
        pairs that are no duplicates, then of those that are. A ratio of nothing to nothing is 0.

    Raises:
        TypeError: something else than maps from names to lists of names.
        ValueError: an unknown metric, maps with different keys or with none, for
            ``"classification"`` with fewer than two, or a map that is not symmetric.

    Source: Järvelin, Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002, for
        NDCG; Manning, Raghavan, Schütze, "Introduction to Information Retrieval", 2008, chapter 8,
        for the others.

    Example:
        >>> truth = {"a": ["b"], "b": ["a"], "c": []}
        >>> evaluate(truth, {"a": ["c", "b"], "b": ["a"], "c": ["a"]}, metric="map")
        {'map': 0.5}
    """
    wanted = metric.lower() if isinstance(metric, str) else metric
    if wanted not in (*_PER_ITEM, "classification", "all"):
        choices = ", ".join(repr(name) for name in (*_PER_ITEM, "classification", "all"))
        raise ValueError(f"expected metric to be one of {choices}, got {metric!r:.100}")
    _check_symmetric(ground_truth_map, "ground_truth_map")
    _check_symmetric(retrieved_map, "retrieved_map")
    _check_keys(ground_truth_map, retrieved_map)

    result: dict[str, float | NDArray[np.float64] | NDArray[np.int64]] = {}
    for name, score in _PER_ITEM.items():
        if wanted in (name, "all"):
            scores = [
                _score_item(score, ground_truth_map[k], retrieved_map[k]) for k in retrieved_map
            ]
            result[name] = float(np.mean(scores))
    if wanted in ("classification", "all"):
        result |= _classification(ground_truth_map, retrieved_map)
    return result


def _check_symmetric(duplicates: DuplicateMap, name: str) -> None:
    if not isinstance(duplicates, Mapping):
        raise TypeError(f"expected {name} to be a dict of lists of names, got {duplicates!r:.80}")
    as_sets = {key: _as_set(key, values, name) for key, values in duplicates.items()}
    for key, values in as_sets.items():
        for value in values:
            if value not in as_sets:
                raise ValueError(
                    f"expected every duplicate in {name} to be a key, got {value!r:.100} "
                    f"for {key!r:.100}"
                )
            if key not in as_sets[value]:
                raise ValueError(
                    f"expected {name} to be symmetric, got {value!r:.100} as a duplicate of "
                    f"{key!r:.100} but not the other way round"
                )


def _as_set(key: Hashable, values: Any, name: str) -> set[Hashable]:
    try:
        return set(values)
    except TypeError:
        raise TypeError(
            f"expected a list of names for {key!r:.100} in {name}, got {values!r:.80}"
        ) from None


def _check_keys(ground_truth: DuplicateMap, retrieved: DuplicateMap) -> None:
    different = sorted(map(repr, ground_truth.keys() ^ retrieved.keys()))
    if different:
        some = ", ".join(different[:5]) + (", …" if len(different) > 5 else "")
        raise ValueError(
            f"expected both maps to have the same keys, got {len(different)} in just one: {some}"
        )
    if not retrieved:
        raise ValueError("expected maps of at least one item, got none")


def _score_item(score: _Score, truth: Sequence[Hashable], found: Sequence[Hashable]) -> float:
    if not truth or not found:
        return float(not truth and not found)
    return score(truth, found)


def _average_precision(truth: Sequence[Hashable], found: Sequence[Hashable]) -> float:
    true_names = set(truth)
    hits = 0
    total = 0.0
    for rank, name in enumerate(found, start=1):
        if name in true_names:
            hits += 1
            total += hits / rank
    return total / len(truth)


def _ndcg(truth: Sequence[Hashable], found: Sequence[Hashable]) -> float:
    true_names = set(truth)
    ranks = [rank for rank, name in enumerate(found, start=1) if name in true_names]
    if not ranks:
        return 0.0
    return _gain(ranks) / _gain(range(1, len(ranks) + 1))


def _gain(ranks: Sequence[int]) -> float:
    return sum(1 / log2(rank + 1) for rank in ranks)


def _jaccard(truth: Sequence[Hashable], found: Sequence[Hashable]) -> float:
    return len(set(truth) & set(found)) / len(set(truth) | set(found))


_PER_ITEM: dict[str, _Score] = {"map": _average_precision, "ndcg": _ndcg, "jaccard": _jaccard}


def _classification(
    ground_truth: DuplicateMap, retrieved: DuplicateMap
) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
    if len(retrieved) < 2:
        raise ValueError(
            f"expected maps of at least 2 items, which make a pair, got {len(retrieved)}"
        )
    true_pairs, found_pairs = _unordered_pairs(ground_truth), _unordered_pairs(retrieved)
    pairs = len(retrieved) * (len(retrieved) - 1) // 2
    right = len(true_pairs & found_pairs)
    either = len(true_pairs | found_pairs)
    # One entry a class: pairs that are no duplicates, pairs that are.
    correct = np.array([pairs - either, right])
    predicted = np.array([pairs - len(found_pairs), len(found_pairs)])
    support = np.array([pairs - len(true_pairs), len(true_pairs)])
    return {
        "precision": _ratio(correct, predicted),
        "recall": _ratio(correct, support),
        "f1_score": _ratio(2 * correct, predicted + support),
        "support": support,
    }


def _unordered_pairs(duplicates: DuplicateMap) -> set[frozenset[Hashable]]:
    return {
        frozenset((key, value))
        for key, values in duplicates.items()
        for value in values
        if key != value
    }


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return part / np.maximum(whole, 1)
