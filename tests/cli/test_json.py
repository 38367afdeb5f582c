"""Lines of JSON, of every command."""

import json
import shutil
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jaxdedup.cli import main
from jaxdedup.cli._results import give_encodings
from jaxdedup.encoding import save
from tests.cli.test_find import FEATURES, HASHES, usage_error
from tests.pillow_hashes import HASHES as BY_PILLOW
from tests.stored import features_of, hashes_of

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save("hashes.npz", hashes_of(HASHES))
    save("features.npz", features_of(FEATURES))


def lines(capsys: Capture, *words: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert main([*words, "--json", "--quiet"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_encode(folder: Path, capsys: Capture) -> None:
    names = [path.name for path in sorted(folder.iterdir()) if path.is_file()]
    expected = [
        {"name": name, "hash": BY_PILLOW["dhash"](np.asarray(Image.open(folder / name)))}
        for name in names
        if name != "bad.png"
    ]
    assert lines(capsys, "encode", str(folder), "--method", "dhash") == expected
    rated = lines(capsys, "encode", str(folder), "--method", "dhash", "--quality")
    assert all(0 < line.pop("quality") <= 100 for line in rated)
    assert rated == expected
    shutil.rmtree(folder)
    folder.mkdir()
    Image.new("RGB", (9, 9)).save(folder / "caf\udce9.png")
    (line,) = lines(capsys, "encode", str(folder))
    assert line["name"] == "caf\udce9.png"


def test_features(capsys: Capture) -> None:
    give_encodings(Namespace(json=True), features_of(FEATURES))
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert found == [{"name": n, "features": row[0].tolist()} for n, row in FEATURES.items()]


def test_find(capsys: Capture) -> None:
    found = lines(capsys, "find", "hashes.npz", "--threshold", "2")
    groups = {1: {"a.jpg": 1, "c.jpg": 1, "e.jpg": 2}, 2: {"b.jpg": 1, "d.jpg": 1}}
    assert found == [
        {"group": number, "name": name, "score": score, "turn": "none"}
        for number, group in groups.items()
        for name, score in group.items()
    ]
    removed = lines(capsys, "find", "hashes.npz", "--threshold", "2", "--to-remove")
    assert removed == [{"name": name} for name in ("c.jpg", "d.jpg")]
    near = lines(capsys, "find", "features.npz", "--threshold", "0.5")
    assert [line["score"] for line in near] == pytest.approx([0.6, 1, 1])


def test_pairs(capsys: Capture) -> None:
    save("new.json", hashes_of({"new.jpg": "00" * 7 + "03", "other.jpg": "0f" * 4 + "f0" * 4}))
    near = [("c.jpg", 1), ("e.jpg", 1), ("a.jpg", 2)]
    expected = [{"name": "new.jpg", "duplicate": n, "score": s, "turn": "none"} for n, s in near]
    assert lines(capsys, "query", "new.json", "hashes.npz") == expected
    assert lines(capsys, "index", "hashes.npz", "--into", "all.idx") == []
    assert lines(capsys, "index", "new.json", "--into", "all.idx") == expected
    across = lines(capsys, "find", "new.json", "--against", "hashes.npz")
    assert across == [
        {**line, "name": "new.json/new.jpg", "duplicate": f"hashes.npz/{line['duplicate']}"}
        for line in expected
    ]


def test_two_methods_turns_and_a_page(folder: Path, capsys: Capture) -> None:
    for name in ("b.bmp", "c.png", "e.png", "f.png"):
        (folder / name).unlink()
    noise = Image.open(folder / "a.png")
    noise.transpose(Image.Transpose.ROTATE_90).save(folder / "turned.png")
    noise.convert("L").save(folder / "grey.png")
    words = [str(folder), "--or", "imagehash-colorhash:0"]
    expected = [
        {"group": 1, "name": name, "score": score, "or_score": other, "turn": "none"}
        for name, score, other in [("a.png", 0, 0), ("grey.png", 0, None), ("turned.png", None, 0)]
    ]
    assert lines(capsys, "find", *words) == expected
    assert lines(capsys, "report", *words, "--output", "page.html") == expected
    turns = lines(capsys, "find", str(folder), "--orientations", "all")
    turn = {line["name"]: (line["score"], line["turn"]) for line in turns}
    assert turn["turned.png"] == (0, "rotate_90")
    assert turn["grey.png"] == (0, "none")


def test_wrong_usage(folder: Path, capsys: Capture) -> None:
    for words in (["--null"], ["--output", "x.json"]):
        wanted = f"--json goes without {words[0]}"
        assert wanted in usage_error(capsys, "find", "hashes.npz", "--json", *words)
        assert wanted in usage_error(capsys, "encode", folder, "--json", *words)
