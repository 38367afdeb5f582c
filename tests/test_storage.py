"""Encodings in files: what is written is read, damage is named, and a file is whole."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from jaxdedup import __version__
from jaxdedup.storage import StoredEncodings, load_encodings, save_encodings, write_whole

SUFFIXES = [".json", ".csv", ".npz", ".parquet"]
NAMES = ["a.png", "sub/b.jpg", "ä 日本.png", 'quo"ted, comma', "line\nend", " space ", "=1+1"]
HASHES = StoredEncodings({n: f"{i:016x}" for i, n in enumerate(NAMES)}, "phash", "pillow9")
ROWS = np.random.default_rng(0).random((len(NAMES), 1, 12), np.float32)
FEATURES = StoredEncodings(dict(zip(NAMES, ROWS, strict=True)), "cnn", "pillow13")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_hashes(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"hashes{suffix.upper()}"
    save_encodings(path, HASHES)
    assert load_encodings(path) == HASHES
    assert load_encodings(str(path)).version == __version__
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", [".json", ".csv", ".npz"])
def test_names_that_are_not_utf8(suffix: str, tmp_path: Path) -> None:
    odd = StoredEncodings({os.fsdecode(b"caf\xe9\xff"): "0" * 16}, "ahash", "pillow13")
    save_encodings(tmp_path / f"odd{suffix}", odd)
    assert load_encodings(tmp_path / f"odd{suffix}") == odd


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_features(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"features{suffix}"
    save_encodings(path, FEATURES)
    stored = load_encodings(path)
    assert stored[1:] == FEATURES[1:]
    assert list(stored.encodings) == NAMES
    for name, row in stored.encodings.items():
        assert row.dtype == np.float32
        np.testing.assert_array_equal(row, FEATURES.encodings[name])


@pytest.mark.parametrize("suffix", [".json", ".npz", ".parquet"])
def test_nothing(suffix: str, tmp_path: Path) -> None:
    nothing = StoredEncodings({}, "phash", "pillow13")
    save_encodings(tmp_path / f"nothing{suffix}", nothing)
    assert load_encodings(tmp_path / f"nothing{suffix}") == nothing


def test_json_is_plain(tmp_path: Path) -> None:
    save_encodings(tmp_path / "hashes.json", HASHES)
    document = json.loads((tmp_path / "hashes.json").read_text())
    origin = {"method": "phash", "profile": "pillow9", "version": __version__}
    assert document == {**origin, "encodings": HASHES.encodings}


@pytest.mark.parametrize("suffix", [".txt", "", ".npy"])
def test_unknown_suffix(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"hashes{suffix}"
    for call in (lambda: save_encodings(path, HASHES), lambda: load_encodings(path)):
        with pytest.raises(ValueError, match=r"ends in .json, .csv, .npz, .parquet, got"):
            call()
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_features_need_arrays(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected .npz or .parquet for the features of cnn"):
        save_encodings(tmp_path / f"features{suffix}", FEATURES)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("damage", ["empty", "text", "half"])
def test_damaged(suffix: str, damage: str, tmp_path: Path) -> None:
    path = tmp_path / f"hashes{suffix}"
    save_encodings(path, HASHES)
    content = path.read_bytes()
    damaged = {"empty": b"", "text": b"not encodings\n", "half": content[: len(content) // 2]}
    path.write_bytes(damaged[damage])
    with pytest.raises(ValueError, match="expected encodings in"):
        load_encodings(path)


def test_no_pickle_is_loaded(tmp_path: Path) -> None:
    names = np.array([object()])
    np.savez(tmp_path / "evil.npz", names=names, encodings=names, allow_pickle=True)
    with pytest.raises(ValueError, match="expected encodings in"):
        load_encodings(tmp_path / "evil.npz")


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
        load_encodings(tmp_path / "missing.json")
    with pytest.raises(FileNotFoundError):
        save_encodings(tmp_path / "no" / "folder.json", HASHES)
