"""Pages as the tests read them, and what they are made of."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from PIL import Image

from tests.pictures import crops


class Html(HTMLParser):
    """The elements of a piece of HTML, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


class Page:
    """A page, with the groups that wait in its JSON."""

    def __init__(self, html: str) -> None:
        (waiting,) = re.findall(
            r'<script type="application/json" id="rest">(.*?)</script>', html, re.S
        )
        plain = re.findall(r'<section class="group" data-kind="(.*?)">(.*?)</section>', html, re.S)
        rest = json.loads(waiting)
        found = plain + [(kind, group) for kind, _, group in rest["groups"]]
        groups = [Html(group) for _, group in found]
        self.kinds = [kind for kind, _ in found]
        self.groups = [group.text for group in groups]
        self.shared = rest["shared"]
        self.elements = Html(html).elements
        for group in groups[len(plain) :]:
            self.elements += group.elements

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def read(path: Path) -> Page:
    return Page(path.read_text("utf-8"))


def image_folder(folder: Path, names: list[str], side: int = 40) -> Path:
    (picture,) = crops(1, side, side, 3)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / "new.jpg")
        (folder / "new.jpg").rename(folder / name)
    return folder


def clique(names: list[str], score: Any = None) -> dict[str, list[Any]]:
    return {
        name: [other if score is None else (other, score) for other in names if other != name]
        for name in names
    }
