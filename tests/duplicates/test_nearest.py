"""find_nearest against a stable sort of all distances, of turned images too."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from jaxdedup.duplicates import find_matches, find_nearest, iter_pairs
from jaxdedup.encoding import INVERSE_TURNS, METHODS, TURNS, Encodings, Recipe, oriented
from tests.stored import features_of, origin_of

NAMES = [f"{n}.png" for n in range(40)]


def random_rows(count: int, seed: int) -> np.ndarray:
    """Few bits, so that many distances are equal."""
    return np.random.default_rng(seed).integers(0, 2, (count, 8), np.uint8)


@pytest.mark.parametrize("orientations", ["none", "mirrors", "all"])
def test_the_nearest_of_all_turns(orientations: str) -> None:
    origin = Recipe(oriented(METHODS["phash"], orientations)).origin
    turns, upright = origin.row.rows, origin_of("phash")
    rows, corpus = random_rows(12 * turns, 0), random_rows(40, 1)
    each = np.bitwise_count(rows[:, None] ^ corpus).sum(-1).reshape(12, turns, 40)
    queries = Encodings(NAMES[:12], rows.reshape(12, -1), origin)
    others = Encodings(NAMES, corpus, upright)
    for k in (1, 7, 40):
        found = find_nearest(queries, others, k=k).to_dict(scores=True)
        for query, distances in zip(NAMES, each, strict=False):
            nearest = distances.min(axis=0)
            order = np.argsort(nearest, kind="stable")[:k]
            assert [name for name, *_ in found[query]] == [NAMES[n] for n in order]
            assert [score for _, score, *_ in found[query]] == nearest[order].tolist()
            for place, (_, score, *turn) in zip(order, found[query], strict=True):
                back = INVERSE_TURNS[TURNS.index(turn[0])] if turn else 0
                assert distances[back, place] == score
                assert len(turn) == (turns > 1)
    wanted = find_matches(queries, others, threshold=2).to_dict(scores=True)
    assert find_nearest(queries, others, threshold=2).to_dict(scores=True) == wanted


SEARCHES: dict[str, Callable[[Any, Any], object]] = {
    "matches": find_matches,
    "the nearest": lambda encodings, corpus: find_nearest(encodings, corpus, k=1),
    "all that are near": lambda encodings, corpus: find_nearest(encodings, corpus, threshold=0.5),
}
GOOD = features_of({"good": [1, 2], "too": [2, 1]})
BAD = Encodings(["a", "bad"], np.float32([[1, 2], [0, np.nan]]), GOOD.origin)


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("sides", [(BAD, GOOD), (GOOD, BAD)], ids=["queries", "corpus"])
def test_features_that_are_not_finite_are_named(search: str, sides: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError, match="expected finite features for 'bad', got NaN"):
        SEARCHES[search](*sides)


@pytest.mark.parametrize("search", [*SEARCHES, "pairs"])
@pytest.mark.parametrize("sides", [({}, GOOD), (GOOD, {})], ids=["queries", "corpus"])
def test_a_dict_does_not_say_what_made_it(search: str, sides: tuple[Any, Any]) -> None:
    call = (SEARCHES | {"pairs": lambda *sides: [iter_pairs(side) for side in sides]})[search]
    with pytest.raises(TypeError, match=r"expected Encodings, got dict: Encodings\.from_map"):
        call(*sides)


def test_features_nearest_first() -> None:
    corpus = features_of({"a": [1, 0], "b": [0, 1], "c": [-1, 0], "d": [0, 2]})
    new = features_of({"x": [3, 4], "y": [-1, -1]})
    assert find_nearest(new, corpus, k=2).to_dict() == {"x": ["b", "d"], "y": ["c", "a"]}
    assert find_nearest(new, corpus, threshold=0.7).to_dict() == {"x": ["b", "d"], "y": ["c"]}
