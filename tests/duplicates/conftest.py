"""A folder with duplicates in it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pictures of 40 by 40, three of them alike, a copy in a sub-folder, and no picture."""
    directory = tmp_path / "folder"
    (directory / "sub").mkdir(parents=True)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (40, 40, 3), np.uint8)
    for name in ("a.png", "b.bmp", "c.png"):
        Image.fromarray(noise).save(directory / name)
        noise = noise // 2 * 2  # nearly the same
    for name in ("d.png", "e.png", "f.png"):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(directory / name)
    shutil.copy(directory / "d.png", directory / "sub" / "d.png")
    (directory / "bad.png").touch()
    return directory
