"""Which files of a folder are listed: hidden ones, links, loops and odd names."""

import os
from pathlib import Path

import pytest

from jaxdedup.loading import Folder, Unreadable

NOT_UTF8 = os.fsdecode(b"\xff\xfe caf\xe9.png")
LONG = "x" * 251 + ".png"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ["b.png", "a.jpg", "Z.png", "no suffix", "ä 日本.png", NOT_UTF8, LONG, "line\nend"]:
        (tmp_path / name).touch()
    for name in [".hidden.png", "sub/c.png", "sub/.hidden", "sub/deep/d.png", ".git/e.png"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    return tmp_path


def listed(path: Path | str, *, recursive: bool = False) -> list[str]:
    source = Folder(path, recursive=recursive)
    assert list(source) == [(name, os.path.join(path, name)) for name in source.names]
    return list(source.names)


TOP = ["b.png", "a.jpg", "Z.png", "no suffix", "ä 日本.png", NOT_UTF8, LONG, "line\nend"]
BELOW = ["sub/c.png", "sub/deep/d.png"]


def test_top_only(folder: Path) -> None:
    assert listed(folder) == sorted(TOP)


def test_recursive(folder: Path) -> None:
    assert listed(str(folder), recursive=True) == sorted(TOP + BELOW)


def test_links(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "sub").mkdir()
    links = {"link": "file", "dangling": "nowhere", "round": "and round", "and round": "round"}
    for link, target in links.items():
        (tmp_path / link).symlink_to(target)
    (tmp_path / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "sub" / "up").symlink_to(tmp_path, target_is_directory=True)
    # A link to a file is a file, and so is, until it is opened, one to nothing.
    assert listed(tmp_path) == sorted(["file", *links])
    # Linked folders are passed over, and named.
    source = Folder(tmp_path, recursive=True)
    told = {name: item.reason for name, item in source if isinstance(item, Unreadable)}
    assert source.names == sorted(["file", *links])
    assert list(told) == ["up", "sub/up"]
    assert all("is a link to a folder" in reason for reason in told.values())
    assert len(source) == len(list(source))


def test_links_are_followed_once(tmp_path: Path) -> None:
    disk, photos = tmp_path / "disk", tmp_path / "photos"
    for path in (disk / "x.png", disk / "deep" / "y.png", photos / "real" / "z.png"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for name, target in {"a": "real", "loop": ".", "nas": disk, "nas again": disk}.items():
        (photos / name).symlink_to(target, target_is_directory=True)
    (disk / "back").symlink_to(photos, target_is_directory=True)
    (disk / "dangling").symlink_to("nowhere", target_is_directory=True)
    source = Folder(photos, recursive=True, follow_links=True)
    # Each real folder by its own path, where it has one.
    assert source.names == ["nas/dangling", "nas/deep/y.png", "nas/x.png", "real/z.png"]
    assert len(list(source)) == 4


def test_stamps_know_one_file_by_its_paths(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    os.link(tmp_path / "a", tmp_path / "hard")
    (tmp_path / "soft").symlink_to("a")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    source = Folder(tmp_path)
    files = {name: (stamp := source.stamp(name)) and stamp.file for name in source.names}
    assert files["a"] == files["hard"] == files["soft"] != files["b"]
    assert files["pipe"] is files["dangling"] is source.stamp("gone") is None


def test_empty_folder(tmp_path: Path) -> None:
    assert listed(tmp_path) == []


@pytest.mark.parametrize("path", ["missing", "a.jpg"])
def test_not_a_folder(folder: Path, path: str) -> None:
    with pytest.raises(ValueError, match=f"expected an existing folder, got .*{path}"):
        Folder(folder / path)


def test_unreadable_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: str) -> object:  # root may read everything: the system's refusal is played
        if path.endswith("deep"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    source = Folder(folder, recursive=True)
    assert list(source.names) == sorted([*TOP, "sub/c.png"])
    *_, last = source
    assert last == ("sub/deep", Unreadable("Permission denied"))
    assert len(source) == len(list(source)) == len(TOP) + 2
    with pytest.raises(PermissionError):
        list(Folder(folder / "sub" / "deep"))
