"""Every block of README and of the pages runs: ``make test-docs``."""

from pathlib import Path

import pytest

from .pages import ROOT, run_page

# Their blocks have tests of their own, beside other packages.
ELSEWHERE = {"clusters.md", "coming_from_imagededup.md", "integrations.md"}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", [p for p in PAGES if p.name not in ELSEWHERE], ids=lambda p: p.name)
def test_page(page: Path) -> None:
    run_page(page)
