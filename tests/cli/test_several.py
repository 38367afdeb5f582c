"""Several folders, one folder against another, and names that are in both."""

import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from jaxdedup.cli import main
from jaxdedup.encoding import save
from jaxdedup.index import Index
from jaxdedup.methods import PHash
from tests.cli.test_find import usage_error
from tests.stored import hashes_of

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folders(tmp_path: Path, reference_images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In each an ``a.png``, a copy in both, and another one of the copy in ``new``."""
    monkeypatch.chdir(tmp_path)
    for folder, picture in {"new": "rgb_stars_240x160.png", "old": "gray_text.png"}.items():
        os.makedirs(folder)
        shutil.copy(reference_images / picture, f"{folder}/a.png")
        shutil.copy(reference_images / "rgb_200x150.png", f"{folder}/copy.png")
    Image.open("new/copy.png").save("new/copy too.bmp")
    Path("old/bad.png").touch()


def printed(capsys: Capture, *words: str, code: int = 0) -> list[str]:
    assert main([*words, "--quiet"]) == code
    return capsys.readouterr().out.splitlines()


@pytest.mark.usefixtures("folders")
def test_names_begin_with_the_folder_as_given(capsys: Capture) -> None:
    copies = [" 0  ./new/copy too.bmp", " 0  ./new/copy.png", " 0  old/copy.png"]
    assert printed(capsys, "find", "./new/", "old") == copies
    cache = ["--cache", "cache"]
    for _ in range(2):
        removed = printed(capsys, "find", "old", "new", "--to-remove", *cache)
        assert removed == ["new/copy.png", "old/copy.png"]
    assert main(["find", "old", "new", *cache]) == 0
    assert "5 reused from the cache" in capsys.readouterr().err
    largest = ["--to-remove", "--keep", "largest", "--frames"]
    assert printed(capsys, "find", "new", "old", *largest) == ["new/copy.png", "old/copy.png"]


@pytest.mark.usefixtures("folders")
def test_archives_are_folders(capsys: Capture) -> None:
    shutil.make_archive("old", "zip", "old")
    assert " 0  old.zip/copy.png" in printed(capsys, "find", "new", "old.zip")
    assert printed(capsys, "find", "new", "--against", "old.zip", "--to-remove") == [
        "new/copy too.bmp",
        "new/copy.png",
    ]


@pytest.mark.usefixtures("folders")
@pytest.mark.parametrize(
    ("words", "cache"), [("--against old", "c-against"), ("--or dhash:0", "c-dhash")]
)
def test_a_second_cache_that_is_foreign_is_refused_first(
    words: str, cache: str, capsys: Capture
) -> None:
    assert printed(capsys, "encode", "old", "--method", "whash", "--cache", cache)
    told = usage_error(capsys, "find", "new", *words.split(), "--cache", "c")
    assert f"'{cache}' holds other encodings" in told
    assert not os.path.exists("c")


@pytest.mark.usefixtures("folders")
def test_pairs_across_alone(capsys: Capture) -> None:
    across = ["find", "new", "--against", "old", "--cache", "cache"]
    near = ["   0  old/copy.png"]
    found = ["new/copy too.bmp", *near, "new/copy.png", *near]
    assert printed(capsys, *across) == found
    assert os.path.exists("cache-against")
    assert printed(capsys, *across, "--to-remove") == ["new/copy too.bmp", "new/copy.png"]
    assert printed(capsys, *across, "--to-remove", "--null") == ["new/copy too.bmp\0new/copy.png\0"]
    assert printed(capsys, "find", "old", "--against", "new", "--to-remove") == ["old/copy.png"]

    assert printed(capsys, *across, "--output", "found.json", "--scores") == []
    copies = [["old/copy.png", 0]]
    assert json.loads(Path("found.json").read_text()) == {
        "new/a.png": [],
        "new/copy too.bmp": copies,
        "new/copy.png": copies,
    }
    os.makedirs("empty")
    assert printed(capsys, "find", "empty", "--against", "old", code=1) == []


@pytest.mark.usefixtures("folders")
def test_against_what_was_stored(capsys: Capture) -> None:
    assert main(["encode", "old", "--method", "dhash", "--output", "old.npz"]) == 0
    assert main(["index", "old.npz", "--into", "old.idx"]) == 0
    capsys.readouterr()
    for stored in ("old.npz", "old.idx"):
        against = ["find", "new", "--against", stored]
        assert printed(capsys, *against)[:2] == ["new/copy too.bmp", f"   0  {stored}/copy.png"]
        assert printed(capsys, *against, "--to-remove") == ["new/copy too.bmp", "new/copy.png"]
    encoded = ["old.npz", "--against", "old.idx", "--to-remove"]
    assert printed(capsys, "find", *encoded) == ["old.npz/a.png", "old.npz/copy.png"]


@pytest.mark.usefixtures("folders")
@pytest.mark.parametrize("against", [[], ["--against", "old"]])
def test_a_page_of_two_folders(against: list[str], capsys: Capture) -> None:
    folders = ["new"] if against else ["new", "old"]
    assert printed(capsys, "report", *folders, *against, "--output", "page.html") == []
    page = Path("page.html").read_text()
    assert "1 group, 3 images" in page
    assert page.count("data:image/jpeg") == 3
    assert "old/copy.png" in page
    assert "new/copy.png" in page


@pytest.mark.usefixtures("folders")
def test_encodings_of_two_folders(capsys: Capture) -> None:
    hashes = {
        f"{folder}/{name}": value
        for folder in ("new", "old")
        for name, value in PHash(verbose=False).encode_images(folder).items()
    }
    assert printed(capsys, "encode", "new", "old") == [f"{v}  {k}" for k, v in hashes.items()]
    words = ["index", "new", "old", "--into", "both.idx"]
    assert printed(capsys, *words, "--failures", "failures") == []
    assert Index.open("both.idx").encodings.to_dict() == hashes
    assert json.loads(Path("failures").read_text())["path"] == "old/bad.png"
    os.remove("old/copy.png")
    assert printed(capsys, *words, "--prune") == []
    assert list(Index.open("both.idx").encodings.names) == [
        n for n in hashes if n != "old/copy.png"
    ]


@pytest.mark.usefixtures("folders")
def test_folders_that_share_images(capsys: Capture) -> None:
    os.makedirs("new/sub")
    os.symlink("new", "link")
    same = "expected folders that share no images, got"
    for other in ("new/", "./new", "link"):
        assert f"{same} {min('new', other)!r} and" in usage_error(capsys, "find", "new", other)
    for words in (["encode", "new", "link"], ["index", "new", "link", "--into", "both.idx"]):
        assert f"{same} 'link' and 'new'" in usage_error(capsys, *words)
    words = ["find", "new/sub", "--against", "new", "--recursive"]
    assert f"{same} 'new' and 'new/sub'" in usage_error(capsys, *words)
    assert printed(capsys, "find", "new", "--against", "new/sub", code=1) == []


@pytest.mark.usefixtures("folders")
def test_wrong_usage(capsys: Capture) -> None:
    save("hashes.json", hashes_of({"a.png": "0" * 16}))
    for words, message in {
        ("new", "missing"): "expected an existing folder, got 'missing'",
        ("new", "hashes.json"): "expected an existing folder, got 'hashes.json'",
        ("new", "--against", "missing"): "expected a folder or a file of encodings, got 'missing'",
        ("new", "--against", "hashes.json", "--method", "dhash"): "holds other encodings",
        ("new", "--against", "old", "--or", "dhash:3"): "not with --to-remove or --against",
        ("new", "--against", "old", "--keep", "first", "--to-remove"): "--keep goes without",
        ("new", "--against", "old", "--output", "x.csv"): "--output FILE.csv goes without",
        ("new", "--against", "old", "--null"): "--null goes with --to-remove",
    }.items():
        assert message in usage_error(capsys, "find", *words)
