"""Encoding and searching on a cluster equals one process, whatever goes away meanwhile."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
import ray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from jaxdedup.encoding import METHODS, Encodings, Origin, Recipe, load, save
from jaxdedup.encoding import encode as encode_here
from jaxdedup.integrations.ray import encode, find_matches, groups
from jaxdedup.loading import Archive
from jaxdedup.runtime import core_count
from jaxdedup.search import cosine_pairs, hamming_pairs

from .conftest import Nodes
from .shards import Watched, picture, zips

pytestmark = pytest.mark.filterwarnings("default")  # those that Ray gives

RECIPE = Recipe(METHODS["dhash"])
FEATURES = replace(Recipe(METHODS["cnn"]).origin, count=16)


def here(items: Any) -> Encodings:
    return Encodings.collect(encode_here(items, RECIPE), RECIPE)


def in_thread(function: Callable[[], Any]) -> Callable[[], Any]:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()

    def result() -> Any:
        thread.join()
        return results[0]

    return result


def wait_until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)


def test_encoding_equals_one_process(nodes: Nodes, tmp_path: Path) -> None:
    paths = zips(tmp_path / "zips", 3)
    (tmp_path / "no.zip").write_text("no zip")
    failures = encode([*paths, tmp_path / "no.zip"], RECIPE, tmp_path / "rows", progress=False)
    assert list(failures) == [str(tmp_path / "no.zip")]
    expected = here(item for path in paths for item in Archive(path))
    rows = load(tmp_path / "rows")
    assert (rows, rows.failures, rows.origin) == (expected, expected.failures, RECIPE.origin)
    assert len(rows.failures) == 3


def test_a_column_of_parquet(nodes: Nodes, tmp_path: Path) -> None:
    table = {"id": ["a", "b"], "jpg": [picture(0), picture(1)], "thumbnail": [picture(2)] * 2}
    parquet.write_table(pyarrow.table(table), tmp_path / "images.parquet")
    parquet.write_table(pyarrow.table({"id": ["c"]}), tmp_path / "none.parquet")
    shards = [tmp_path / "images.parquet", tmp_path / "none.parquet"]
    named = {"column": "jpg", "key": "id"}
    failures = encode(shards, RECIPE, tmp_path / "rows", **named, progress=False)
    assert list(failures) == [str(shards[1])]
    assert "expected a column of bytes (none)" in failures[str(shards[1])]
    assert load(tmp_path / "rows") == here([("a", picture(0)), ("b", picture(1))])


def test_a_dataset(nodes: Nodes, tmp_path: Path) -> None:
    items = [(f"{number}.png", picture(number)) for number in range(6)] + [("bad.png", b"")]
    dataset = ray.data.from_items([{"id": key, "jpg": item} for key, item in items])
    dataset = dataset.repartition(3)
    named = {"column": "jpg", "key": "id"}
    for _ in range(2):  # the second run has nothing to do
        assert encode(dataset, RECIPE, tmp_path / "rows", **named, progress=False) == {}
        assert len(os.listdir(tmp_path / "rows")) == 3
    rows = load(tmp_path / "rows")
    assert dict(rows) == dict(here(items))
    assert rows.failures == {"bad.png": "is empty"}
    wrong = encode(dataset, RECIPE, tmp_path / "no", column="png", key="id", progress=False)
    assert set(wrong.values()) == {"expected a column 'png', got ['id', 'jpg']"}
    with pytest.raises(ValueError, match="expected column and key of a dataset, got None and None"):
        encode(dataset, RECIPE, tmp_path / "no")


def test_what_is_there_is_not_encoded_again(nodes: Nodes, tmp_path: Path) -> None:
    shards = {f"{n}": Watched(tmp_path, n, waits=False) for n in range(3)}
    rows = f"file://{tmp_path}/rows"
    encode(dict(list(shards.items())[:2]), RECIPE, rows, progress=False)
    encode(shards, RECIPE, rows, progress=False)
    assert [shard.times_read() for shard in shards.values()] == [1, 1, 1]
    assert len(load(tmp_path / "rows")) == 12


def test_a_task_knows_its_cores(nodes: Nodes) -> None:
    assert ray.get(ray.remote(num_cpus=1)(core_count).remote()) == 1


def test_blocks_without_rows(nodes: Nodes, tmp_path: Path) -> None:
    nothing = np.zeros((0, 16), np.float32)
    (tmp_path / "rows").mkdir()
    save(tmp_path / "rows" / "0.parquet", Encodings([], nothing, FEATURES, {"a": "is empty"}))
    assert find_matches(tmp_path / "rows", tmp_path / "matches", progress=False) == {}
    assert groups(tmp_path / "rows", tmp_path / "matches").num_rows == 0


def test_a_node_that_goes_away_while_it_encodes(nodes: Nodes, tmp_path: Path) -> None:
    shards = {f"{n}": Watched(tmp_path, n) for n in range(4)}
    result = in_thread(lambda: encode(shards, RECIPE, tmp_path / "rows", progress=False))
    wait_until(lambda: sum(shard.times_read() for shard in shards.values()) == 2)
    nodes.replace_one()
    (tmp_path / "go").touch()
    assert result() == {}
    assert sum(shard.times_read() for shard in shards.values()) == 5
    assert load(tmp_path / "rows") == here(item for shard in shards.values() for item in shard)


DRIVER = """
import sys, ray
from pathlib import Path
from jaxdedup.encoding import METHODS, Recipe
from jaxdedup.integrations.ray import encode
from tests.integrations.shards import Watched
ray.init(sys.argv[1])
folder = Path(sys.argv[2])
shards = {f"{n}": Watched(folder, n, waits=n > 1) for n in range(4)}
encode(shards, Recipe(METHODS["dhash"]), folder / "rows")
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_driver_that_is_stopped_and_started_again(
    how: signal.Signals, nodes: Nodes, tmp_path: Path
) -> None:
    arguments = [sys.executable, "-c", DRIVER, nodes.cluster.address, str(tmp_path)]
    driver = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    shards = {f"{n}": Watched(tmp_path, n, waits=n > 1) for n in range(4)}
    wait_until(lambda: shards["2"].times_read() + shards["3"].times_read() == 2)
    driver.send_signal(how)
    assert driver.wait() != 0
    rows = tmp_path / "rows"
    assert len([name for name in os.listdir(rows) if name.endswith(".parquet")]) == 2
    (tmp_path / "go").touch()
    assert encode(shards, RECIPE, rows, progress=False) == {}
    assert [shard.times_read() for shard in shards.values()] == [1, 1, 2, 2]
    assert load(rows) == here(item for shard in shards.values() for item in shard)


def near_rows(count: int, width: int, dtype: Any = np.uint8) -> np.ndarray:
    """Rows of which some are near, and some equal."""
    rng = np.random.default_rng(width)
    if dtype == np.float32:
        rows = rng.standard_normal((count, width), np.float32)
        rows[1::3] = rows[0] + rng.standard_normal((len(rows[1::3]), width), np.float32) / 4
        rows[7] = 0
    else:
        rows = rng.integers(0, 256, (count, width), np.uint8)
        rows[1::3, 1:] = rows[rng.integers(0, 9, len(rows[1::3])), 1:]
    rows[::5] = rows[rng.integers(0, count, len(rows[::5]))]
    return rows


def stored(folder: Path, rows: np.ndarray, origin: Origin, shards: int = 3) -> Path:
    folder.mkdir()
    for number, part in enumerate(np.array_split(rows, shards)):
        names = [f"{number}/{place}" for place in range(len(part))]
        shard = Encodings(names, part, origin, {f"{number}/bad": "is empty"})
        save(folder / f"{number}.parquet", shard)
    return folder


def numbers(rows: np.ndarray, shards: int = 3) -> np.ndarray:
    """The numbers of rows in a folder in which each shard ends with a failure."""
    parts = np.array_split(np.arange(len(rows)), shards)
    return np.concatenate([part + number for number, part in enumerate(parts)])


@pytest.mark.parametrize("kind", ["phash", "pdq", "cnn"])
def test_the_search_equals_one_process(kind: str, nodes: Nodes, tmp_path: Path) -> None:
    if kind == "cnn":
        origin, threshold, rows = FEATURES, 0.8, near_rows(300, 16, np.float32)
        expected = cosine_pairs(rows, min_similarity=threshold)
    else:
        origin, threshold = Recipe(METHODS[kind]).origin, {"phash": 10, "pdq": 31}[kind]
        rows = near_rows(300, origin.row.width)
        expected = hamming_pairs(rows, max_distance=threshold)
    folder = stored(tmp_path / "rows", rows, origin)
    block = {"block_bytes": 130 * rows[0].nbytes, "progress": False}
    assert find_matches(folder, tmp_path / "all", threshold=threshold, **block) == {}
    table = parquet.read_table(tmp_path / "all").sort_by([("i", "ascending"), ("j", "ascending")])
    where = numbers(rows)
    wanted = [where[expected.i], where[expected.j], expected[2]]
    for column, values in zip(table.columns, wanted, strict=True):
        np.testing.assert_array_equal(column.to_numpy(), values)

    find_matches(folder, tmp_path / "few", threshold=threshold, copies=False, **block)
    assert parquet.read_table(tmp_path / "few").num_rows < len(expected.i)
    joined = coo_matrix((np.ones(len(wanted[0])), wanted[:2]), (len(rows) + 3,) * 2)
    label = connected_components(joined, directed=False)[1]
    members = [np.flatnonzero(label == one) for one in np.unique(label)]
    keys = np.empty(len(rows) + 3, object)
    keys[where] = list(load(folder).names)
    expected_groups = [(int(g[0]), keys[g].tolist()) for g in members if len(g) > 1]
    for matches in ("all", "few"):
        table = groups(folder, tmp_path / matches)
        found: dict[int, list[str]] = {}
        for key, group in zip(*table.to_pydict().values(), strict=True):
            found.setdefault(group, []).append(key)
        assert list(found.items()) == sorted(expected_groups)


def test_a_node_that_goes_away_while_it_searches(nodes: Nodes, tmp_path: Path) -> None:
    rows = near_rows(2000, 8)
    folder = stored(tmp_path / "rows", rows, Recipe(METHODS["phash"]).origin)
    matches = tmp_path / "matches"
    search = {"block_bytes": 8 * 100, "progress": False}
    result = in_thread(lambda: find_matches(folder, matches, **search))
    wait_until(lambda: matches.exists() and len(os.listdir(matches)) > 9)
    nodes.replace_one()
    assert result() == {}
    expected = hamming_pairs(rows)
    table = parquet.read_table(matches).sort_by([("i", "ascending"), ("j", "ascending")])
    np.testing.assert_array_equal(table["i"].to_numpy(), numbers(rows)[expected.i])
    np.testing.assert_array_equal(table["j"].to_numpy(), numbers(rows)[expected.j])

    # What is there is not searched again, and what is not there is told of.
    names = sorted(os.listdir(matches))
    before = {name: (matches / name).stat().st_mtime_ns for name in names}
    (matches / names[3]).unlink()
    with pytest.raises(ValueError, match=rf"expected {len(names)} files of matches"):
        groups(folder, matches)
    find_matches(folder, matches, **search)
    after = {name: (matches / name).stat().st_mtime_ns for name in names}
    assert [name for name in names if before[name] != after[name]] == [names[3]]


def test_too_many_pairs_are_refused(nodes: Nodes, tmp_path: Path) -> None:
    folder = stored(tmp_path / "rows", np.zeros((30, 8), np.uint8), Recipe(METHODS["phash"]).origin)
    failures = find_matches(folder, tmp_path / "matches", max_pairs=100, progress=False)
    assert "at most max_pairs=100 pairs of two blocks" in failures["000000-000000.parquet"]
    assert find_matches(folder, tmp_path / "few", copies=False, max_pairs=29, progress=False) == {}


def test_folders_of_other_runs_are_refused(nodes: Nodes, tmp_path: Path) -> None:
    origin = Recipe(METHODS["phash"]).origin
    rows = stored(tmp_path / "rows", near_rows(9, 8), origin)
    matches = tmp_path / "matches"
    find_matches(rows, matches, progress=False)
    with pytest.raises(ValueError, match="threshold 4, got 10"):
        find_matches(rows, matches, threshold=4, progress=False)
    save(rows / "3.parquet", Encodings(["new"], np.zeros((1, 8), np.uint8), origin))
    for call in (find_matches, groups):
        with pytest.raises(ValueError, match=r"expected matches in .* of rows \w+, got \w+"):
            call(rows, matches)
    save(rows / "4.parquet", Encodings(["x"], np.zeros((1, 8), np.uint8), RECIPE.origin))
    with pytest.raises(ValueError, match=r"'0.parquet' and '4.parquet' .* phash, got dhash"):
        find_matches(rows, tmp_path / "other")
    shard = {"a": Watched(tmp_path, 0, waits=False)}
    encode(shard, RECIPE, tmp_path / "mine", progress=False)
    with pytest.raises(ValueError, match=r"not made in one way: expected method phash, got dhash"):
        encode(shard, Recipe(METHODS["phash"]), tmp_path / "mine", progress=False)
    with pytest.raises(ValueError, match=r"expected shards of 'b', … in .*, got 'a-.* another run"):
        encode({"b": []}, RECIPE, tmp_path / "mine", progress=False)


def test_bad_arguments(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"expected several shards, got the path 'a\.tar'"):
        encode("a.tar", RECIPE, tmp_path)
    with pytest.raises(ValueError, match="expected at least one shard, got none"):
        encode([], RECIPE, tmp_path)
    with pytest.raises(ValueError, match=r"expected shards in .*, got none"):
        find_matches(tmp_path, tmp_path / "matches")
    save(tmp_path / "a.parquet", Encodings([], np.zeros((0, 8), np.uint8), RECIPE.origin))
    with pytest.raises(ValueError, match=r"expected rows in .*, got none"):
        find_matches(tmp_path, tmp_path / "matches")
    (tmp_path / "a.parquet").write_text("no Parquet")
    with pytest.raises(ValueError, match=r"expected Parquet in .*/a\.parquet"):
        find_matches(tmp_path, tmp_path / "matches")


def test_the_program_of_the_page(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).parents[2] / "docs" / "clusters.md"
    _, program, *_ = page.read_text().split("```")
    zips(tmp_path / "shards", 3)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(program.removeprefix("python"), names)
    assert names["failed"] == {}
    groups_of = names["duplicates"].to_pydict()
    assert groups_of["key"] == ["0/3.png", "1/0.png", "1/3.png", "2/0.png"]
    assert groups_of["group"] == [3, 3, 8, 8]
