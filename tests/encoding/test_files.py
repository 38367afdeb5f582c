"""Encodings in files: what is written is read, damage is named, and a file is whole."""

import csv
import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest

from jaxdedup import __version__
from jaxdedup.encoding import METHODS, Encodings, Origin, Recipe, from_arrow, load, save, to_arrow
from jaxdedup.runtime import write_whole
from tests.stored import features_of, hashes_of, origin_of

SUFFIXES = [".json", ".csv", ".npz", ".parquet"]
NAMES = ["a.png", "sub/b.jpg", "ä 日本.png", 'quo"ted, comma', "line\nend", " space ", "=1+1"]
HASHES = hashes_of({n: f"{i:016x}" for i, n in enumerate(NAMES)}, profile="pillow9")
ROWS = np.random.default_rng(0).random((len(NAMES), 1, 12), np.float32)
FEATURES = features_of(dict(zip(NAMES, ROWS, strict=True)))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_hashes(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"hashes{suffix.upper()}"
    save(path, HASHES)
    assert load(path) == HASHES
    assert load(str(path)).origin == HASHES.origin
    assert HASHES.origin.version == __version__
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", [".json", ".csv", ".npz"])
def test_names_that_are_not_utf8(suffix: str, tmp_path: Path) -> None:
    odd = hashes_of({os.fsdecode(b"caf\xe9\xff"): "0" * 16}, "ahash")
    save(tmp_path / f"odd{suffix}", odd)
    assert load(tmp_path / f"odd{suffix}") == odd


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_features(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"features{suffix}"
    save(path, FEATURES)
    stored = load(path)
    assert stored.origin == FEATURES.origin
    assert list(stored) == NAMES
    for name, row in stored.items():
        assert row.dtype == np.float32
        np.testing.assert_array_equal(row, FEATURES[name])


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_float16(suffix: str, tmp_path: Path) -> None:
    """Half the room, NumPy's float16 of each number, and every cosine within 0.001."""
    rng = np.random.default_rng(1)
    rows = np.maximum(rng.normal(size=(80, 1024)), 0).astype(np.float32)
    rows[:40] *= np.geomspace(1e-2, 1e4, 40, dtype=np.float32)[:, None]
    rows[40:60] = 1 + 2.0**-11  # half way between two of float16's
    rows[60] = 0
    features = features_of({f"{i}.jpg": row for i, row in enumerate(rows)})
    for float16 in (False, True):
        save(tmp_path / f"{float16}{suffix}", features, float16=float16)
    whole, half = ((tmp_path / f"{f}{suffix}").stat().st_size for f in (False, True))
    assert half < 0.6 * whole
    loaded = load(tmp_path / f"True{suffix}").rows
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, rows.astype(np.float16))

    def cosines(rows: np.ndarray) -> np.ndarray:
        unit = rows / np.maximum(np.linalg.norm(rows.astype(np.float64), axis=1), 1e-9)[:, None]
        return unit @ unit.T

    assert np.abs(cosines(loaded) - cosines(rows)).max() < 0.001


@pytest.mark.parametrize("value", [1e5, 1e-7], ids=["too large", "too small"])
def test_float16_keeps_its_bound(value: float, tmp_path: Path) -> None:
    features = features_of({"a.jpg": [1.0, 2.0], "b.jpg": [value, 0.7 * value]})
    with pytest.raises(ValueError, match=r"features that float16 holds, got others for 'b\.jpg'"):
        save(tmp_path / "features.npz", features, float16=True)
    with pytest.raises(ValueError, match="expected features where float16 is asked for, got phash"):
        save(tmp_path / "hashes.npz", HASHES, float16=True)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("suffix", [".json", ".npz", ".parquet"])
def test_nothing(suffix: str, tmp_path: Path) -> None:
    nothing = hashes_of({})
    save(tmp_path / f"nothing{suffix}", nothing)
    assert load(tmp_path / f"nothing{suffix}") == nothing


def shards(folder: Path, *origins: Any) -> Path:
    for number, origin in enumerate(origins):
        failures = {f"bad {number}": "is empty"}
        save(
            folder / f"{number}.parquet",
            Encodings([f"a{number}"], HASHES.rows[[number]], origin, failures),
        )
    return folder


def test_a_folder_of_shards(tmp_path: Path) -> None:
    folder = shards(tmp_path, HASHES.origin, HASHES.origin)
    (folder / ".0.parquet").write_text("unfinished")
    whole = load(folder)
    assert dict(whole) == {"a0": "0" * 16, "a1": "0" * 15 + "1"}
    assert whole.failures == {"bad 0": "is empty", "bad 1": "is empty"}
    assert whole.origin == HASHES.origin


def test_shards_of_float16_and_with_quality(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    origin = Origin("cnn", (224, 224), 8, "pillow13", dtype="float32")
    for number in range(2):
        part = slice(2 * number, 2 * number + 2)
        names, quality = [f"{number}a", f"{number}b"], np.array([number, 100], np.uint8)
        shard = Encodings(names, rows[part], origin, {f"{number}c": "is empty"}, quality)
        save(tmp_path / f"{number}.parquet", shard, float16=True)
    whole = load(tmp_path)
    np.testing.assert_array_equal(whole.rows, rows.astype(np.float16))
    assert whole.quality is not None
    assert whole.quality.tolist() == [0, 100, 1, 100]
    save(tmp_path / "2.parquet", Encodings(["d"], rows[:1], origin))
    assert load(tmp_path).quality is None  # not told of all


@pytest.mark.parametrize("changed", [{"profile": "pillow6"}, {"version": "0.0.9"}])
def test_shards_that_do_not_go_together(changed: dict[str, str], tmp_path: Path) -> None:
    folder = shards(tmp_path, HASHES.origin, replace(HASHES.origin, **changed))
    (name, value), *_ = changed.items()
    with pytest.raises(ValueError, match=f"'0.parquet' and '1.parquet' .* {name} .*, got {value}"):
        load(folder)


def test_shards_with_a_name_twice_and_no_shards(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected \.parquet files in"):
        load(tmp_path)
    for name in ("a.parquet", "b.parquet"):
        save(tmp_path / name, HASHES)
    with pytest.raises(ValueError, match=r"each name once, got 'a\.png' twice"):
        load(tmp_path)


def test_json_is_plain(tmp_path: Path) -> None:
    save(tmp_path / "hashes.json", HASHES)
    document = json.loads((tmp_path / "hashes.json").read_text())
    origin = document["origin"]
    assert (origin["method"], origin["profile"], origin["count"]) == ("phash", "pillow9", 64)
    assert origin["version"] == __version__
    assert document["encodings"] == dict(HASHES)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("count", [1, 42, 64, 144, 256, 1024])
def test_hashes_of_any_width(suffix: str, count: int, tmp_path: Path) -> None:
    rows = np.random.default_rng(count).integers(0, 256, (3, -(-count // 8)), np.uint8)
    rows[:, 0] >>= -count % 8  # a hash is right-aligned
    origin = replace(HASHES.origin, method="mine", count=count, own=True)
    encodings = Encodings(["a", "b", "c"], rows, origin)
    assert encodings["b"] == rows[1].tobytes().hex()[-((count + 3) // 4) :]
    save(tmp_path / f"hashes{suffix}", encodings)
    loaded = load(tmp_path / f"hashes{suffix}")
    np.testing.assert_array_equal(loaded.rows, rows)
    assert (loaded, loaded.origin) == (encodings, encodings.origin)


def test_what_can_not_be_loaded_is_not_saved(tmp_path: Path) -> None:
    unseen = Encodings.from_map({"a": [1, 2]}, replace(FEATURES.origin, weights=None))
    wrong = [
        (hashes_of({7: "0" * 16}), "expected file names as keys, got 7"),
        (unseen, "expected no file for a model of your own"),
        (Encodings([], HASHES.rows[:0], replace(HASHES.origin, method="mine")), "got 'mine'"),
    ]
    with pytest.raises(TypeError, match=r"expected Encodings, got dict: .*from_map"):
        save(tmp_path / "wrong.npz", dict(HASHES))  # type: ignore[arg-type]
    for encodings, message in wrong:
        with pytest.raises(ValueError, match=message):
            save(tmp_path / "wrong.npz", encodings)
    with pytest.raises(ValueError, match=r"expected .json, .npz or .parquet for no encodings"):
        save(tmp_path / "nothing.csv", hashes_of({}))
    assert not os.listdir(tmp_path)


ORIGIN = HASHES.origin.to_dict()
UNSOUND: dict[str, tuple[Any, str]] = {
    "two of one name": ('{"origin": %s, "encodings": {"a": "00", "a": "01"}}', "'a' twice"),
    "another width": (
        '{"origin": %s, "encodings": {"a": "00"}}',
        "16 hex digits, got '00' for 'a'",
    ),
    "no digits": ('{"origin": %s, "encodings": {"a": [1, 2]}}', "something else than hex digits"),
    "no method": ('{"origin": {"size": [1, 1]}, "encodings": {}}', "lacks count, method, profile"),
    "unknown setting": (
        json.dumps({"origin": ORIGIN | {"gamma": 2}, "encodings": {}}),
        "has gamma",
    ),
    "a number for a name": (
        json.dumps({"origin": ORIGIN | {"method": 7}, "encodings": {}}),
        "method of what made the encodings is 7",
    ),
    "an early version": (
        '{"method": "phash", "profile": "pillow13", "version": "0.1.0", "encodings": {}}',
        "of an early version; encode the images again",
    ),
    "a list": ('{"origin": %s, "encodings": [1]}', "something else than hex digits of phash"),
    "no object": ("[1]", "it holds no object"),
    "no JSON": ('{"origin": %s,\n}', "no JSON from line 2, column 1 on"),
    "too deep": ("[" * 10**5, "it is no JSON"),
    "another program": ('{"a.png": "00"}', "does not say what made them"),
}


IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({"method": "foo"}, "expected a method among phash, .*, got 'foo'"),
    ({"method": "foo", "dtype": "float32"}, "a method of this version, got foo float32"),
    ({"dtype": "float64"}, "a method of this version, got phash float64"),
    ({"count": 256}, "expected count 64, got 256"),
    ({"count": None}, r"size and count of .* are \(32, 32\), None"),
    ({"size": [8, 8]}, r"expected size \(32, 32\), got \(8, 8\)"),
    ({"size": [0, 8], "own": True}, r"size and count of .* are \(0, 8\), 64"),
    ({"size": ["a"]}, r"size of what made the encodings is \('a',\)"),
    ({"size": 3}, "size of what made the encodings is 3"),
    ({"formats": "avif"}, "formats of what made the encodings is 'avif'"),
    ({"profile": "pillow99"}, "a profile among pillow13, .*, got 'pillow99'"),
    ({"range": "q"}, "expected range 'clip' or 'scale', got 'q'"),
    ({"background": "zz"}, "an opaque colour, .* got 'zz'"),
    ({"background": "#fff", "own": True}, "expected background #ffffff, got #fff"),
    ({"weights": "abc"}, "expected weights none, got abc"),
    ({"orientations": "half"}, "orientations of what made the encodings is 'half'"),
]
for changed, message in IMPOSSIBLE:
    text = json.dumps({"origin": ORIGIN | changed, "encodings": {}})
    UNSOUND[f"made by {changed}"] = text, message
for told, message in [
    ({"a": 300}, "expected quality 0 to 100 for 'a', got 300"),
    ({"a": "x"}, "expected quality 0 to 100 for 'a', got 'x'"),
    ({"a": True}, "expected quality 0 to 100 for 'a', got True"),
    ({"b": 3}, "something else than the quality of each of its images"),
    ([3], "something else than the quality of each of its images"),
]:
    text = json.dumps({"origin": ORIGIN, "encodings": {"a": "0" * 16}, "quality": told})
    UNSOUND[f"of quality {told}"] = text, message
for nothing in (None, [1], "phash", 7):
    text = json.dumps({"origin": nothing, "encodings": {}})
    UNSOUND[f"made by {nothing}"] = text, f"what made the encodings is {re.escape(repr(nothing))}"


@pytest.mark.parametrize("case", UNSOUND)
def test_unsound_files_are_refused(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, message = UNSOUND[case]
    monkeypatch.chdir(tmp_path)  # a long path would be cut short
    path = Path("hashes.json")
    path.write_text(text % json.dumps(ORIGIN) if "%s" in text else text)
    with pytest.raises(ValueError, match=f"expected encodings in .*hashes.json.*{message}"):
        load(path)


JSON = json.dumps(ORIGIN)
UNSOUND_TABLES: dict[str, tuple[list[list[Any]], str]] = {
    "no names": ([["encoding", "origin"], ["0" * 16, JSON]], "it lacks name"),
    "a short row": ([["name", "encoding", "origin"], ["a", "0" * 16]], "longer or shorter than"),
    "a long row": ([["name", "encoding"], ["a", "0" * 16, JSON]], "longer or shorter than"),
    "two origins": (
        [["name", "encoding", "origin"], ["a", "0" * 16, JSON], ["b", "0" * 16, JSON + " "]],
        "made in several ways",
    ),
    "an early version": (
        [["name", "encoding", "method", "version"], ["a", "0" * 16, "phash", "0.1.0"]],
        "of an early version",
    ),
    "no origin": ([["name", "encoding", "origin"], ["a", "0" * 16, "x"]], "no JSON from line 1"),
    "a field without end": ([["name"], ["a" * 200_000]], "it is no CSV"),
    "no quality": (
        [["name", "encoding", "origin", "quality"], ["a", "0" * 16, JSON, "good"]],
        "expected quality 0 to 100 for 'a', got 'good'",
    ),
}


@pytest.mark.parametrize("case", UNSOUND_TABLES)
def test_unsound_tables_of_text_are_refused(case: str, tmp_path: Path) -> None:
    lines, message = UNSOUND_TABLES[case]
    path = tmp_path / "hashes.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    with pytest.raises(ValueError, match=f"expected encodings in .*: .*{message}"):
        load(path)


SOUND = {
    "names": np.frombuffer(b"ab", np.uint8),
    "lengths": np.int32([1, 1]),
    "encodings": HASHES.rows[:2],
    "origin": np.array(JSON),
}
UNSOUND_ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "no hashes": ({"encodings": None}, "it lacks encodings"),
    "an early version": (
        {"origin": None, "method": np.array("phash"), "version": np.array("0.1.0")},
        "of an early version",
    ),
    "no UTF-8": ({"names": np.frombuffer(b"a\xff", np.uint8)}, "its names are no UTF-8"),
    "fractions": ({"lengths": np.ones(2)}, r"expected lengths of names, got float64\[2\]"),
    "a number": ({"encodings": np.uint8(7)}, r"expected rows \[2, 8\] of phash, got \[\]"),
    "text": ({"encodings": np.array(["0" * 16] * 2)}, "expected rows of phash as uint8, got <U16"),
    "text for a checksum's": ({"quality": np.array(["a", "b"])}, "quality as uint8, got <U1"),
    "another origin": ({"origin": np.float32([1, 2])}, "it is no JSON"),
    "higher bits": (
        {
            "origin": np.array(json.dumps(origin_of("imagehash-colorhash").to_dict())),
            "encodings": np.full((2, 6), 4, np.uint8),
        },
        "expected a hash of 42 bits for 'a', got a higher bit set",
    ),
}


@pytest.mark.parametrize("case", UNSOUND_ARRAYS)
@pytest.mark.parametrize("checksum", [{}, {"checksum": np.array("x")}], ids=["", "checksum"])
def test_unsound_arrays_are_refused(case: str, checksum: dict[str, Any], tmp_path: Path) -> None:
    changed, message = UNSOUND_ARRAYS[case]
    arrays = {name: array for name, array in (SOUND | changed).items() if array is not None}
    np.savez(tmp_path / "hashes.npz", **arrays, **checksum)
    with pytest.raises(ValueError, match=f"expected encodings in .*: .*{message}"):
        load(tmp_path / "hashes.npz")


BINARY = {
    ".npz": "it is no archive of NumPy's, or damaged",
    ".parquet": "it is no Parquet, or damaged",
}


@pytest.mark.parametrize("suffix", BINARY)
@pytest.mark.parametrize("damage", ["empty", "text", "array", "half"])
def test_what_is_no_binary_file_is_told_in_our_words(
    suffix: str, damage: str, tmp_path: Path
) -> None:
    path = tmp_path / f"hashes{suffix}"
    save(path, HASHES)
    half = path.read_bytes()[: path.stat().st_size // 2]
    with path.open("wb") as file:
        if damage == "array":
            np.save(file, HASHES.rows)
        else:
            file.write({"empty": b"", "text": b"not encodings\n", "half": half}[damage])
    with pytest.raises(ValueError, match=f"expected encodings in .*: {BINARY[suffix]}$"):
        load(path)


TABLE = to_arrow(HASHES).replace_schema_metadata({"origin": JSON})
UNSOUND_COLUMNS: dict[str, tuple[str, pyarrow.Array | None, str]] = {
    "no keys": ("key", None, r"expected one column 'key', got row, failure"),
    "a key that is null": ("key", pyarrow.array(["a", None]), "'key' as text, got None in row 1"),
    "keys that are no text": (
        "key",
        pyarrow.array([b"a", b"\xff"]).view(pyarrow.string()),
        "'key' as text, got no UTF-8",
    ),
    "numbers for failures": ("failure", pyarrow.array([0, 1]), "'failure' as text, got 0 in row"),
    "numbers for keys": ("key", pyarrow.array([0, 1]), "as text, got 0 in row 0"),
    "numbers for rows": ("row", pyarrow.array([0, 1]), "rows of 8 bytes each, got other int64"),
    "seven bytes": ("row", pyarrow.array([bytes(7)] * 2), "rows of 8 bytes each, got other binary"),
    "text for quality": ("quality", pyarrow.array(["a", "b"]), "quality as uint8, got object"),
}


@pytest.mark.parametrize("case", UNSOUND_COLUMNS)
def test_unsound_columns_are_refused(case: str) -> None:
    name, column, message = UNSOUND_COLUMNS[case]
    table = TABLE.slice(0, 2)
    if name in table.column_names:
        table = table.drop_columns(name)
    if column is not None:
        table = table.append_column(name, column)
    with pytest.raises((TypeError, ValueError), match=message):
        from_arrow(table)


def test_a_table_is_of_one_origin() -> None:
    assert from_arrow(TABLE, HASHES.origin) == HASHES
    with pytest.raises(ValueError, match="in another way: expected method dhash, got phash"):
        from_arrow(TABLE, origin_of("dhash", profile="pillow9"))
    with pytest.raises(TypeError, match=r"expected a pyarrow\.Table, got int"):
        from_arrow(3)
    lost = to_arrow(FEATURES).replace_schema_metadata(None)
    with pytest.raises(ValueError, match="an origin that has the count of the features, got None"):
        from_arrow(lost, replace(FEATURES.origin, count=None))


def test_a_checksum_vouches_for_an_array(tmp_path: Path) -> None:
    path = tmp_path / "hashes.npz"
    save(path, HASHES)
    with np.load(path) as file:
        arrays = dict(file)
    flipped = arrays | {"encodings": arrays["encodings"] ^ np.uint8(1)}
    twice = arrays | {"names": np.frombuffer(b"abab", np.uint8), "lengths": np.int32([2, 2])}
    twice["encodings"] = arrays["encodings"][:2]
    for wrong, message in [
        (flipped, "damaged: its checksum is another one"),
        (twice | {"checksum": np.array("x")}, "damaged"),
        ({k: v for k, v in twice.items() if k != "checksum"}, "each name once, got 'ab' twice"),
        (arrays | {"lengths": arrays["lengths"][1:]}, "do not go together"),
        (arrays | {"encodings": np.float32(arrays["encodings"])}, "as uint8, got float32"),
    ]:
        np.savez(path, **wrong)
        with pytest.raises(ValueError, match=message):
            load(path)
    np.savez(path, **{k: v for k, v in arrays.items() if k != "checksum"})
    assert load(path) == HASHES


@pytest.mark.parametrize("suffix", [".txt", "", ".npy"])
def test_unknown_suffix(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"hashes{suffix}"
    for call in (lambda: save(path, HASHES), lambda: load(path)):
        with pytest.raises(ValueError, match=r"ends in .json, .csv, .npz, .parquet, got"):
            call()
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_features_need_arrays(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected .npz or .parquet for the features of cnn"):
        save(tmp_path / f"features{suffix}", FEATURES)


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_a_checksum_vouches_for_text(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"hashes{suffix}"
    save(path, HASHES)
    content = path.read_text()
    for old, new in (("sub/b.jpg", "sub/c.jpg"), (f"{1:016x}", f"{3:016x}")):
        assert content.count(old) == 1
        path.write_text(content.replace(old, new))
        with pytest.raises(ValueError, match="damaged: its checksum is another one"):
            load(path)


@pytest.mark.parametrize("suffix", [".json", ".csv"])
@pytest.mark.parametrize("damage", ["empty", "text", "half"])
def test_damaged_text(suffix: str, damage: str, tmp_path: Path) -> None:
    path = tmp_path / f"hashes{suffix}"
    save(path, HASHES)
    content = path.read_bytes()
    damaged = {"empty": b"", "text": b"not encodings\n", "half": content[: len(content) // 2]}
    path.write_bytes(damaged[damage])
    with pytest.raises(ValueError, match="expected encodings in"):
        load(path)


def test_no_pickle_is_loaded(tmp_path: Path) -> None:
    names = np.array([object()])
    np.savez(tmp_path / "evil.npz", names=names, encodings=names, allow_pickle=True)
    with pytest.raises(ValueError, match="expected encodings in"):
        load(tmp_path / "evil.npz")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_whole_or_not_at_all(error: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write(file) -> None:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"  # what a kill now would leave
        raise error

    with pytest.raises(error):
        write_whole(path, write)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing.json")
    with pytest.raises(FileNotFoundError):
        save(tmp_path / "no" / "folder.json", HASHES)
    for call in (lambda: load(None), lambda: save(None, HASHES), lambda: write_whole(None, print)):
        with pytest.raises(TypeError, match="expected a path, got None"):
            call()


@pytest.mark.parametrize("suffix", [".json", ".npz", ".parquet"])
def test_no_encodings_with_quality(suffix: str, tmp_path: Path) -> None:
    recipe = Recipe(METHODS["pdq"])
    save(tmp_path / f"none{suffix}", Encodings.collect([], recipe))
    found = load(tmp_path / f"none{suffix}")
    assert (len(found), found.origin) == (0, recipe.origin)


def test_a_table_that_was_changed_needs_its_origin() -> None:
    some = to_arrow(FEATURES).slice(1)
    with pytest.raises(ValueError, match=r"was changed \(then give from_arrow its origin\)"):
        from_arrow(some)
    assert from_arrow(some, FEATURES.origin) == features_of(
        dict(zip(NAMES[1:], ROWS[1:], strict=True))
    )


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_no_features_of_a_network_that_has_not_told_how_many(suffix: str, tmp_path: Path) -> None:
    origin = replace(FEATURES.origin, count=None)
    none = Encodings([], np.zeros((0, 0), np.float32), origin, {"a": "is empty"})
    save(tmp_path / f"none{suffix}", none)
    found = load(tmp_path / f"none{suffix}")
    assert found == none
    assert found.failures == (none.failures if suffix == ".parquet" else {})


def test_keys_that_a_format_can_not_hold(tmp_path: Path) -> None:
    long = "a" * 200_000
    with pytest.raises(ValueError, match=r"at most 131,072 characters in \.csv, got aaa"):
        save(tmp_path / "long.csv", hashes_of({"b": "0" * 16, long: "0" * 16}))
    failures = Encodings(["a"], HASHES.rows[:1], HASHES.origin, {7: "is empty"})
    with pytest.raises(ValueError, match="expected file names as keys, got 7"):
        save(tmp_path / "failures.parquet", failures)
    assert not os.listdir(tmp_path)
