"""What README, the pages and CHANGELOG say of the code is so. Their blocks: ``make test-docs``."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import jaxdedup
from jaxdedup.duplicates import check_threshold
from jaxdedup.encoding import METHODS, Bits, Method, Recipe

from .test_conventions import BELOW, ROOMS

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
    assert pages >= {"jaxdedup", *(f"jaxdedup.{room}" for room in {*ROOMS} - BELOW)}


README = (ROOT / "README.md").read_text("utf-8")


def test_readme_is_short() -> None:
    assert len(README.splitlines()) <= 200


def measured() -> Iterator[float]:
    """What the benchmarks found of what README's table tells, in its order."""

    def found(name: str, column: str, **row: object) -> float:
        results = json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text("utf-8"))
        rows = results["rows"] if isinstance(results, dict) else results
        return next(r[column] for r in rows if row.items() <= r.items())

    for job in ("1 image", "1,000 mixed", "2,000 of 640x480"):
        for contestant in ("jaxdedup", "imagededup"):
            yield found("first_use", "wall_s", job=job, method="PHash", contestant=contestant)
    for contestant in ("jaxdedup", "Pillow + SciPy"):
        row = {"images": "32×480×640×3", "method": "phash", "contestant": contestant}
        yield found("hash_arrays", "ms_per_image", **row)
    for contestant in ("jaxdedup", "imagededup"):
        yield found("find_duplicates", "seconds", count=20_000, contestant=contestant)
    for engine in ("jaxdedup", "faiss"):
        yield found("search", "again", task="hamming", engine=engine, count=100_000)


def test_figures_of_readme_are_measured() -> None:
    shown = re.findall(r"\b(\d+(?:\.(\d+))?) m?s(?= \|)", README)
    assert [text for text, _ in shown] == [
        f"{value:.{len(decimals)}f}" for value, (_, decimals) in zip(measured(), shown, strict=True)
    ]
