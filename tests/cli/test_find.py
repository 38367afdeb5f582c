"""jaxdedup find, jaxdedup query, and --cache."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jaxdedup.cli import main
from jaxdedup.encoding import load, save
from jaxdedup.index import Index
from jaxdedup.methods import AHash
from tests.stored import features_of, hashes_of

HASHES = {
    "a.jpg": "00" * 8,
    "b.jpg": "ff" * 8,
    "c.jpg": "00" * 7 + "01",
    "d.jpg": "ff" * 7 + "fe",
    "e.jpg": "00" * 7 + "07",
    "alone.jpg": "0f" * 8,
}
FEATURES = {
    "a.jpg": np.array([[1, 0]], np.float32),
    "b.jpg": np.array([[3, 4]], np.float32),
    "c.jpg": np.array([[6, 8]], np.float32),
}


@pytest.fixture
def hashes(tmp_path: Path) -> str:
    path = tmp_path / "hashes.npz"
    save(path, hashes_of(HASHES))
    return str(path)


@pytest.fixture
def features(tmp_path: Path) -> str:
    path = tmp_path / "features.npz"
    save(path, features_of(FEATURES))
    return str(path)


def usage_error(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    with pytest.raises(SystemExit) as exit_:
        main([str(word) for word in words])
    assert exit_.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_find_prints_groups(hashes: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", hashes, "--threshold", "2"]) == 0
    captured = capsys.readouterr()
    assert captured.out == (" 1  a.jpg\n 1  c.jpg\n 2  e.jpg\n\n 1  b.jpg\n 1  d.jpg\n")
    assert captured.err.splitlines()[-1] == "2 groups of duplicates among 6 images"


def test_find_prints_similarities(features: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", features, "--threshold", "0.5", "--quiet"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "0.6000  a.jpg\n1.0000  b.jpg\n1.0000  c.jpg\n"
    assert captured.err == ""


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], {"a.jpg": ["b.jpg", "c.jpg"]}),
        (["--scores"], {"a.jpg": [["b.jpg", pytest.approx(0.6)], ["c.jpg", pytest.approx(0.6)]]}),
        (["--to-remove"], ["b.jpg", "c.jpg"]),
    ],
)
def test_find_writes_json(
    features: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], wanted: Any
) -> None:
    output = tmp_path / "found.json"
    assert main(["find", features, "--threshold", "0.5", "--output", str(output), *words]) == 0
    assert capsys.readouterr().out == ""
    found = json.loads(output.read_text())
    assert (found if isinstance(found, list) else {"a.jpg": found["a.jpg"]}) == wanted


def test_find_in_a_folder_equals_the_encoder(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(os.listdir(folder))
    output = tmp_path / "found.json"
    assert main(["find", str(folder), "--method", "ahash", "--output", str(output)]) == 0
    encoder = AHash(verbose=False)
    assert json.loads(output.read_text()) == encoder.find_duplicates(folder)
    assert "1 skipped: 1 is empty; --list-skipped" in capsys.readouterr().err

    for keep in ("first", "largest", "newest", "oldest"):
        words = ["find", str(folder), "--method", "ahash", "--to-remove", "--keep", keep, "--quiet"]
        assert main(words) == 0
        removed = encoder.find_duplicates_to_remove(folder, keep=keep)
        assert capsys.readouterr().out == "".join(f"{name}\n" for name in removed)
    assert sorted(os.listdir(folder)) == before


def test_the_cache_is_told_of(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(folder), "--method", "dhash", "--cache", str(tmp_path / "cache")]
    assert main(["encode", *words]) == 0
    first = capsys.readouterr()
    assert "reused" not in first.err
    assert main(["encode", *words]) == 0
    second = capsys.readouterr()
    assert second.out == first.out
    count = len(first.out.splitlines())
    assert f"{count} reused from the cache" in second.err
    assert main(["find", *words]) == 0
    assert f"{count} reused from the cache" in capsys.readouterr().err
    words[2] = "ahash"
    assert "expected method ahash, got dhash" in usage_error(capsys, "find", *words)


def test_query_prints_what_is_near(
    hashes: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new.json"
    queries = {"new.jpg": "00" * 7 + "03", "other.jpg": "0f" * 4 + "f0" * 4}
    save(new, hashes_of(queries))
    assert main(["query", str(new), hashes]) == 0
    captured = capsys.readouterr()
    assert captured.out == "new.jpg\n   1  c.jpg\n   1  e.jpg\n   2  a.jpg\n"
    assert captured.err == "1 of 2 new images have duplicates\n"

    output = tmp_path / "found.json"
    words = ["query", str(new), hashes, "--threshold", "1", "--output", str(output)]
    assert main(words) == 0
    assert json.loads(output.read_text()) == {"new.jpg": ["c.jpg", "e.jpg"], "other.jpg": []}
    assert main([*words, "--scores"]) == 0
    assert json.loads(output.read_text())["new.jpg"] == [["c.jpg", 1], ["e.jpg", 1]]


def test_a_folder_of_shards_is_as_good_as_a_file(
    hashes: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, shards = load(hashes), tmp_path / "rows"
    shards.mkdir()
    for number, kept in enumerate(np.arange(len(whole)) % 2 == parity for parity in (0, 1)):
        save(shards / f"{number}.parquet", whole.only(kept))
    new = tmp_path / "new.json"
    save(new, hashes_of({"new.jpg": "00" * 7 + "03"}))
    printed = {}
    for corpus in (hashes, str(shards)):
        assert main(["find", corpus, "--quiet"]) == 0
        assert main(["query", str(new), corpus, "--quiet"]) == 0
        printed[corpus] = sorted(capsys.readouterr().out.split("\n"))
    assert printed[hashes] == printed[str(shards)]
    assert main(["index", str(shards), "--into", str(tmp_path / "corpus.idx"), "--quiet"]) == 0
    assert len(Index.open(tmp_path / "corpus.idx")) == len(whole)


def test_a_folder_is_encoded_as_the_file_was(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, corpus = str(folder), str(tmp_path / "corpus.npz")
    words = ["--method", "ahash", "--profile", "pillow9", "--output", corpus]
    assert main(["encode", photos, *words]) == 0
    output = tmp_path / "found.json"
    stored = load(corpus)
    encoder = AHash(verbose=False, profile="pillow9")
    for new, old in [(photos, corpus), (corpus, photos), (photos, photos)]:
        asked = words[:4] if new == old else []
        assert main(["query", new, old, *asked, "--output", str(output)]) == 0
        assert json.loads(output.read_text()) == encoder.search(stored, stored)
    capsys.readouterr()
    wanted = "holds other encodings: expected method phash, got ahash"
    assert wanted in usage_error(capsys, "query", photos, corpus, "--method", "phash")
    wanted = "holds other encodings: expected draft True, got False"
    words = ["--draft", "--profile", "pillow9"]
    assert wanted in usage_error(capsys, "query", photos, corpus, *words)


def test_files_of_two_origins_are_not_mixed(
    hashes: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.npz"
    for encodings, message in [
        (hashes_of(HASHES, "dhash"), "expected method phash, got dhash"),
        (hashes_of(HASHES, profile="pillow9"), "expected profile pillow13, got pillow9"),
        (hashes_of(HASHES, draft=True), "expected draft False, got True"),
    ]:
        save(other, encodings)
        assert message in usage_error(capsys, "query", hashes, other)
        assert "not made in one way" in usage_error(capsys, "query", other, hashes)
        assert main(["find", str(other), "--quiet"]) == 0
        capsys.readouterr()


def test_nothing_encoded_is_exit_code_1(
    hashes: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert main(["find", str(empty)]) == 1
    assert main(["find", str(empty), "--to-remove"]) == 1
    assert main(["query", str(empty), hashes]) == 1
    assert capsys.readouterr().out == ""


def test_wrong_usage_is_exit_code_2(
    hashes: str, features: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases: dict[tuple[object, ...], str] = {
        ("find", tmp_path / "missing"): "expected a folder or a file of encodings",
        ("find", __file__): "expected a file name that ends in .json",
        ("find", hashes, "--threshold", "65"): "threshold to be an integer from 0 to 64, got 65",
        ("find", hashes, "--threshold", "0.9"): "an integer from 0 to 64, got 0.9",
        ("find", hashes, "--threshold", "x"): "invalid number value: 'x'",
        ("find", features, "--threshold", "nan"): "from -1.0 to 1.0, got nan",
        ("find", features, "--method", "phash"): "expected method phash, got cnn",
        ("find", hashes, "--recursive"): "--recursive goes with a folder",
        ("find", hashes, "--cache", "c"): "--cache goes with a folder",
        ("find", hashes, "--num-workers", "2"): "--num-workers goes with a folder",
        ("find", hashes, "--keep", "first"): "--keep goes with --to-remove",
        ("find", hashes, "--to-remove", "--keep", "newest"): "looks at the files",
        ("find", hashes, "--to-remove", "--scores"): "--scores goes with groups",
        ("find", hashes, "--output", "found.txt"): "expected --output FILE.json",
        ("find", hashes, "--output", "missing/x.json"): "folder that can be written to",
        ("find", hashes, "--max-pairs", "0"): "invalid positive integer value: '0'",
        ("find", hashes, "--max-pairs", "3", "--threshold", "64"): "exactly 15 pairs",
        ("query", hashes): "CORPUS",
        ("query", hashes, features): "expected method phash, got cnn",
    }
    for words, message in cases.items():
        assert message in usage_error(capsys, *words), words


def test_too_many_pairs_say_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "equal.npz"
    equal = {f"{n}.jpg": "00" * 8 for n in range(6_000)}
    save(path, hashes_of(equal))
    message = usage_error(capsys, "find", path, "--output", tmp_path / "found.json")
    assert "17,997,000 pairs" in message
    assert "raise max_pairs" in message
    # Groups, and what can go, need no pairs of equal encodings.
    assert main(["find", str(path), "--quiet"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6_000
    assert main(["find", str(path), "--to-remove", "--quiet"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5_999


def test_what_either_of_two_methods_finds(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """A copy in grey has other colours, and a mirrored one another hash."""
    noise = np.asarray(Image.open(folder / "a.png"))
    Image.fromarray(noise[::-1]).save(folder / "mirrored.png")
    Image.fromarray(noise).convert("L").save(folder / "grey.png")
    for name in ("b.bmp", "c.png", "e.png", "f.png"):
        (folder / name).unlink()
    words = [str(folder), "--method", "phash", "--or", "imagehash-colorhash:0", "--quiet"]
    cache = tmp_path / "cache"
    for _ in range(2):
        assert main(["find", *words, "--cache", str(cache)]) == 0
        assert capsys.readouterr().out == (
            " 0   0  a.png\n 0   -  grey.png\n -   0  mirrored.png\n"
        )
    assert (tmp_path / "cache-imagehash-colorhash").exists()

    output = tmp_path / "found.json"
    assert main(["find", *words, "--output", str(output), "--scores"]) == 0
    found = json.loads(output.read_text())
    assert found["a.png"] == [["grey.png", 0, None], ["mirrored.png", None, 0]]
    assert main(["find", *words, "--output", str(output)]) == 0
    assert json.loads(output.read_text())["grey.png"] == ["a.png"]
    page = tmp_path / "page.html"
    assert main(["report", *words, "--output", str(page)]) == 0
    assert "1 group, 3 images" in page.read_text()


WRONG_OR = {
    "imagehash-colorhash": "invalid method and threshold value: 'imagehash-colorhash'",
    "cnn:2": "expected threshold to be a number from -1.0 to 1.0, got 2",
    "phish:3": "invalid method and threshold value",
    "phash:1.5": "an integer from 0 to 64, got 1.5",
}


@pytest.mark.parametrize("value", WRONG_OR)
def test_wrong_other_methods(value: str, folder: Path, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        main(["find", str(folder), "--or", value])
    assert WRONG_OR[value] in capsys.readouterr().err


def test_other_methods_need_images(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    file = tmp_path / "h.npz"
    assert main(["encode", str(folder), "--output", str(file), "--quiet"]) == 0
    for words, message in (
        ([str(file), "--or", "dhash:3"], "--or goes with a folder"),
        ([str(folder), "--or", "dhash:3", "--to-remove"], "--or goes with groups"),
        ([str(folder), "--or", "imagehash-colorhash:3", "--orientations", "all"], "colorhash has"),
    ):
        with pytest.raises(SystemExit):
            main(["find", *words])
        assert message in capsys.readouterr().err


def test_a_threshold_below_zero_is_no_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "features.npz"
    turned = {"a.jpg": np.array([[1, 0]], np.float32), "b.jpg": np.array([[-1, 3]], np.float32)}
    save(path, features_of(turned))
    assert main(["find", str(path), "--threshold", "-0.3"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["find", str(path), "--threshold", "-0.4"]) == 0
    assert capsys.readouterr().out == "-0.3162  a.jpg\n-0.3162  b.jpg\n"  # -1/√10
