"""The page in a real browser: ``make test-browser``, which needs Chromium and chromedriver.

Not among the tests of ``make test``: a browser is a program of the system.
"""

import json
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from jaxdedup.report import show_duplicates
from tests.browser.driving import (
    GROUPS,
    HOSTILE,
    focused,
    in_view,
    press,
    saved,
    status,
    visible_groups,
    wait_for,
    wait_for_focus,
)


def test_all_groups_are_there(page: webdriver.Chrome) -> None:
    assert visible_groups(page) == GROUPS
    assert f"{GROUPS} groups, {2 * GROUPS + 2} images" in page.find_element(By.TAG_NAME, "p").text
    first = page.find_element(By.CSS_SELECTOR, ".group")
    assert first.find_element(By.TAG_NAME, "h2").text.split() == ["4", "images", "distance", "3"]
    images = first.find_elements(By.TAG_NAME, "img")
    assert [image.get_attribute("alt") for image in images] == [f"{n}.jpg" for n in range(4)]
    sizes = page.execute_script("return arguments[0].map((i) => i.naturalWidth)", images)
    assert sizes == [120] * 4


def test_groups_are_built_when_they_come_into_view(page: webdriver.Chrome) -> None:
    def built() -> int:
        return page.execute_script("return document.querySelectorAll('.group > h2').length")

    assert 100 <= built() < GROUPS
    page.execute_script("window.scrollTo(0, document.body.scrollHeight)")
    last = page.find_elements(By.CSS_SELECTOR, ".group")[-1]
    wait_for(page, "return arguments[0].querySelectorAll('img').length === 2", last)
    assert built() < GROUPS
    page.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert built() == GROUPS


def test_a_browser_skips_blocks_of_groups(page: webdriver.Chrome) -> None:
    """It looks in each frame at all that it may skip: of ten thousand groups, not at each."""
    skipped = """
        return [...document.querySelectorAll("main *")].filter((element) =>
          getComputedStyle(element).contentVisibility === "auto" && !element.hidden).length
    """
    assert page.execute_script(skipped) == 100 + (GROUPS - 100) / 25
    press(page, "/", *"A-25")  # ten of them, in one block or two
    wait_for(page, "return document.querySelectorAll('.group:not([hidden])').length === 10")
    assert page.execute_script(skipped) <= 2


def test_keys_move_between_groups(page: webdriver.Chrome) -> None:
    moves = [("j", 0), ("j", 1), (Keys.ARROW_DOWN, 2), ("k", 1), (Keys.ARROW_UP, 0), ("k", 0)]
    for key, group in moves:
        press(page, key)
        assert focused(page) == (group, "H2"), key
        assert in_view(page)
    assert status(page) == f"1 of {GROUPS}"
    press(page, *"j" * 120)  # far into the groups that wait
    assert focused(page) == (120, "H2")
    assert in_view(page)


def test_keys_move_between_images(page: webdriver.Chrome) -> None:
    press(page, "j")
    for key, image in [(Keys.ARROW_RIGHT, 0), ("l", 1), (Keys.ARROW_RIGHT, 2), ("h", 1)]:
        press(page, key)
        assert focused(page) == (0, f"{image}.jpg")
    press(page, "j")
    assert focused(page) == (1, "H2")


def test_enlarge(page: webdriver.Chrome) -> None:
    def enlarged() -> str:
        image = page.find_element(By.CSS_SELECTOR, "dialog[open] #picture img")
        assert image.size["width"] == 360  # three times the thumbnail
        name = page.find_element(By.CSS_SELECTOR, "dialog[open] .name").text
        assert image.get_attribute("alt") == name
        return name

    press(page, "j", Keys.ENTER)
    assert enlarged() == "0.jpg"
    press(page, Keys.ARROW_RIGHT, "l")
    assert enlarged() == "2.jpg"
    assert page.find_element(By.ID, "place").text == "3 of 4"
    press(page, Keys.ARROW_LEFT)
    assert enlarged() == "1.jpg"
    press(page, Keys.ESCAPE)
    wait_for(page, "return !document.querySelector('dialog').open")
    wait_for_focus(page, (0, "1.jpg"))
    press(page, Keys.ENTER, "j")
    assert enlarged() == "a-000.jpg"
    page.find_element(By.ID, "next").click()
    assert enlarged() == "b-000.jpg"
    page.find_element(By.ID, "close").click()
    wait_for_focus(page, (1, "b-000.jpg"))


def test_mouse_enlarges(page: webdriver.Chrome) -> None:
    page.find_elements(By.CSS_SELECTOR, "button.thumb")[2].click()
    assert page.find_element(By.CSS_SELECTOR, "dialog[open] .name").text == "2.jpg"


def test_tab_reaches_all_controls(page: webdriver.Chrome) -> None:
    reached = []
    for _ in range(5):
        press(page, Keys.TAB)
        reached.append(page.execute_script("return document.activeElement.className || 'filter'"))
        assert page.execute_script("return document.activeElement.matches(':focus-visible')")
        style = page.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
        assert style == "solid"
    assert reached == ["filter", "thumb", "keep", "name", "thumb"]


def test_filter(page: webdriver.Chrome) -> None:
    press(page, "/", *"A-01")
    wait_for(page, "return document.querySelectorAll('.group:not([hidden])').length === 10")
    assert status(page) == f"10 of {GROUPS} groups"
    press(page, Keys.ENTER)
    assert focused(page) == (11, "H2")
    press(page, "j", "j")
    assert focused(page) == (13, "H2")
    assert status(page) == "3 of 10"
    press(page, "/", *"nothing")
    assert visible_groups(page) == 0
    assert page.find_element(By.ID, "nothing").is_displayed()
    press(page, Keys.ESCAPE)
    assert visible_groups(page) == GROUPS
    assert not page.find_element(By.ID, "nothing").is_displayed()


def test_hostile_name(page: webdriver.Chrome) -> None:
    press(page, "/", *"onerror")
    assert visible_groups(page) == 1
    press(page, Keys.ENTER, Keys.ARROW_RIGHT, Keys.ENTER)
    press(page, Keys.ARROW_RIGHT)
    assert page.find_element(By.CSS_SELECTOR, "dialog[open] .name").text == HOSTILE


def test_all_controls_have_names(page: webdriver.Chrome) -> None:
    """As a screen reader is told."""
    press(page, "j", "l", "m")
    assert accessible(page) >= {
        ("searchbox", "Filter by file name"),
        ("button", "0.jpg"),
        ("button", "Keep 0.jpg"),
        ("heading", "4 images distance 3"),
        ("region", "What is kept"),
        ("status", "1 to keep, 3 can go"),
        ("button", "that can go, ended with NUL"),
    }
    press(page, Keys.ENTER, "3")
    found = accessible(page)
    assert found >= {
        ("dialog", "Enlarged images"),
        ("group", "View"),
        ("button", "Side by side"),
        ("combobox", "with"),
        ("slider", "Where the images meet, in percent"),
        ("image", "1.jpg and 0.jpg"),
        ("button", "Keep"),
    }
    assert not [role for role, name in found if role in CONTROLS and not name]


CONTROLS = ("button", "link", "combobox", "slider", "searchbox", "dialog", "image")


def accessible(browser: webdriver.Chrome) -> set[tuple[str, str]]:
    """The role and the name of all that is not hidden; of a status, its text."""
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    found = {
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node["ignored"]
    }
    texts = browser.find_elements(By.TAG_NAME, "output")
    return found | {("status", output.text) for output in texts if ("status", "") in found}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_can_be_read(scheme: str, page: webdriver.Chrome) -> None:
    feature = {"name": "prefers-color-scheme", "value": scheme}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    paper = rgb(page, "body", "background-color")
    assert (sum(paper) > 3 * 128) == (scheme == "light")
    for selector in ("body", ".summary", ".score", ".score.first", ".name", ".detail", ".range"):
        assert contrast(rgb(page, selector, "color"), paper) >= 4.5, selector  # WCAG 2, AA
    press(page, "j", "l", "m")
    for selector in (".keep", ".kept .keep", ".fate", "#save-json"):
        ground = rgb(page, selector, "background-color")
        assert contrast(rgb(page, selector, "color"), ground) >= 4.5, selector


def rgb(browser: webdriver.Chrome, selector: str, name: str) -> tuple[int, ...]:
    element = browser.find_element(By.CSS_SELECTOR, selector)
    text = element.value_of_css_property(name)
    return tuple(int(part) for part in text[text.index("(") + 1 : -1].split(",")[:3])


def contrast(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    """The contrast ratio of the Web Content Accessibility Guidelines 2."""

    def luminance(colour: tuple[int, ...]) -> float:
        parts = [value / 255 for value in colour]
        r, g, b = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)


def test_narrow_window(page: webdriver.Chrome) -> None:
    phone = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        assert page.execute_script("return document.documentElement.scrollWidth") == 360
        page.find_element(By.CSS_SELECTOR, ".keep").click()
        page.find_element(By.CSS_SELECTOR, "button.thumb").click()
        for view in "1234":
            press(page, view)
            buttons = page.find_elements(By.CSS_SELECTOR, "dialog[open] button")
            assert all(button.rect["x"] + button.rect["width"] <= 360 for button in buttons)
            assert all(button.rect["y"] + button.rect["height"] <= 740 for button in buttons)
            assert page.find_element(By.CSS_SELECTOR, "#picture > *").rect["height"] > 100
        press(page, Keys.ESCAPE)
        buttons = page.find_elements(By.CSS_SELECTOR, "#marks button")
        assert all(button.rect["x"] + button.rect["width"] <= 360 for button in buttons)
        assert page.execute_script("return document.documentElement.scrollWidth") == 360
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_gallery_in_a_notebook(
    browser: webdriver.Chrome,
    images: Path,
    duplicates: dict[str, list[tuple[str, int]]],
    tmp_path: Path,
) -> None:
    gallery = show_duplicates(duplicates, images, max_groups=5)
    notebook = tmp_path / "notebook.html"
    notebook.write_text(f"<!doctype html><title>n</title>{gallery._repr_html_()}", "utf-8")
    browser.get(notebook.as_uri())
    browser.get_log("browser")
    browser.switch_to.frame(0)
    assert visible_groups(browser) == 5
    browser.find_element(By.CSS_SELECTOR, "button.thumb").click()
    assert browser.find_element(By.CSS_SELECTOR, "dialog[open] .name").text == "0.jpg"
    press(browser, "m", Keys.ESCAPE)
    assert json.loads(saved(browser, tmp_path, "save-json", "marks.json"))["keep"] == ["0.jpg"]
    assert browser.get_log("browser") == []
    browser.switch_to.default_content()
