"""Strict JAX for every test: four fake CPU devices, no silent dtype or rank promotion."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

_REFERENCE = Path(__file__).parent / "data" / "reference"


@pytest.fixture(scope="session")
def reference_images() -> Path:
    """The folder of the reference images."""
    return _REFERENCE / "images"


@pytest.fixture(scope="session")
def reference_hashes() -> dict[str, dict[str, dict[str, str | None]]]:
    """By profile, file name and method: imagededup's own hashes, None for a bad file."""
    return json.loads((_REFERENCE / "hashes.json").read_text())["hashes"]


@pytest.fixture(autouse=True)
def _log_level() -> Iterator[None]:
    """The command line quietens the log; the next test hears it again."""
    logger = logging.getLogger("jaxdedup")
    level = logger.level
    yield
    logger.setLevel(level)
