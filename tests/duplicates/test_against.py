"""What can go as another folder, or map, has it: all of that stays."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxdedup.duplicates import find_matches, look
from jaxdedup.encoding import METHODS, Encodings, Recipe, encode
from jaxdedup.loading import Folder
from jaxdedup.methods import CNN, DHash, PHash

RECIPE = Recipe(METHODS["phash"])


def hashes_near_each_other(count: int, seed: int) -> np.ndarray:
    """Of four pictures, each with up to four bits changed: copies among them."""
    rng = np.random.default_rng(seed)
    bits = np.tile(np.random.default_rng(0).integers(0, 2, (4, 64)), (count // 4 + 1, 1))[:count]
    for row in bits:
        row[rng.integers(0, 64, rng.integers(0, 5))] ^= 1
    return bits


@pytest.mark.parametrize("threshold", [0, 3, 64])
def test_hashes(threshold: int) -> None:
    new, old = hashes_near_each_other(60, 1), hashes_near_each_other(30, 2)
    maps = [
        {n: np.packbits(row).tobytes().hex() for n, row in enumerate(bits)} for bits in (new, old)
    ]
    near = (new[:, None] != old).sum(axis=2) <= threshold
    removed = PHash(verbose=False).find_duplicates_to_remove(
        encoding_map=maps[0], against=maps[1], max_distance_threshold=threshold
    )
    assert removed == np.flatnonzero(near.any(axis=1)).tolist()


def test_features() -> None:
    new = {"a": [1, 0], "b": [0.8, 0.6], "c": [0, 1]}
    encoder = CNN(verbose=False)
    words = {"encoding_map": new, "min_similarity_threshold": 0.8}
    assert encoder.find_duplicates_to_remove(**words, against={"a": [2, 0]}) == ["a", "b"]
    assert encoder.find_duplicates_to_remove(**words, against={}) == []


@pytest.fixture
def folders(tmp_path: Path, reference_images: Path) -> tuple[Path, Path]:
    """Of equal names: a copy, another picture; and a second copy, a link, and no picture."""
    new, old = tmp_path / "new", tmp_path / "old"
    new.mkdir()
    old.mkdir()
    shutil.copy(reference_images / "rgb_200x150.png", old / "a.png")
    shutil.copy(reference_images / "rgb_200x150.png", new / "a.png")
    Image.open(reference_images / "rgb_200x150.png").save(new / "copy.bmp")
    shutil.copy(reference_images / "gray_text.png", old / "b.png")
    shutil.copy(reference_images / "rgb_stars_240x160.png", new / "b.png")
    shutil.copy(reference_images / "rgb_stars_240x160.png", new / "twice.png")
    os.link(old / "a.png", new / "hard.png")
    for folder in (new, old):
        (folder / "bad.png").touch()
    return new, old


def test_folders(
    folders: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    new, old = folders
    encoder, cache = PHash(verbose=False), tmp_path / "cache"
    for _ in range(2):
        removed = encoder.find_duplicates_to_remove(new, against=old, cache=cache)
        assert removed == ["a.png", "copy.bmp"]
        assert encoder.skipped == {"bad.png": "is empty", "old/bad.png": "is empty"}
    assert encoder.reused == 5
    assert "1 names are further paths of files that stay" in caplog.text
    corpus = encoder.encode_images(old)
    # Nobody knows the files of a map.
    removed = encoder.find_duplicates_to_remove(new, against=corpus)
    assert removed == ["a.png", "copy.bmp", "hard.png"]
    # Nor is anything its own duplicate.
    assert encoder.find_duplicates_to_remove(new, against=new) == []


@pytest.mark.parametrize("change", ["gone", "other"])
def test_what_changes_midway_sends_nothing_away(
    change: str, folders: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    sources = [Folder(folder) for folder in folders]
    new, old = map(look, sources)
    matches = find_matches(*(Encodings.collect(encode(s, RECIPE), RECIPE) for s in sources))
    assert matches.removable("first", new, None, old) == ["a.png", "copy.bmp"]
    (folders[1] / "a.png").unlink()
    if change == "other":
        shutil.copy(folders[0] / "b.png", folders[1] / "a.png")
    assert matches.removable("first", new, None, old) == []
    assert "1 files have changed or gone since they were read, and are left alone: a.png" in (
        caplog.text
    )


def test_two_sides_are_no_groups() -> None:
    matches = find_matches(*[Encodings(["a"], np.zeros((1, 8), np.uint8), RECIPE.origin)] * 2)
    with pytest.raises(
        ValueError, match="without a corpus for groups, got <Matches of 1 image in 1: 1 pair>"
    ):
        matches.groups()


def test_wrong_arguments(folders: tuple[Path, Path]) -> None:
    encoder = PHash(verbose=False)
    with pytest.raises(ValueError, match="expected no keep where all of against stays, got 'lar"):
        encoder.find_duplicates_to_remove(folders[0], against=folders[1], keep="largest")
    with pytest.raises(ValueError, match="expected an existing folder"):
        encoder.find_duplicates_to_remove(folders[0], against=folders[1] / "none")
    with pytest.raises(ValueError, match="valid directory path! Got 3"):
        encoder.find_duplicates_to_remove(folders[0], against=3)


def test_a_foreign_cache_of_the_corpus_is_refused_first(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    """Before the images are encoded, and have a cache of their own."""
    new, old = folders
    DHash(verbose=False).encode_images(old, cache=tmp_path / "cache-against")
    with pytest.raises(ValueError, match="cache-against' holds other encodings, expected method p"):
        PHash(verbose=False).find_duplicates_to_remove(new, against=old, cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
