"""jaxdedup index, jaxdedup query of an index, and pairs that are written as they are found."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxdedup import duplicates
from jaxdedup.cli import main
from jaxdedup.duplicates import find_matches
from jaxdedup.encoding import save
from jaxdedup.index import Index
from jaxdedup.methods import AHash, PHash
from tests.cli.test_find import FEATURES, HASHES, usage_error
from tests.stored import features_of, hashes_of

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    """An index of HASHES."""
    path = tmp_path / "corpus.idx"
    Index.build(hashes_of(HASHES)).save(path)
    return str(path)


def stored(path: Path | str) -> dict[str, str]:
    return Index.open(path).encodings.to_dict()


def test_an_index_is_made_and_added_to(folder: Path, tmp_path: Path, capsys: Capture) -> None:
    into, late = tmp_path / "corpus.idx", tmp_path / "b.bmp"
    (folder / "b.bmp").rename(late)
    words = ["index", str(folder), "--into", str(into)]
    assert main([*words, "--method", "ahash"]) == 0
    assert stored(into) == AHash(verbose=False).encode_images(folder)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith("5 added, 0 there already, 0 in the index alone\n")

    late.rename(folder / "b.bmp")  # nearly the same as a.png and c.png
    (folder / "f.png").unlink()
    hashes = AHash(verbose=False).encode_images(folder)
    assert main(words) == 0
    found = AHash(verbose=False).find_duplicates(folder, scores=True)["b.bmp"]
    captured = capsys.readouterr()
    assert captured.out == "b.bmp\n" + "".join(f"  {s:2d}  {name}\n" for name, s in found)
    assert "1 added, 4 there already, 1 in the index alone\n" in captured.err
    assert captured.err.endswith("1 of 1 new images have duplicates\n")
    assert list(stored(into)) == ["a.png", "c.png", "d.png", "e.png", "f.png", "b.bmp"]

    before = into.read_bytes()
    assert main([*words, "--quiet"]) == 0
    assert into.read_bytes() == before
    assert main([*words, "--prune"]) == 0
    assert "0 added, 5 there already, 1 taken out\n" in capsys.readouterr().err
    assert stored(into) == hashes


def test_what_was_stored_goes_into_an_index(tmp_path: Path, corpus: str, capsys: Capture) -> None:
    new = {"a.jpg": "0" * 16, "new.jpg": "00" * 7 + "03", "newer.jpg": "00" * 7 + "03"}
    path, output = tmp_path / "new.npz", tmp_path / "found.json"
    save(path, hashes_of(new))
    words = ["index", str(path), "--into"]
    assert main([*words, corpus, "--threshold", "1", "--output", str(output), "--scores"]) == 0
    near = [["c.jpg", 1], ["e.jpg", 1]]
    assert json.loads(output.read_text()) == {
        "new.jpg": [["newer.jpg", 0], *near],
        "newer.jpg": [["new.jpg", 0], *near],
    }
    assert list(stored(corpus)) == [*HASHES, "new.jpg", "newer.jpg"]
    assert main([*words, str(tmp_path / "other.idx"), "--quiet"]) == 0
    assert stored(tmp_path / "other.idx") == new
    assert main(["find", corpus, "--threshold", "0", "--quiet"]) == 0
    assert capsys.readouterr().out == " 0  new.jpg\n 0  newer.jpg\n"


def test_query_of_one_image(folder: Path, tmp_path: Path, capsys: Capture) -> None:
    corpus, image = str(tmp_path / "corpus.idx"), str(tmp_path / "turned.png")
    with Image.open(folder / "d.png") as picture:
        picture.transpose(Image.Transpose.ROTATE_90).save(image)
    assert main(["index", str(folder), "--into", corpus, "--quiet"]) == 0
    words = ["query", image, corpus, "--quiet"]
    assert main(words) == 0
    assert capsys.readouterr().out == ""
    assert main([*words, "--orientations", "all"]) == 0
    assert capsys.readouterr().out == f"{image}\n   0  d.png  (rotate_90)\n"
    output = tmp_path / "found.json"
    assert main([*words, "--nearest", "2", "--output", str(output), "--scores"]) == 0
    hashes = PHash(verbose=False).encode_images(folder)
    digits = int(PHash(verbose=False).encode_image(image), 16)
    distances = {name: (digits ^ int(text, 16)).bit_count() for name, text in hashes.items()}
    nearest = [[name, distances[name]] for name in sorted(distances, key=distances.__getitem__)]
    assert json.loads(output.read_text()) == {image: nearest[:2]}
    shutil.copy(folder / "bad.png", image)
    assert main(words) == 1


@pytest.mark.parametrize("suffix", ["idx", "npz"])
def test_the_nearest(suffix: str, tmp_path: Path, corpus: str, capsys: Capture) -> None:
    new = tmp_path / "new.json"
    save(new, hashes_of({"new.jpg": "00" * 7 + "03"}))
    save(tmp_path / "corpus.npz", hashes_of(HASHES))
    words = ["query", str(new), str(tmp_path / f"corpus.{suffix}"), "--nearest"]
    assert main([*words, "4", "--quiet"]) == 0
    wanted = "new.jpg\n   1  c.jpg\n   1  e.jpg\n   2  a.jpg\n  30  alone.jpg\n"
    assert capsys.readouterr().out == wanted
    assert "k of at most 6, the neighbours there are, got 7" in usage_error(capsys, *words, 7)


@pytest.mark.parametrize("encodings", [hashes_of(HASHES), features_of(FEATURES)])
def test_pairs_are_listed(encodings, tmp_path: Path, capsys: Capture) -> None:
    path, output = tmp_path / "corpus.npz", tmp_path / "pairs.csv"
    save(path, encodings)
    threshold = 0.5 if "cnn" in repr(encodings) else 2
    words = ["find", str(path), "--output", str(output), "--threshold", str(threshold)]
    assert main(words) == 0
    header, *lines = csv.reader(output.read_text().splitlines())
    assert header == ["name", "duplicate", "score"]
    found = {frozenset((a, b)): float(score) for a, b, score in lines}
    near = find_matches(encodings, threshold=threshold).to_dict(scores=True)
    wanted = {frozenset((a, b)): score for a in near for b, score in near[a]}
    assert found == pytest.approx(wanted)
    assert len(lines) == len(wanted)
    assert f"{len(wanted)} pairs of {len(encodings)} images are in" in capsys.readouterr().err
    assert list(duplicates.iter_pairs(encodings.__class__.from_map({}, encodings.origin))) == []


def test_an_interrupt_changes_nothing(
    corpus: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    before, new = Path(corpus).read_bytes(), tmp_path / "new.npz"
    save(new, hashes_of({"new.jpg": "0" * 16}))

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    assert main(["index", str(new), "--into", corpus]) == 130
    assert capsys.readouterr().err.endswith("interrupted\n")
    monkeypatch.undo()
    monkeypatch.setattr(duplicates, "iter_pairs", interrupt)
    assert main(["find", corpus, "--output", str(tmp_path / "pairs.csv")]) == 130
    assert Path(corpus).read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["corpus.idx", "new.npz"]


def test_another_writer_is_not_overwritten(
    corpus: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    add = Index.add

    def add_late(self: Index, encodings) -> None:
        other = Index.open(corpus)
        add(other, hashes_of({"other.jpg": "0" * 16}))
        other.save(corpus)
        add(self, encodings)

    monkeypatch.setattr(Index, "add", add_late)
    assert main(["index", str(folder), "--into", corpus]) == 1
    assert "another writer has changed it; open it again" in capsys.readouterr().err
    assert list(stored(corpus)) == [*HASHES, "other.jpg"]


def test_nothing_to_index_is_exit_code_1(tmp_path: Path, corpus: str) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert main(["index", str(empty), "--into", str(tmp_path / "new.idx"), "--quiet"]) == 1
    assert not (tmp_path / "new.idx").exists()
    assert main(["index", str(empty), "--into", corpus, "--quiet"]) == 0


def test_wrong_usage_is_exit_code_2(
    corpus: str, folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    damaged, features = tmp_path / "damaged.idx", tmp_path / "features.npz"
    content = bytearray(Path(corpus).read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    short = tmp_path / "short.idx"
    short.write_bytes(content[:-1])
    save(features, features_of(FEATURES))
    cases: dict[tuple[object, ...], str] = {
        ("index", folder): "--into",
        ("index", folder, "--into", "corpus.npz"): "expected --into FILE.idx, got 'corpus.npz'",
        ("index", folder, "--into", "missing/x.idx"): "folder that can be written to",
        ("index", folder, "--into", corpus, "--draft"): "expected draft True, got False",
        ("index", folder, "--into", short): "expected an index of",
        ("index", folder, "--into", damaged): "its keys.text are damaged",
        ("index", features, "--into", corpus): "expected method phash, got cnn",
        ("query", features, corpus): "expected method cnn, got phash",
        ("query", folder, damaged, "--nearest", 1): "its keys.text are damaged",
        ("query", corpus, corpus, "--nearest", "0"): "invalid positive integer value: '0'",
        ("query", corpus, corpus, "--nearest", "1", "--threshold", "1"): "goes without --threshold",
        ("query", tmp_path / "missing.jpg", corpus): "expected a folder or a file of encodings",
        ("find", corpus, "--output", "x.txt"): "expected --output FILE.json or FILE.csv",
        (
            "find",
            folder,
            "--output",
            "x.csv",
            "--to-remove",
        ): "goes without --to-remove, --or, --orientations and --against",
    }
    for words, message in cases.items():
        assert message in usage_error(capsys, *words), words
    assert np.array_equal(list(stored(corpus)), list(HASHES))
