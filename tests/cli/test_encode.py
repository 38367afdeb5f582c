"""The command line: what it prints, what it writes, and how it ends."""

import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxdedup import cli
from jaxdedup.encoding import load
from tests.pictures import crops
from tests.pillow_hashes import HASHES
from tests.stored import origin_of

PICTURES = {f"{i}.png": picture for i, picture in enumerate(crops(3, 41, 57, 3))}
EXPECTED = {name: HASHES["dhash"](picture) for name, picture in PICTURES.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "pictures"
    path.mkdir()
    for name, picture in PICTURES.items():
        Image.fromarray(picture).save(path / name)
    (path / "bad.jpg").write_bytes(b"no image")
    return path


def encode(folder: Path, *options: object) -> int:
    return cli.main(["encode", str(folder), "--method", "dhash", *map(str, options)])


def test_lines(folder: Path, capfd: pytest.CaptureFixture) -> None:
    assert encode(folder) == 0
    output = capfd.readouterr()
    assert output.out == "".join(f"{digits}  {name}\n" for name, digits in EXPECTED.items())
    assert "3 images encoded in" in output.err
    assert " a second" in output.err
    assert "1 skipped: 1 is not an image of a known format; --list-skipped" in output.err
    assert "bad.jpg" not in output.err
    assert encode(folder, "--list-skipped") == 0
    assert "  bad.jpg: is not an image of a known format\n" in capfd.readouterr().err


def test_quiet(folder: Path, capfd: pytest.CaptureFixture) -> None:
    assert encode(folder, "--quiet", "--num-workers", 1, "--batch-size", 2) == 0
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", [".json", ".csv", ".npz", ".parquet"])
def test_output_file(suffix: str, folder: Path, capfd: pytest.CaptureFixture) -> None:
    path = folder.parent / f"hashes{suffix}"
    assert encode(folder, "--output", path, "--profile", "pillow9") == 0
    assert capfd.readouterr().out == ""
    encodings = load(path)
    assert encodings.origin == origin_of("dhash", profile="pillow9")
    assert encodings == EXPECTED


def test_recursive(folder: Path, capfd: pytest.CaptureFixture) -> None:
    (folder / "sub").mkdir()
    (folder / "0.png").rename(folder / "sub" / "0.png")
    assert encode(folder, "--recursive") == 0
    assert f"{EXPECTED['0.png']}  sub/0.png\n" in capfd.readouterr().out


@pytest.mark.parametrize("name", ["bad.jpg", None])
def test_nothing_encoded(name: str | None, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    if name:
        (tmp_path / name).write_bytes(b"no image")
    assert encode(tmp_path) == 1
    assert "0 images encoded" in capfd.readouterr().err


WRONG = [
    ([], "the following arguments are required: COMMAND"),
    (["encode"], "the following arguments are required: IMAGES"),
    (["encode", "missing"], "expected an existing folder, got 'missing'"),
    (["encode", ".", "--method", "md5"], "a method among phash, ahash"),
    (["encode", ".", "--hash-size", "x"], "invalid positive integer value: 'x'"),
    (["encode", ".", "--hash-size", "1"], "hash_size to be an integer from 2 to 32, got 1"),
    (["encode", ".", "--method", "whash-12"], "hash_size to be a power of two, got 12"),
    (
        ["encode", ".", "--method", "dhash-8", "--hash-size", "9"],
        "fewer sizes of dhash, got 'dhash-8-9'",
    ),
    (["encode", ".", "--method", "cnn", "--hash-size", "9"], "a method among phash, ahash"),
    (["encode", ".", "--weights", "x"], "a network among cnn, mobilenet_v3_small, sscd, got those"),
    (["encode", ".", "--profile", "pillow1"], "invalid choice: 'pillow1'"),
    (["encode", ".", "--batch-size", "0"], "invalid positive integer value: '0'"),
    (["encode", ".", "--num-workers", "x"], "invalid positive integer value: 'x'"),
    (["encode", ".", "--output", "a.txt"], "ends in .json, .csv, .npz, .parquet, got 'a.txt'"),
    (["encode", ".", "--output", "missing/a.json"], "expected a folder that can be written to"),
    (
        ["encode", ".", "--method", "cnn"],
        "expected --output FILE.npz or FILE.parquet, or --json, for",
    ),
    (["encode", ".", "--method", "cnn", "--output", "a.csv"], "expected .npz or .parquet"),
    (["encode", ".", "--float16"], "--float16 goes with --output"),
    (["encode", ".", "--float16", "--output", "a.npz"], "expected features where float16 is"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_usage(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch, capfd
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit:
        cli.main(arguments)
    assert exit.value.code == 2
    output = capfd.readouterr()
    assert message in output.err
    assert not output.out
    assert not os.listdir(tmp_path)


def test_cnn(folder: Path, capfd: pytest.CaptureFixture) -> None:
    path = folder.parent / "features.npz"
    assert (
        cli.main(["encode", str(folder), "--method", "cnn", "--output", str(path), "--float16"])
        == 0
    )
    encodings = load(path)
    assert encodings.origin == origin_of("cnn")
    assert {name: row.shape for name, row in encodings.items()} == dict.fromkeys(
        EXPECTED, (1, 1024)
    )
    assert all(np.isfinite(row).all() for row in encodings.values())


def test_failure_leaves_the_old_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder.parent / "hashes.json"
    path.write_text("old")
    monkeypatch.setattr(json, "dumps", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        encode(folder, "--output", path)
    assert path.read_text() == "old"
    assert sorted(os.listdir(folder.parent)) == ["hashes.json", "pictures"]


def command(*arguments: object, **options: object) -> subprocess.Popen:
    words = [sys.executable, "-m", "jaxdedup", *map(str, arguments)]
    return subprocess.Popen(words, text=True, **({"stdout": -1, "stderr": -1} | options))


def test_module(folder: Path) -> None:
    odd = os.fsdecode(b"caf\xe9.png")
    (folder / "0.png").rename(folder / odd)
    with command("encode", folder, "--method", "dhash", errors="surrogateescape") as process:
        output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert f"{EXPECTED['0.png']}  {odd}\n" in output


def test_interrupt(folder: Path) -> None:
    """Ctrl-C in the middle of a run: it stops at once, and leaves no part of a file."""
    for i in range(20_000):
        os.link(folder / "0.png", folder / f"{i}.copy.png")
    output = folder.parent / "hashes.json"
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (24, 80))
    with command("encode", folder, "--output", output, stderr=end) as process:
        os.close(end)
        seen = ""
        while "image/s" not in seen:  # the progress bar moves
            seen += os.read(terminal, 100).decode(errors="replace")
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        errors = ""
        with suppress(OSError):  # nobody writes any more
            while part := os.read(terminal, 100).decode(errors="replace"):
                errors += part
        process.wait(timeout=60)
    os.close(terminal)
    assert process.returncode == 130, errors
    assert errors.endswith("interrupted\r\n")
    assert "Traceback" not in errors
    assert time.monotonic() - start < 30
    assert os.listdir(folder.parent) == ["pictures"]
