"""find_duplicates_to_remove: which of several duplicates stays."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jaxdedup.methods import PHash


def bits(count: int) -> str:
    """A hash whose distance from bits(other) is abs(count - other)."""
    return f"{2**count - 1:016x}"


@pytest.fixture
def encoder() -> PHash:
    return PHash(verbose=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Copies of one picture that differ in size and age, and another picture."""
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    sizes = {"a.png": 64, "b.png": 96, "c.bmp": 80, "d.png": 96}
    ages = {"a.png": 30, "b.png": 10, "c.bmp": 40, "d.png": 20}
    for name, size in sizes.items():
        Image.fromarray(noise).resize((size, size), Image.Resampling.NEAREST).save(tmp_path / name)
        modified = 1_700_000_000 - ages[name]
        os.utime(tmp_path / name, (modified, modified))
    other = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(other).resize((96, 96)).save(tmp_path / "other.png")
    return tmp_path


STAYS = {"first": "a.png", "largest": "b.png", "newest": "b.png", "oldest": "c.bmp"}


@pytest.mark.parametrize("keep", STAYS)
def test_the_rules(encoder: PHash, folder: Path, keep: Any) -> None:
    copies = ["a.png", "b.png", "c.bmp", "d.png"]
    found = encoder.find_duplicates(folder)
    assert found == {
        **{name: [other for other in copies if other != name] for name in copies},
        "other.png": [],
    }
    removed = encoder.find_duplicates_to_remove(folder, keep=keep)
    assert removed == [name for name in copies if name != STAYS[keep]]


def test_a_function_sees_names_in_their_order(encoder: PHash) -> None:
    groups = []

    def longest(names: list[str]) -> str:
        groups.append(list(names))
        return max(names, key=len)

    hashes = {"b": bits(0), "aaa": bits(1), "far": bits(60), "cc": bits(2)}
    assert encoder.find_duplicates_to_remove(encoding_map=hashes, keep=longest) == ["b", "cc"]
    assert groups == [["b", "aaa", "cc"]]


def test_all_that_goes_has_a_duplicate_that_stays(encoder: PHash) -> None:
    # The ends of a chain are no duplicates of each other.
    chain = {"left": bits(0), "middle": bits(10), "right": bits(20)}
    assert encoder.find_duplicates_to_remove(encoding_map=chain) == ["middle"]
    keep_middle = encoder.find_duplicates_to_remove(
        encoding_map=chain, keep=lambda names: "middle" if "middle" in names else names[0]
    )
    assert keep_middle == ["left", "right"]


@pytest.mark.parametrize("keep", ["first", min, max, lambda names: names[len(names) // 2]])
def test_no_two_that_stay_are_duplicates(encoder: PHash, keep: Any) -> None:
    rng = np.random.default_rng(0)
    rows = np.unpackbits(rng.integers(0, 256, (60, 8), np.uint8), axis=1)
    for row in range(20, 60):
        rows[row] = rows[rng.integers(row)]
        rows[row, rng.choice(64, 5, replace=False)] ^= 1
    hashes = {f"{n}": row for n, row in enumerate(np.packbits(rows, axis=1))}
    found = encoder.find_duplicates(encoding_map=hashes)
    removed = encoder.find_duplicates_to_remove(encoding_map=hashes, keep=keep)
    kept = set(hashes) - set(removed)
    assert removed == [name for name in hashes if name not in kept]
    for name, duplicates in found.items():
        assert kept.isdisjoint(duplicates) == (name in kept)
    assert removed == encoder.find_duplicates_to_remove(encoding_map=hashes, keep=keep)


def test_what_keep_refuses(encoder: PHash) -> None:
    hashes = {"a": bits(0), "b": bits(1)}
    with pytest.raises(ValueError, match=r"keep to be one of first, largest, .* got 'best'"):
        encoder.find_duplicates_to_remove(encoding_map=hashes, keep="best")  # type: ignore[arg-type]
    for keep in ("largest", "newest", "oldest"):
        with pytest.raises(ValueError, match="looks at the files: expected image_dir"):
            encoder.find_duplicates_to_remove(encoding_map=hashes, keep=keep)
    with pytest.raises(ValueError, match=r"keep to return one of \['a', 'b'\], got None"):
        encoder.find_duplicates_to_remove(encoding_map=hashes, keep=lambda names: None)
