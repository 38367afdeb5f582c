"""What is done with the page, and what is seen of it."""

import json
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

GROUPS = 300  # a hundred of which are plain HTML, the others wait in JSON
HOSTILE = '<img src=x onerror="document.title = 1">.png'
UNREADABLE = "caf\udce9 🐈\n&.jpg"  # of bytes that are no UTF-8, and a line break


def clique(names: list[str]) -> dict[str, list[tuple[str, int]]]:
    return {a: [(b, 3) for b in names if b != a] for a in names}


def requests(browser: webdriver.Chrome) -> list[str]:
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [event for event in events if event["method"] == "Network.requestWillBeSent"]
    return [event["params"]["request"]["url"] for event in sent]


def press(browser: webdriver.Chrome, *keys: str) -> None:
    for key in keys:
        webdriver.ActionChains(browser).send_keys(key).perform()


def focused(browser: webdriver.Chrome) -> tuple[int, str]:
    """The number of the group that has the focus, and the image, or what else has it."""
    number, name = browser.execute_script(
        """
        const active = document.activeElement;
        const groups = [...document.querySelectorAll(".group")];
        const image = active.querySelector("img");
        const inImage = active.matches("button.thumb");
        return [groups.indexOf(active.closest(".group")), inImage ? image.alt : active.tagName];
        """
    )
    return number, name


def in_view(browser: webdriver.Chrome) -> bool:
    return browser.execute_script(
        """
        const box = document.activeElement.getBoundingClientRect();
        const header = document.querySelector("body > header").getBoundingClientRect().bottom;
        return box.top >= header && box.bottom <= innerHeight;
        """
    )


def visible_groups(browser: webdriver.Chrome) -> int:
    return browser.execute_script("return document.querySelectorAll('.group:not([hidden])').length")


def status(browser: webdriver.Chrome) -> str:
    return browser.find_element(By.ID, "status").text


def wait_for(browser: webdriver.Chrome, script: str, *arguments: Any) -> None:
    WebDriverWait(browser, 20).until(lambda b: b.execute_script(script, *arguments))


def wait_for_focus(browser: webdriver.Chrome, expected: tuple[int, str]) -> None:
    """A dialog hands the focus back in an event of its own, a moment after it has closed."""
    WebDriverWait(browser, 20).until(lambda b: focused(b) == expected)


def saved(browser: webdriver.Chrome, folder: Path, button: str, name: str) -> bytes:
    """What a button saves, never nothing.

    The browser holds the name with an empty file until it moves the whole one there.
    """
    behaviour = {"behavior": "allow", "downloadPath": str(folder)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
    browser.find_element(By.ID, button).click()
    path = folder / name
    WebDriverWait(browser, 20).until(lambda _: path.exists() and path.stat().st_size)
    return path.read_bytes()


def fates(browser: webdriver.Chrome, group: int = 0) -> list[str]:
    """Of each image of a group: kept, can go, not decided, or none where it can't be decided."""
    return browser.execute_script(
        """
        const items = document.querySelectorAll(".group")[arguments[0]].querySelectorAll("li");
        return [...items].map((item) => item.querySelector(".keep")?.ariaPressed === "true"
          ? "kept" : item.querySelector(".fate")?.textContent ?? "none");
        """,
        group,
    )


def tally(browser: webdriver.Chrome) -> str:
    return browser.find_element(By.ID, "tally").text
