"""Every notebook runs, and what it has saved is what it says: ``make test-docs``."""

from pathlib import Path

import nbformat
import pytest

from .notebooks import run, said
from .pages import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(path: Path) -> None:
    assert said(run(path)) == said(nbformat.read(path, as_version=4))
    assert path.stat().st_size <= 300_000
