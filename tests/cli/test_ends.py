"""How commands end, and what they say of images that could not be loaded."""

import io
import json
import shutil
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxdedup import duplicates, runtime
from jaxdedup.cli import main
from jaxdedup.encoding import Encodings, Recipe, pretrained_method, save
from jaxdedup.networks import NETWORKS
from tests.cli.test_find import HASHES, usage_error
from tests.networks.make_torchvision import random_tensors
from tests.stored import hashes_of

Capture = pytest.CaptureFixture[str]
ALONE = {"alone.jpg": "0f" * 8, "a.jpg": "00" * 8}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, reference_images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save("copies.npz", hashes_of(HASHES))
    save("alone.npz", hashes_of(ALONE))
    Path("photos").mkdir()
    Path("empty").mkdir()
    shutil.copy(reference_images / "gray_text.png", "photos")
    Path("photos/bad.png").touch()
    Path("photos/b\nad.gif").write_bytes(b"no image")


CODES = {
    "find alone.npz": 0,
    "find copies.npz": 1,
    "find copies.npz --to-remove": 1,
    "find copies.npz --json": 1,
    "find copies.npz --output found.json": 1,
    "find copies.npz --output pairs.csv": 1,
    "find alone.npz --output pairs.csv": 0,
    "find photos": 0,
    "find photos --strict": 2,
    "find empty": 2,
    "find alone.npz --against copies.npz": 1,
    "find alone.npz --against copies.npz --to-remove": 1,
    "find copies.npz --against empty": 2,
    "query alone.npz copies.npz": 1,
    "query alone.npz copies.npz --nearest 1": 2,
    "query photos alone.npz": 0,
    "query photos alone.npz --strict": 2,
    "index alone.npz --into copies.idx": 1,
    "index copies.npz --into new.idx": 0,
    "index photos --into copies.idx": 0,
    "index photos --into copies.idx --strict": 2,
    "report photos --output page.html": 0,
    "report photos --or imagehash-colorhash:0 --output page.html": 0,
}


@pytest.mark.parametrize("words", CODES)
def test_check_ends_as_grep_does(words: str, capsys: Capture) -> None:
    if "copies.idx" in words:
        assert main(["index", "copies.npz", "--into", "copies.idx"]) == 0
    if "alone.npz --into" in words:
        save("alone.npz", hashes_of({"new.jpg": "00" * 8}))
    try:
        code = main([*words.split(), "--check", "--quiet"])
    except SystemExit as end:
        code = end.code
    assert code == CODES[words]


def test_without_check(capsys: Capture) -> None:
    assert main(["find", "copies.npz"]) == 0
    assert main(["find", "empty"]) == 1
    assert main(["encode", "photos"]) == 0
    assert main(["encode", "photos", "--strict"]) == 2


@pytest.mark.parametrize(("options", "code"), [([], 1), (["--check"], 2)])
def test_a_full_disk(options: list[str], code: int, monkeypatch, capsys: Capture) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runtime, "write_json", full)
    assert main(["find", "copies.npz", "--output", "found.json", *options]) == code
    assert "No space left on device" in capsys.readouterr().err


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt, 130), (MemoryError, 2)])
def test_what_else_ends_it(error: type, code: int, monkeypatch, capsys: Capture) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(duplicates, "find_matches", fail)
    assert main(["find", "copies.npz", "--check", "--strict"]) == code
    assert capsys.readouterr().err.endswith("interrupted\n" if code == 130 else "MemoryError\n\n")
    with pytest.raises(MemoryError) if code == 2 else nullcontext():
        main(["find", "copies.npz"])


def test_whoever_reads_has_seen_duplicates(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pipe(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    for options, code in {"": 0, "--check": 1}.items():
        monkeypatch.setattr(sys, "stdout", Pipe())
        assert main(["find", "copies.npz", *options.split()]) == code


SKIPPED = {
    "photos/b\nad.gif": "is not an image of a known format",
    "photos/bad.png": "is empty",
}


@pytest.mark.parametrize(
    "words",
    [
        "encode photos",
        "find photos",
        "find photos empty",
        "find photos --against copies.npz",
        "query photos copies.npz",
        "query copies.npz photos",
        "index photos --into photos.idx",
        "report photos --output page.html",
    ],
)
def test_failures_are_listed(words: str, capsys: Capture) -> None:
    assert main([*words.split(), "--failures", "bad.jsonl"]) == 0
    found = [json.loads(line) for line in Path("bad.jsonl").read_text().splitlines()]
    assert found == [{"path": path, "reason": reason} for path, reason in SKIPPED.items()]
    assert "2 skipped" in capsys.readouterr().err


def test_failures_of_one_image_and_of_both_sides(capsys: Capture) -> None:
    words = ["query", "photos/bad.png", "photos", "--failures", "bad.jsonl"]
    assert main(words) == 1
    found = [json.loads(line)["path"] for line in Path("bad.jsonl").read_text().splitlines()]
    assert found == ["photos/bad.png", *SKIPPED]
    assert main(["find", "copies.npz", "--failures", "bad.jsonl"]) == 0
    assert Path("bad.jsonl").read_text() == ""
    capsys.readouterr()
    wanted = "expected a folder that can be written to"
    assert wanted in usage_error(capsys, "find", "copies.npz", "--failures", "missing/x")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_progress_is_for_terminals(stream: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream())
    assert main(["report", "photos", "--output", "page.html"]) == 0
    told = sys.stderr.getvalue()
    assert ("image/s" in told) == ("\r" in told) == (stream is Terminal)
    assert "\x1b" not in told.replace("\x1b[A", "")
    assert "0 groups of duplicates are in page.html\n" in told


def test_features_of_other_networks_are_searched(capsys: Capture) -> None:
    """An image is encoded as the file was, where the weights are told."""
    name = "mobilenet_v3_small"
    tensors = random_tensors(NETWORKS[name].shapes())
    save_file(tensors, "v3.safetensors")
    save_file(tensors | {min(tensors): -tensors[min(tensors)]}, "other.safetensors")
    origin = Recipe(pretrained_method(name, "v3.safetensors")).origin
    save("stored.npz", Encodings(["a"], np.ones((1, 576), np.float32), origin))
    words = ["query", "photos/bad.png", "stored.npz"]
    assert main([*words, "--weights", "v3.safetensors"]) == 1  # but for the image
    assert "1 skipped: 1 is empty" in capsys.readouterr().err
    for options, wanted in {
        "": f"expected the weights of {name} (--weights FILE), got none",
        "--weights other.safetensors": "can't be made again here: expected weights",
        "--weights v3.safetensors --method sscd": "holds other encodings: expected method sscd",
        "--weights missing.safetensors": "missing.safetensors",
    }.items():
        assert wanted in usage_error(capsys, *words, *options.split())
