"""What README, the pages and CHANGELOG say of the code is so. Their blocks: ``make test-docs``."""

import re
from pathlib import Path

import pytest

import jaxdedup
from jaxdedup.duplicates import check_threshold
from jaxdedup.encoding import METHODS, Bits, Method, Recipe

from .test_conventions import ROOMS

ROOT = Path(__file__).parents[1]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "methods.md").read_text("utf-8").splitlines()
    if line.startswith("| `") and "equals" not in line
]


def test_every_method_has_its_row() -> None:
    assert [row[0] for row in ROWS] == [f"`{name}`" for name in METHODS]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_bits_sizes_and_thresholds(row: list[str]) -> None:
    method: Method = METHODS[row[0].strip("`")]
    unit = "" if isinstance(method.row, Bits) else " floats"
    size = "×".join(map(str, method.size)) if method.size else "as it is"
    threshold = check_threshold(Recipe(method).origin)
    assert row[2:5] == [f"{method.row.count}{unit}", size, str(threshold)]


def test_the_newest_changes_are_those_of_this_version() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    newest = re.search(r"^## \[(.*?)\]", changes, re.MULTILINE)
    assert newest
    assert newest[1] == jaxdedup.__version__


def test_every_room_has_its_page() -> None:
    pages = {path.stem for path in (ROOT / "docs" / "api").glob("jaxdedup*.md")}
    assert pages >= {"jaxdedup", *(f"jaxdedup.{room}" for room in {*ROOMS} - {"runtime"})}


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 200
