"""Two folders on one page, and what is set apart from the others."""

import base64
import io
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from jaxdedup.duplicates import find_matches
from jaxdedup.encoding import METHODS, Encodings, Recipe
from jaxdedup.report import save_report, show_duplicates
from tests.pictures import crops
from tests.report.pages import clique, image_folder, read


def test_two_folders(tmp_path: Path) -> None:
    """Equal names stay apart, and what is in the corpus stays."""
    pictures = dict(
        zip(["new/a", "new/b", "photos/a", "photos/b"], crops(4, 60, 80, 3), strict=True)
    )
    for name, picture in pictures.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    new, old = (
        {"a.png": a, "b.png": b} for a, b in [("00" * 8, "ff" * 8), ("f" * 16, "0" * 15 + "7")]
    )
    origin = Recipe(METHODS["phash"]).origin
    matches = find_matches(*(Encodings.from_map(side, origin) for side in (new, old)))
    found = matches.to_dict(scores=True)
    assert found == {"a.png": [("b.png", 3)], "b.png": [("a.png", 0)]}
    folders = {"image_dir": tmp_path / "new", "against": tmp_path / "photos"}
    for number, duplicates in enumerate((matches, found)):
        save_report(tmp_path / f"{number}.html", duplicates, **folders)
    assert (tmp_path / "0.html").read_text() == (tmp_path / "1.html").read_text()

    page = read(tmp_path / "0.html")
    assert "Duplicates of new in photos" in (tmp_path / "0.html").read_text()
    shown = ["photos/b", "new/a", "photos/a", "new/b"]
    assert [image["alt"] for image in page.attributes("img")] == [
        f"{tmp_path}/{n}.png" for n in shown
    ]
    assert [link["href"] for link in page.attributes("a")] == [f"./{name}.png" for name in shown]
    assert ["data-stays" in item for item in page.attributes("li")] == [True, False] * 2
    for name, image in zip(shown, page.attributes("img"), strict=True):
        data = (image["src"] or "").partition(",")[2]
        with Image.open(io.BytesIO(base64.b64decode(data))) as thumbnail:
            assert np.abs(np.asarray(thumbnail, float) - pictures[name]).mean() < 8
    assert "<a " not in show_duplicates(matches, **folders).html

    with pytest.raises(ValueError, match="expected the source of the corpus as against="):
        save_report(tmp_path / "p.html", matches, tmp_path / "new")
    with pytest.raises(ValueError, match=r"expected two different sources, got '.*/new/' twice"):
        save_report(tmp_path / "p.html", found, tmp_path / "new", against=tmp_path / "new")
    alone = find_matches(Encodings.from_map(new, origin))
    with pytest.raises(
        ValueError, match="expected no against=, got it for matches without a corpus"
    ):
        save_report(tmp_path / "p.html", alone, **folders)


def test_groups_across_two_folders(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    i, j = np.random.default_rng(0).integers(100, size=(2, 70))
    found: dict[str, list[Any]] = {f"#{n}#": [] for n in range(100)}
    for a, b in zip(i.tolist(), j.tolist(), strict=True):
        found[f"#{a}#"].append((f"#{b + 100}#", (a + b) % 9))
    save_report(
        tmp_path / "page.html", found, tmp_path, against=tmp_path / "old", images_per_group=3
    )
    groups = [re.findall(r"#(\d+)#", group) for group in read(tmp_path / "page.html").groups]
    _, labels = connected_components(coo_array((np.ones(70), (i, j + 100)), shape=(200, 200)))
    components = [frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels)]
    expected = [component for component in components if len(component) > 1]
    assert Counter(frozenset(map(int, group)) for group in groups) == Counter(expected)


def test_what_shows_too_little_is_set_apart(tmp_path: Path) -> None:
    """As imagededup sees it: without transparency, and 16 bits cut to 8."""
    image_folder(tmp_path, ["a.jpg", "b.jpg"])
    drawing = np.zeros((40, 40, 4), np.uint8)
    drawing[10:30, 10:30, 3] = 255
    Image.fromarray(drawing).save(tmp_path / "drawing.png")
    Image.fromarray(np.arange(1000, 2600, dtype=np.uint16).reshape(40, 40)).save(
        tmp_path / "16.png"
    )
    Image.new("L", (40, 40), 9).save(tmp_path / "grey.jpg")
    blank = ["drawing.png", "16.png", "grey.jpg"]
    rows = np.repeat(np.array([[0], [1]], np.uint8), [3, 2], axis=0) * np.full(8, 255, np.uint8)
    encodings = Encodings([*blank, "a.jpg", "b.jpg"], rows, Recipe(METHODS["phash"]).origin)
    matches = replace(find_matches(encodings), low_quality=["low.jpg", "b.jpg"])
    save_report(tmp_path / "page.html", matches, tmp_path)
    page = read(tmp_path / "page.html")
    assert page.kinds == ["copies", "blank", "low"]
    assert all(name in page.groups[1] for name in ("3 images of one colour", *blank))
    assert "2 images of low quality" in page.groups[2]
    assert "low.jpg" in page.groups[2]
    assert not any(
        a["id"] == "apart" and "hidden" in a for a in page.attributes("section") if "id" in a
    )

    many = clique(blank) | {f"{n}a": [f"{n}b"] for n in range(101)}
    save_report(tmp_path / "page.html", many, tmp_path)
    assert read(tmp_path / "page.html").kinds == ["copies"] * 101 + ["blank"]
