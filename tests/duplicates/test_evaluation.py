"""evaluate against stored results of imagededup's."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxdedup.evaluation import evaluate

CASES = json.loads((Path(__file__).parents[1] / "data" / "evaluation.json").read_text())["cases"]
BY_CLASS = ("precision", "recall", "f1_score", "support")


@pytest.mark.parametrize("number", range(len(CASES)))
def test_equals_imagededup(number: int) -> None:
    case = CASES[number]
    truth, retrieved, expected = case["truth"], case["retrieved"], case["expected"]
    found = evaluate(truth, retrieved)
    assert list(found) == ["map", "ndcg", "jaccard", *BY_CLASS]
    for name in ("map", "ndcg", "jaccard"):
        assert found[name] == pytest.approx(expected[name], abs=1e-12)
        assert evaluate(truth, retrieved, name.upper()) == {name: found[name]}
    everything_is_a_duplicate = all(
        len(values) == len(truth) - 1 for m in (truth, retrieved) for values in m.values()
    )
    for name in BY_CLASS:
        values = expected[name]
        if len(values) == 1:  # imagededup leaves out a class that occurs in neither map
            values = [0, *values] if everything_is_a_duplicate else [*values, 0]
        np.testing.assert_allclose(found[name], values, atol=1e-12)
    assert list(evaluate(truth, retrieved, "classification")) == list(BY_CLASS)


def test_keys_may_be_any_hashable() -> None:
    duplicates = {(1, 2): [frozenset()], frozenset(): [(1, 2)], None: []}
    assert evaluate(duplicates, duplicates, "map") == {"map": 1.0}


GOOD = {"a": ["b"], "b": ["a"], "c": []}
MISTAKES = [
    (GOOD, GOOD, "mrr", "expected metric to be one of 'map', .*, got 'mrr'"),
    (GOOD, {"a": ["b"], "b": [], "c": []}, "all", "retrieved_map to be symmetric, got 'b'"),
    ({"a": ["b"], "b": [], "c": []}, GOOD, "all", "ground_truth_map to be symmetric"),
    (GOOD, {"a": ["d"], "b": [], "c": []}, "map", "retrieved_map to be a key, got 'd' for 'a'"),
    (GOOD, {"a": ["b"], "b": ["a"]}, "all", "the same keys, got 1 in just one: 'c'"),
    (GOOD, {"a": [("b", 3)], "b": [("a", 3)], "c": []}, "all", r"a key, got \('b', 3\)"),
    ({}, {}, "all", "at least one item, got none"),
    ({"a": []}, {"a": []}, "classification", "at least 2 items, which make a pair, got 1"),
]


@pytest.mark.parametrize("wrong", [3, {"a": 3}, ["a"]])
def test_what_is_no_map(wrong: Any) -> None:
    for maps in ((wrong, GOOD), (GOOD, wrong)):
        with pytest.raises(TypeError, match=r"^expected .*names.*, got "):
            evaluate(*maps)


@pytest.mark.parametrize(("truth", "retrieved", "metric", "message"), MISTAKES)
def test_mistakes(truth: dict, retrieved: dict, metric: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(truth, retrieved, metric)
