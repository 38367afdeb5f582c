"""Every block of README and of the pages runs: ``make test-docs``."""

from pathlib import Path

import pytest

from .pages import ROOT, blocks, run_page

ELSEWHERE = {"clusters.md", "integrations.md"}  # by tests/integrations, beside other packages
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if page.name not in ELSEWHERE and any(blocks(page))
]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_page(page: Path) -> None:
    run_page(page)
