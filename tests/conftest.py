"""Strict JAX for every test: no silent dtype or rank promotion.

There is one device, as on most machines; `tests/devices/test_several.py` gives those four that are
marked ``four_devices``.
"""

import gc
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

gc.disable()  # what is collected stays


def pytest_collection_finish() -> None:
    """From here on garbage is looked for, in what is new; in all of it not as often as usual."""
    gc.freeze()
    gc.set_threshold(700, 10, 100)
    gc.enable()


def pytest_sessionfinish() -> None:
    """Hypothesis asks at the end who refers to what, which isn't told of what is frozen."""
    gc.unfreeze()


_REFERENCE = Path(__file__).parent / "data" / "reference"


@pytest.fixture(scope="session")
def reference_images() -> Path:
    """The folder of the reference images."""
    return _REFERENCE / "images"


@pytest.fixture(scope="session")
def reference_hashes() -> dict[str, dict[str, dict[str, str | None]]]:
    """By profile, file name and method: imagededup's own hashes, None for a bad file."""
    return json.loads((_REFERENCE / "hashes.json").read_text())["hashes"]


@pytest.fixture
def little_optimized() -> Iterator[None]:
    """Programs are compiled in less time, for what other devices or shapes make of integers.

    What users run on a CPU is compiled as it is for them, where it is compared with references.
    """
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


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
