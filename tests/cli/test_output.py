"""Where output goes, what files are called, and how it ends."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxdedup import cli
from jaxdedup.encoding import load, save
from jaxdedup.runtime import escaped
from tests.stored import hashes_of

ODD = ["two\nlines", "back\\slash", "\x1b[2J\x1b[1;1Hkeep.png", "tab\t.png", "\u202egnp.exe", "ä"]
NOT_UTF8 = os.fsdecode(b"caf\xe9.png")


def command(words: str) -> subprocess.CompletedProcess[bytes]:
    """A shell's command line, in which ``jaxdedup`` is ours."""
    words = words.replace("jaxdedup", f'"{sys.executable}" -m jaxdedup')
    return subprocess.run(words, shell=True, capture_output=True, check=False)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.npz"
    save(path, hashes_of(dict.fromkeys(["a", *ODD, NOT_UTF8], "00" * 8)))
    return path


def test_a_name_is_one_line_and_no_command(corpus: Path, capfd: pytest.CaptureFixture) -> None:
    assert cli.main(["find", str(corpus), "--to-remove", "--quiet"]) == 0
    lines = os.fsencode(capfd.readouterr().out).split(b"\n")
    assert lines.pop() == b""
    assert len(lines) == len(ODD) + 1
    assert rb"two\nlines" in lines
    assert rb"back\\slash" in lines
    assert rb"\033[2J\033[1;1Hkeep.png" in lines
    assert rb"\342\200\256gnp.exe" in lines
    assert "ä".encode() in lines
    assert b"caf\xe9.png" in lines
    # As coreutils have it.
    for name in ("two\nlines", "back\\slash", "\x1b[2J", "tab\t.png"):
        (corpus.parent / name).touch()
        listed = subprocess.run(["ls", "-b", "--", name], cwd=corpus.parent, capture_output=True)
        assert listed.stdout.decode() == f"{escaped(name)}\n"


@pytest.fixture
def to_remove(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., bytes]:
    """What a standard output of a character set is given, by some words."""

    def written(encoding: str, *words: str) -> bytes:
        stdout = io.TextIOWrapper(io.BytesIO(), encoding)
        monkeypatch.setattr(sys, "stdout", stdout)
        assert cli.main(["find", str(corpus), "--to-remove", "--quiet", *words]) == 0
        stdout.flush()
        return stdout.buffer.getvalue()

    return written


def test_names_for_scripts(to_remove: Callable[..., bytes]) -> None:
    for option, encoding in [("-z", "utf-8"), ("--null", "latin-1"), ("-z", "ascii")]:
        names = to_remove(encoding, option).split(b"\0")
        assert names.pop() == b""
        assert sorted(names) == sorted(map(os.fsencode, [*ODD, NOT_UTF8])), encoding


def test_a_character_set_that_lacks_a_name(to_remove: Callable[..., bytes]) -> None:
    assert rb"\303\244" in to_remove("ascii").split(b"\n")


class Notebook:
    """A notebook's standard output: text alone, and no bytes that are none."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        text.encode()
        self.text += text

    def flush(self) -> None:
        pass


@pytest.mark.parametrize("option", [[], ["--null"]])
def test_in_a_notebook(option: list[str], corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook()
    monkeypatch.setattr(sys, "stdout", notebook)
    assert cli.main(["find", str(corpus), "--to-remove", *option]) == 0
    assert "caf\\351.png" in notebook.text
    assert "ä" in notebook.text


def test_closed_streams(tmp_path: Path) -> None:
    Image.linear_gradient("L").save(tmp_path / "a.png")
    output = tmp_path / "hashes.json"
    done = command(f"jaxdedup encode {tmp_path} --output {output} >&- 2>&- <&-")
    assert done.returncode == 0
    assert list(load(output)) == ["a.png"]
    done = command(f"jaxdedup encode {tmp_path} >&-")
    assert done.returncode == 2
    assert b"expected --output FILE, as standard output is closed" in done.stderr
    assert b"encoded" not in done.stderr


def test_whoever_reads_has_seen_enough(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.npz"
    save(corpus, hashes_of({f"{n}": "00" * 8 for n in range(30_000)}))
    done = command(f"jaxdedup find {corpus} --to-remove --quiet | head -1")
    assert (done.stdout, done.stderr) == (b"1\n", b"")
    done = command(f"jaxdedup find {corpus} --to-remove --quiet >/dev/full")
    assert done.returncode == 1
    assert done.stderr == b"jaxdedup: [Errno 28] No space left on device\n"


def test_decoders_in_c_are_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    content = io.BytesIO()
    Image.linear_gradient("L").save(content, "TIFF", compression="tiff_lzw")
    damaged = bytearray(content.getvalue())
    damaged[8:40] = bytes(32)
    for n in range(8):
        damaged[8 + n] = 255
        (tmp_path / f"{n}.tiff").write_bytes(damaged)
    with open(2, "w", closefd=False) as stderr:  # as a shell gives it
        monkeypatch.setattr(sys, "stderr", stderr)
        cli.main(["encode", str(tmp_path)])
    lines = capfd.readouterr().err.replace("\r", "\n").split("\n")
    assert not [line for line in lines if "tif:" in line or "LZW" in line or "TIFF" in line]
    assert any("8 skipped" in line or "images encoded" in line for line in lines)


def test_messages_are_short(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    for words in (
        ["encode", "x" * 5000],
        ["find", "x" * 5000],
        ["encode", str(tmp_path), "--output", "x" * 5000 + ".json"],
        ["encode", str(tmp_path), "--background", "x" * 5000],
    ):
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
        assert ended.value.code == 2
        message = capfd.readouterr().err.rpartition("error: ")[2]
        assert 0 < len(message) <= 600, words


@pytest.mark.parametrize("seconds", [0.05, 0.5, 1.5, 3.0])
def test_ctrl_c_at_any_moment(seconds: float, tmp_path: Path) -> None:
    """While Python imports, encodes, searches, or makes thumbnails."""
    folder = tmp_path / "photos"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "0.png", compress_level=0)
    for n in range(1, 5000):
        os.link(folder / "0.png", folder / f"{n}.png")
    page = tmp_path / "page.html"
    words = [sys.executable, "-m", "jaxdedup", "report", str(folder), "--output", str(page)]
    with subprocess.Popen(words, text=True, stdout=-1, stderr=-1) as process:
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        try:
            output, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    # Before the interpreter is there, nobody can say anything.
    if "KeyboardInterrupt" not in errors or seconds > 1:
        assert process.returncode in (130, -signal.SIGINT), errors
        assert "Traceback" not in errors
        assert errors.endswith("interrupted\n") or seconds < 1
    assert output == ""
    assert os.listdir(tmp_path) == ["photos"]
