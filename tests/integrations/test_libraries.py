"""The programs of docs/integrations.md give what one process gives, row for row."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet as parquet
import pytest

from jaxdedup.encoding import METHODS, Recipe, encode, from_arrow
from jaxdedup.integrations import encode_table

from .shards import picture

PAGE = Path(__file__).parents[2] / "docs" / "integrations.md"
RECIPE = Recipe(METHODS["phash"])
ITEMS = [(f"{number}.png", picture(number)) for number in range(9)] + [("bad.png", b"no image")]
EXPECTED = [
    {"key": key, "row": None if row is None else row.tobytes(), "failure": failure}
    for key, row, failure, _ in encode(ITEMS, RECIPE)
]
EXPECTED.sort(key=lambda row: str(row["key"]))


INTRODUCTION, *SECTIONS = PAGE.read_text().split("\n## ")
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
BEGINNING = BLOCK.findall(INTRODUCTION)[-1]
PROGRAMS = {
    f"{section.splitlines()[0]} {number}": BEGINNING + program
    for section in SECTIONS
    for number, program in enumerate(BLOCK.findall(section), 1)
}
NOTED = """
if __name__ == "__main__":
    rows = result.with_format(None) if hasattr(result, "with_format") else result
    rows = [{name: row[name] for name in ("key", "row", "failure")} for row in rows]
    print(sorted(rows, key=lambda row: row["key"]))
"""


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("records")
    columns = {"key": [key for key, _ in ITEMS], "image": [image for _, image in ITEMS]}
    parquet.write_table(pyarrow.table(columns), folder / "records.parquet")
    return folder


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str, records: Path) -> None:
    (records / "program.py").write_text(PROGRAMS[name] + NOTED)
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=records,
        env={**os.environ, "PYSPARK_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(EXPECTED)


def test_tables() -> None:
    columns = {"id": [3, 1, 2, 0], "jpg": [ITEMS[3][1], None, b"no image", ITEMS[0][1]]}
    table = encode_table(pyarrow.table(columns), RECIPE, key="id", image="jpg")
    assert table["key"].to_pylist() == columns["id"]
    reasons = [None, "is empty", "is not an image of a known format", None]
    assert table["failure"].to_pylist() == reasons
    by_key = {row["key"]: row["row"] for row in EXPECTED}
    rows = table["row"].to_pylist()
    assert rows == [by_key["3.png"], None, None, by_key["0.png"]]
    named = table.set_column(0, "key", pyarrow.array(["a", "b", "c", "d"]))
    for lost, origin in ((named, None), (named.replace_schema_metadata(None), RECIPE.origin)):
        encodings = from_arrow(lost, origin)
        assert encodings["d"] == by_key["0.png"].hex()
        assert list(encodings.failures) == ["b", "c"]
    with pytest.raises(ValueError, match="does not say what made them"):
        from_arrow(named.replace_schema_metadata(None))


def test_quality_is_a_column_more() -> None:
    recipe = Recipe(METHODS["pdq"])
    expected = {key: quality for key, _, _, quality in encode(ITEMS[-3:], recipe)}
    columns = {"key": [key for key, _ in ITEMS[-3:]], "image": [item for _, item in ITEMS[-3:]]}
    table = encode_table(pyarrow.table(columns), recipe)
    assert table["quality"].to_pylist() == [expected[key] for key in columns["key"]]
    assert expected["bad.png"] is None
    assert from_arrow(table).quality.tolist() == [expected[key] for key in columns["key"][:2]]


def test_hugging_face_images(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(ITEMS[0][1])
    images = [{"bytes": ITEMS[0][1], "path": "gone.png"}]
    images += [{"bytes": None, "path": str(tmp_path / "0.png")}]
    table = encode_table(pyarrow.table({"key": ["a", "b"], "image": images}), RECIPE)
    assert len(set(table["row"].to_pylist())) == 1
    assert table["failure"].to_pylist() == [None, None]


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        ({"key": [1]}, ValueError, r"expected a column 'image', got \['key'\]"),
        ({"key": [1], "image": [7]}, TypeError, "expected images as bytes or paths, got int64"),
    ],
)
def test_bad_tables(columns: dict[str, list[int]], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        encode_table(pyarrow.table(columns), RECIPE)


FORKED = """
import jax, jax.numpy as jnp
from torch.utils.data import DataLoader
jnp.zeros(1).block_until_ready()
workers = {"num_workers": 1, "multiprocessing_context": "fork"}
records = [{"key": "a", "image": b""}]
collate = lambda records: encode_batch(pa.Table.from_pylist(records))
list(DataLoader(records, collate_fn=collate, **workers))
"""


def test_a_forked_worker_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BEGINNING + FORKED], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "expected a process of its own: this one was forked" in done.stderr
