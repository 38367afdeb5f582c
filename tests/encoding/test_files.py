"""Encodings in files: what is written is read, damage is named, and a file is whole."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from jaxdedup import __version__
from jaxdedup.encoding import load, save
from jaxdedup.runtime import write_whole
from tests.stored import features_of, hashes_of

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


@pytest.mark.parametrize("suffix", [".json", ".npz", ".parquet"])
def test_nothing(suffix: str, tmp_path: Path) -> None:
    nothing = hashes_of({})
    save(tmp_path / f"nothing{suffix}", nothing)
    assert load(tmp_path / f"nothing{suffix}") == nothing


def test_json_is_plain(tmp_path: Path) -> None:
    save(tmp_path / "hashes.json", HASHES)
    document = json.loads((tmp_path / "hashes.json").read_text())
    origin = document["origin"]
    assert (origin["method"], origin["profile"], origin["count"]) == ("phash", "pillow9", 64)
    assert origin["version"] == __version__
    assert document["encodings"] == dict(HASHES)


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


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("damage", ["empty", "text", "half"])
def test_damaged(suffix: str, damage: str, tmp_path: Path) -> None:
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
