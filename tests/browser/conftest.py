"""A browser, and the page that it opens."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from jaxdedup.report import save_report
from tests.browser.driving import GROUPS, HOSTILE, UNREADABLE, clique, requests
from tests.pictures import crops


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for n, picture in enumerate(crops(6, 90, 120, 3)):
        Image.fromarray(picture).save(folder / f"{n}.jpg")
    return folder


@pytest.fixture(scope="session")
def duplicates(images: Path) -> dict[str, list[tuple[str, int]]]:
    found = clique(["0.jpg", "1.jpg", "2.jpg", "3.jpg"])  # the largest, so the first
    for n in range(GROUPS - 1):
        names = [f"a-{n:03}.jpg", {200: HOSTILE, 201: UNREADABLE}.get(n, f"b-{n:03}.jpg")]
        for name, source in zip(names, ("4.jpg", "5.jpg"), strict=True):
            shutil.copy(images / source, images / name)
        if n == 202:  # which is one file with an image of the next group
            (images / names[1]).unlink()
            (images / names[1]).symlink_to("a-203.jpg")
        found |= clique(names)
    return found


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    assert options.binary_location, "expected Chromium: apt-get install chromium chromium-driver"
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--window-size=1280,900",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def address(
    images: Path,
    duplicates: dict[str, list[tuple[str, int]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    path = tmp_path_factory.mktemp("page") / "page.html"
    save_report(path, duplicates, images)
    return path.as_uri()


@pytest.fixture
def page(browser: webdriver.Chrome, address: str) -> Iterator[webdriver.Chrome]:
    """The page, loaded afresh; afterwards nothing must have gone wrong and nothing been loaded."""
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(address)
    yield browser
    assert browser.get_log("browser") == []
    assert [u for u in requests(browser) if not u.startswith(("data:", "blob:"))] == [address]
    assert browser.title.startswith("Duplicates in ")  # which HOSTILE would have changed
