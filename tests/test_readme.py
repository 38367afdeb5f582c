"""The table of methods in README is that of the code."""

from pathlib import Path

import pytest

from jaxdedup.duplicates import check_threshold
from jaxdedup.encoding import METHODS, Bits, Method, Recipe

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in README.partition("## Methods")[2].partition("\n\nThe bits")[0].splitlines()
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
