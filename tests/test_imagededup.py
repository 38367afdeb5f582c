"""imagededup's calls with only the import replaced, against what imagededup made of them."""

import json
import math
from typing import Any

import pytest

from tests.data.imagededup.make_results import HERE, outcomes, results, rows, small

STORED = json.loads((HERE / "results.json").read_text())
PAGE = {row[0]: row[1:3] for row in rows()}


@pytest.fixture(scope="module", autouse=True)
def _no_window() -> None:
    import matplotlib

    matplotlib.use("Agg")


def same(found: Any, expected: Any) -> bool:
    """Features and similarities are within Keras' rounding."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return found.keys() == expected.keys() and all(
            same(found[key], value) for key, value in expected.items()
        )
    if isinstance(expected, list) and isinstance(found, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, float):
        return math.isclose(found, expected, rel_tol=0, abs_tol=5e-5)
    return found == expected


def test_guides_and_notebooks() -> None:
    own = {"model": lambda images: images.reshape(len(images), -1), "transform": small}
    calls = results("jaxdedup", **own)
    for (call, found), expected in zip(calls, STORED["guides"], strict=True):
        assert same(found, expected), call


def test_the_page_is_what_the_packages_do() -> None:
    assert PAGE
    for call, ours in outcomes("jaxdedup"):
        theirs, told = PAGE[call]
        assert told == f"`{ours}`", call
        assert theirs in (f"`{STORED['page'][call]}`", "the file system's order"), call
        assert theirs != told, call
