"""Groups against SciPy's connected components, and lists of neighbours."""

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components as scipy_components

from jaxdedup.search import (
    CosinePairs,
    HammingPairs,
    connected_components,
    groups,
    neighbours,
)


def pairs_of(i: np.ndarray, j: np.ndarray) -> HammingPairs:
    smaller, larger = np.minimum(i, j).astype(np.int32), np.maximum(i, j).astype(np.int32)
    return HammingPairs(smaller, larger, np.zeros(len(i), np.uint8))


def random_graph(count: int, edges: int) -> tuple[int, HammingPairs]:
    rng = np.random.default_rng(count + edges)
    return count, pairs_of(*rng.integers(0, count, (2, edges)))


def path(order: np.ndarray) -> tuple[int, HammingPairs]:
    return len(order), pairs_of(order[:-1], order[1:])


GRAPHS = {
    "nothing": (0, pairs_of(np.zeros(0), np.zeros(0))),
    "no pairs": (5, pairs_of(np.zeros(0), np.zeros(0))),
    "one pair": (2, pairs_of(np.array([0]), np.array([1]))),
    "sparse": random_graph(1000, 300),
    "about one edge an item": random_graph(1000, 1000),
    "dense": random_graph(100, 3000),
    "path": path(np.arange(5000)),
    "path backwards": path(np.arange(5000)[::-1]),
    "shuffled path": path(np.random.default_rng(0).permutation(20_000)),
    "star around the last": (300, pairs_of(np.full(299, 299), np.arange(299))),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_components_are_scipys(name: str) -> None:
    count, pairs = GRAPHS[name]
    label = connected_components(pairs, count)
    expected: dict[int, list[int]] = {}
    if count:
        graph = coo_array((np.ones(len(pairs.i)), (pairs.i, pairs.j)), shape=(count, count))
        for item, component in enumerate(scipy_components(graph, directed=False)[1]):
            expected.setdefault(component, []).append(item)
    for members in expected.values():
        np.testing.assert_array_equal(label[members], members[0])
    assert label.dtype == np.int32
    found = [group.tolist() for group in groups(pairs, count)]
    assert found == sorted(members for members in expected.values() if len(members) > 1)


def test_order_of_the_pairs_does_not_matter() -> None:
    count, pairs = GRAPHS["about one edge an item"]
    shuffled = np.random.default_rng(1).permutation(len(pairs.i))
    again = HammingPairs(*(column[shuffled] for column in pairs))
    np.testing.assert_array_equal(
        connected_components(pairs, count), connected_components(again, count)
    )


ENDS = np.array([0, 0, 1, 2], np.int32), np.array([1, 3, 3, 3], np.int32)
DISTANCES = HammingPairs(*ENDS, np.array([7, 2, 9, 2], np.uint8))
SIMILARITIES = CosinePairs(*ENDS, np.array([0.5, 0.9, 0.2, 0.9], np.float32))
LISTS = [
    (DISTANCES, {}, [[3, 1], [0, 3], [3], [0, 2, 1], []]),
    (DISTANCES, {"order": "index"}, [[1, 3], [0, 3], [3], [0, 1, 2], []]),
    (DISTANCES, {"both_ways": False}, [[3, 1], [3], [3], [], []]),
    (SIMILARITIES, {}, [[3, 1], [0, 3], [3], [0, 2, 1], []]),
    (SIMILARITIES, {"order": "index"}, [[1, 3], [0, 3], [3], [0, 1, 2], []]),
]


@pytest.mark.parametrize(("pairs", "options", "expected"), LISTS)
def test_neighbours(
    pairs: HammingPairs | CosinePairs, options: dict, expected: list[list[int]]
) -> None:
    near = neighbours(pairs, 5, **options)
    assert [part.tolist() for part in np.split(near.indices, near.starts[1:-1])] == expected
    score = {(i, j): s for i, j, s in zip(*(c.tolist() for c in pairs), strict=True)}
    rows = np.repeat(np.arange(5), np.diff(near.starts))
    for row, other, got in zip(
        rows.tolist(), near.indices.tolist(), near.score.tolist(), strict=True
    ):
        assert got == score[min(row, other), max(row, other)]


def test_unknown_order() -> None:
    with pytest.raises(ValueError, match="expected order 'score' or 'index', got 'name'"):
        neighbours(DISTANCES, 4, order="name")
