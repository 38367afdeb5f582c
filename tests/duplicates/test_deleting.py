"""Deleting exactly what is named leaves a readable copy of each picture."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jaxdedup.cli import main
from jaxdedup.duplicates import find_matches, look
from jaxdedup.encoding import METHODS, Encodings, Recipe, encode
from jaxdedup.loading import Folder, Frames
from jaxdedup.methods import PHash

KEEPS = ["first", "largest", "newest", "oldest", min, max]


def picture(seed: int, side: int = 40) -> Image.Image:
    cells = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    return Image.fromarray(cells).resize((side, side), Image.Resampling.NEAREST)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures in copies, hard links and links, to and fro and out of the folder."""
    top, outside = tmp_path / "photos", tmp_path / "outside"
    for path in (top / "deep", outside):
        path.mkdir(parents=True)
    picture(0).save(top / "m.png")
    picture(0, 80).save(top / "deep" / "copy.png")
    (top / "a link.png").symlink_to("m.png")
    (top / "z link.png").symlink_to("a link.png")
    os.link(top / "m.png", top / "hard.png")
    # Of this one there are links in the folder, of which one comes first, and nothing else.
    picture(1).save(top / "only.png")
    (top / "deep" / "link to only.png").symlink_to(top / "only.png")
    (top / "l.png").symlink_to("deep/link to only.png")
    # The file is elsewhere, a copy of it is here.
    picture(2).save(outside / "far.png")
    (top / "b far link.png").symlink_to(outside / "far.png")
    picture(2).save(top / "near.png")
    (top / "linked").symlink_to("deep", target_is_directory=True)
    (top / "loop").symlink_to(".", target_is_directory=True)
    return top


def pictures_in(folder: Path) -> set[bytes]:
    """The pictures that can be read by the names that are left, whatever their size."""
    found = set()
    for path in folder.rglob("*.png"):
        if path.exists():
            with Image.open(path) as image:
                found.add(image.resize((5, 5), Image.Resampling.NEAREST).tobytes())
    return found


@pytest.mark.parametrize("follow_links", [False, True])
@pytest.mark.parametrize("keep", KEEPS)
def test_a_copy_of_each_picture_is_left(folder: Path, keep: Any, follow_links: bool) -> None:
    before = pictures_in(folder)
    assert len(before) == 3
    encoder = PHash(verbose=False, follow_links=follow_links)
    removed = encoder.find_duplicates_to_remove(folder, recursive=True, keep=keep)
    for name in removed:
        (folder / name).unlink()
    assert pictures_in(folder) == before
    assert not any(path.is_symlink() and not path.exists() for path in folder.rglob("*"))
    # Of what is left, only paths of one file are alike.
    assert encoder.find_duplicates_to_remove(folder, recursive=True, keep=keep) == []
    assert {"only.png", "l.png", "deep/link to only.png"}.isdisjoint(removed)


def test_paths_of_one_file_are_told(
    folder: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert main(["find", str(folder), "--recursive", "--to-remove", "--quiet"]) == 0
    assert "m.png" not in capsys.readouterr().out.split("\n")
    told = "5 names are further paths of files that stay, such as links, and stay too: hard.png, l"
    assert told in caplog.text


def test_linked_folders_are_told(folder: Path) -> None:
    encoder = PHash(verbose=False)
    hashes = encoder.encode_images(folder, recursive=True)
    assert set(encoder.skipped) == {"linked", "loop"}
    assert "follow_links=True" in encoder.skipped["linked"]
    following = PHash(verbose=False, follow_links=True)
    assert following.encode_images(folder, recursive=True) == hashes
    assert following.skipped == {}


CHANGES: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "another picture": lambda path: picture(9).save(path),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"more"),
    "another file of the same size and age": lambda path: (
        shutil.copy2(path, path.with_suffix(".tmp")),
        path.with_suffix(".tmp").rename(path),
    ),
    "a broken link": lambda path: (path.unlink(), path.symlink_to("nowhere")),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("keep", ["first", "largest", "newest"])
def test_what_changes_midway_keeps_nothing_from_staying(
    change: str, keep: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The file that would stay changes after it was read: then another one stays."""
    for name, side in {"a.png": 80, "b.png": 40, "c.png": 40}.items():
        picture(0, side).save(tmp_path / name)
        os.utime(tmp_path / name, (side, side))
    source, recipe = Folder(tmp_path), Recipe(METHODS["phash"])
    files = look(source)
    encodings = Encodings.collect(encode(source, recipe), recipe)
    CHANGES[change](tmp_path / "a.png")
    removed = find_matches(encodings).removable(keep, files)
    assert removed == ["c.png"]
    assert "1 files have changed or gone since they were read, and are left alone: a.png" in (
        caplog.text
    )


def test_a_file_goes_with_all_of_its_frames(tmp_path: Path) -> None:
    frames = [picture(seed) for seed in range(3)]
    frames[0].save(tmp_path / "all.tiff", save_all=True, append_images=frames[1:])
    frames[1].save(tmp_path / "one.tiff", save_all=True, append_images=frames[:1])
    frames[2].save(tmp_path / "single.png")
    encoder = PHash(verbose=False, frames=True)
    hashes = encoder.encode_images(tmp_path)
    assert list(hashes) == [
        "all.tiff",
        "all.tiff#2",
        "all.tiff#3",
        "one.tiff",
        "one.tiff#2",
        "single.png",
    ]
    alone = [PHash(verbose=False).encode_image(image_array=np.asarray(frame)) for frame in frames]
    assert list(hashes.values()) == [*alone, alone[1], alone[0], alone[2]]
    assert encoder.find_duplicates_to_remove(tmp_path) == ["one.tiff", "one.tiff#2", "single.png"]
    # If its copy stays, so does it all, for its third frame is nowhere else.
    (tmp_path / "single.png").unlink()
    assert encoder.find_duplicates_to_remove(tmp_path, keep=max) == []


def test_frames_and_the_cache(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    picture(0).save(folder / "a.gif", save_all=True, append_images=[picture(1), picture(2)])
    (folder / "a.gif#2").write_bytes(b"no image")
    encoder = PHash(verbose=False, frames=True)
    first = encoder.encode_images(folder, cache=tmp_path / "cache")
    assert list(first) == ["a.gif", "a.gif##2", "a.gif#3"]
    assert encoder.encode_images(folder, cache=tmp_path / "cache") == first
    assert encoder.reused == 3
    source = Frames(Folder(folder))
    for key, item in source:
        if key in first:
            assert encoder.encode_batch([source.open(key), item]) == [first[key]] * 2
