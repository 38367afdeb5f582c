"""Comparing images in the browser, and marking those that are kept."""

import io
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from jaxdedup.duplicates import find_matches
from jaxdedup.encoding import METHODS, Encodings, Recipe
from jaxdedup.report import save_report
from tests.browser.driving import UNREADABLE, fates, focused, press, saved, tally, wait_for

Pixels = NDArray[np.float64]


def test_marks(page: webdriver.Chrome) -> None:
    press(page, "m")  # where nothing is focused, nothing is marked
    assert not page.find_element(By.ID, "marks").is_displayed()
    press(page, "j", "l", "m")
    assert fates(page) == ["kept", "can go", "can go", "can go"]
    page.find_elements(By.CSS_SELECTOR, ".keep")[2].click()
    assert fates(page) == ["kept", "can go", "kept", "can go"]
    assert tally(page) == "2 to keep, 2 can go"
    press(page, "h", Keys.ENTER, "m")
    assert page.find_element(By.ID, "keep").get_attribute("aria-pressed") == "true"
    press(page, "h", "m")
    assert page.find_element(By.ID, "keep").get_attribute("aria-pressed") == "false"
    press(page, Keys.ESCAPE)
    assert fates(page) == ["can go", "kept", "kept", "can go"]
    for keep in page.find_elements(By.CSS_SELECTOR, ".keep")[1:3]:
        keep.click()
    assert fates(page) == [""] * 4
    assert not page.find_element(By.ID, "marks").is_displayed()


def mark(browser: webdriver.Chrome, words: str) -> None:
    """Keeps the first image of the group that the filter finds."""
    press(browser, "/", *words, Keys.ENTER, Keys.ARROW_RIGHT, "m")


def test_a_file_goes_under_all_of_its_names_or_not_at_all(page: webdriver.Chrome) -> None:
    mark(page, "a-202")
    assert fates(page, 203) == ["kept", "can go"]
    assert tally(page) == "1 to keep, 0 can go"
    press(page, "/", *"a-203", Keys.ENTER, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, "m")
    assert fates(page, 204) == ["can go", "kept"]
    assert tally(page) == "2 to keep, 2 can go"


def test_lists_are_saved(page: webdriver.Chrome, tmp_path: Path) -> None:
    press(page, "j", "l", "m")
    mark(page, "caf")
    press(page, Keys.ARROW_RIGHT, "m", Keys.ARROW_LEFT, "m")
    keep, remove = ["0.jpg", UNREADABLE], ["1.jpg", "2.jpg", "3.jpg", "a-201.jpg"]
    for button, name, names in [
        ("save-keep", "keep.null", keep),
        ("save-remove", "can-go.null", remove),
    ]:
        expected = b"".join(os.fsencode(name) + b"\0" for name in names)
        assert saved(page, tmp_path, button, name) == expected
    both = json.loads(saved(page, tmp_path, "save-json", "marks.json"))
    assert both == {"keep": keep, "remove": remove}


def stack(browser: webdriver.Chrome) -> Pixels:
    """What is seen of two images, one over the other."""
    png = browser.find_element(By.CSS_SELECTOR, "#picture .stack").screenshot_as_png
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"), float)


def test_comparisons(page: webdriver.Chrome, images: Path) -> None:
    press(page, "j", "l", "l", Keys.ENTER, "2")
    shown = page.find_elements(By.CSS_SELECTOR, "#picture img")
    assert [image.get_attribute("alt") for image in shown] == ["0.jpg", "1.jpg"]
    assert shown[0].rect["x"] + shown[0].rect["width"] <= shown[1].rect["x"]
    Select(page.find_element(By.ID, "other")).select_by_visible_text("3.jpg")
    press(page, Keys.TAB)  # off the list
    assert page.find_element(By.CSS_SELECTOR, "#picture img").get_attribute("alt") == "3.jpg"

    press(page, "3")
    size = stack(page).shape[1::-1]
    below, above = (
        np.asarray(Image.open(images / name).resize(size, Image.Resampling.BILINEAR), float)
        for name in ("3.jpg", "1.jpg")
    )
    swipe = page.find_element(By.ID, "swipe")
    assert swipe.is_displayed()
    for percent in (50, 51):
        x = size[0] * percent // 100
        found = stack(page)
        assert np.abs(found[:, : x - 2] - below[:, : x - 2]).mean() < 8
        assert np.abs(found[:, x + 2 :] - above[:, x + 2 :]).mean() < 8
        swipe.send_keys(Keys.ARROW_RIGHT)  # which does not lead to the next image
    pointer = webdriver.ActionChains(page)
    pointer.move_to_element_with_offset(page.find_element(By.ID, "picture"), 0, 0).perform()
    assert 45 <= int(swipe.get_attribute("value") or "") <= 55

    page.find_element(By.CSS_SELECTOR, "[data-view=difference]").click()
    wait_for(page, "return document.getElementById('legend').textContent")
    difference = np.abs(below - above)
    assert np.abs(stack(page) - np.minimum(4 * difference, 255)).mean() < 16
    percent = float(page.find_element(By.ID, "legend").text.split()[0])
    assert abs(percent - 100 * difference.mean() / 255) < 1
    press(page, "j")  # the view stays, and the other image is of the same group
    shown = page.find_elements(By.CSS_SELECTOR, "#picture img")
    assert [image.get_attribute("alt") for image in shown] == ["b-000.jpg", "a-000.jpg"]
    press(page, "1")
    assert len(page.find_elements(By.CSS_SELECTOR, "#picture img")) == 1


def test_what_is_of_a_corpus_or_not_seen_stays(
    browser: webdriver.Chrome, images: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    new.mkdir()
    for name in ("0.jpg", "2.jpg"):
        shutil.copy(images / name, new)
    found = {
        "0.jpg": [("0.jpg", 0), ("1.jpg", 3)],
        "2.jpg": [("1.jpg", 3)],
        "3.jpg": [("1.jpg", 5)],
    }
    save_report(tmp_path / "page.html", found, new, against=images)
    browser.get((tmp_path / "page.html").as_uri())
    assert fates(browser) == ["", "", "", "none", ""]
    press(browser, "j", "l", "m")
    assert fates(browser) == ["kept", "can go", "can go", "none", ""]
    both = json.loads(saved(browser, tmp_path, "save-json", "marks.json"))
    assert both == {"keep": [f"{images}/1.jpg"], "remove": [f"{new}/0.jpg", f"{new}/2.jpg"]}


def test_images_of_low_quality_are_not_marked(
    browser: webdriver.Chrome, images: Path, tmp_path: Path
) -> None:
    """They are no copies of one another."""
    rows = np.zeros((2, 8), np.uint8)
    matches = find_matches(Encodings(["0.jpg", "1.jpg"], rows, Recipe(METHODS["phash"]).origin))
    matches = replace(matches, low_quality=["2.jpg", "3.jpg"])
    save_report(tmp_path / "page.html", matches, images)
    browser.get((tmp_path / "page.html").as_uri())
    assert browser.find_element(By.CSS_SELECTOR, "#apart h2").text == "Set apart"
    press(browser, "j", "j", "l", "m")
    assert focused(browser) == (1, "2.jpg")
    assert len(browser.find_elements(By.CSS_SELECTOR, ".keep")) == 2
    assert not browser.find_element(By.ID, "marks").is_displayed()
    press(browser, Keys.ENTER)
    assert not browser.find_element(By.ID, "keep").is_displayed()
