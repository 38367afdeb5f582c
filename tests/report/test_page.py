"""The page as text: its groups, its safety and its bounds. tests/browser/ opens it in a browser."""

import base64
import io
import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from jaxdedup import cli
from jaxdedup.duplicates import find_matches
from jaxdedup.encoding import METHODS, TURNS, Encodings, Recipe
from jaxdedup.report import save_report, show_duplicates
from tests.pictures import crops
from tests.report.pages import Html, Page, clique, image_folder, read

HOSTILE = [
    "<img src=x onerror=alert(1)>.png",
    "</script><script>alert(1)</script>.png",
    '"><b onmouseover=alert(1)>.png',
    "&lt;b&gt;.png",
    "javascript:alert(1).png",
    "\u202egnp.exe.png",
    "line\nbreak.png",
    "caf\udce9.png",
    "猫 🐈 é.png",
    "{title}%s.png",
]


def test_groups_are_connected_components(tmp_path: Path) -> None:
    i, j = np.random.default_rng(0).integers(300, size=(2, 200))
    duplicates: dict[str, list[Any]] = {f"#{n}#": [] for n in range(300)}
    for a, b in zip(i.tolist(), j.tolist(), strict=True):
        duplicates[f"#{a}#"].append((f"#{b}#", (a + b) % 9))
    save_report(tmp_path / "page.html", duplicates, tmp_path, images_per_group=3)
    groups = read(tmp_path / "page.html").groups
    found = [frozenset(map(int, re.findall(r"#(\d+)#", group))) for group in groups]
    _, labels = connected_components(coo_array((np.ones(200), (i, j)), shape=(300, 300)))
    components = [frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels)]
    expected = [component for component in components if len(component) > 1]
    assert Counter(found) == Counter(expected)
    assert list(map(len, found)) == sorted(map(len, expected), reverse=True)


CHAIN = {
    "a.png": [("b.png", 4)],
    "b.png": [("a.png", 4), ("c.png", 2)],
    "c.png": [("b.png", 2), ("d.png", 7)],
    "d.png": [("c.png", 7)],
}


def test_order_within_a_group(tmp_path: Path) -> None:
    save_report(tmp_path / "page.html", CHAIN, tmp_path)
    (group,) = read(tmp_path / "page.html").groups
    lines = re.findall(r"(reference|distance \d(?: to c\.png)?)([abcd]\.png)", group)
    assert lines == [
        ("reference", "b.png"),  # it has most duplicates, and comes first in the map
        ("distance 2", "c.png"),
        ("distance 4", "a.png"),
        ("distance 7 to c.png", "d.png"),  # which is no duplicate of b.png
    ]
    assert "4 images distance 2 to 7" in group


SCORES = [
    (3, "distance 3"),
    (np.uint8(3), "distance 3"),
    (0.97265, "similarity 0.973"),
    (np.float32(0.97265), "similarity 0.973"),
    (1.0, "similarity 1.000"),
]


@pytest.mark.parametrize(("score", "expected"), SCORES)
def test_scores(score: Any, expected: str, tmp_path: Path) -> None:
    save_report(tmp_path / "page.html", clique(["a", "b"], score), tmp_path)
    (group,) = read(tmp_path / "page.html").groups
    assert group.count(expected) == 2  # in the heading, and below the image


def test_maps_of_other_forms_give_the_same_page(tmp_path: Path) -> None:
    scored = json.loads(json.dumps(CHAIN))  # lists in place of tuples
    one_way = {"b.png": CHAIN["b.png"], "c.png": CHAIN["c.png"][1:]}
    pages = []
    for duplicates in (CHAIN, scored, one_way):
        save_report(tmp_path / "page.html", duplicates, tmp_path)
        pages.append(read(tmp_path / "page.html").groups)
    assert pages[0] == pages[1]
    assert pages[2][0].count("distance 2") == 2
    save_report(tmp_path / "page.html", clique(["a", "b"]), tmp_path)
    (plain,) = read(tmp_path / "page.html").groups
    assert not re.search("distance|similarity|reference", plain)


def test_thumbnails(reference_images: Path, tmp_path: Path) -> None:
    names = sorted(os.listdir(reference_images))
    save_report(tmp_path / "p.html", clique(names, 0), reference_images, images_per_group=99)
    page = read(tmp_path / "p.html")
    images = {attributes["alt"]: attributes for attributes in page.attributes("img")}
    assert set(images) == {name for name in names if not name.startswith("bad_")}
    for name, attributes in images.items():
        header, _, data = (attributes["src"] or "").partition(",")
        assert header == "data:image/jpeg;base64"
        with Image.open(io.BytesIO(base64.b64decode(data))) as thumbnail:
            thumbnail.load()
            assert thumbnail.size == (int(attributes["width"]), int(attributes["height"]))
            assert max(thumbnail.size) <= 480
        with Image.open(reference_images / name) as opened:
            image = ImageOps.exif_transpose(opened)
            assert f"{name}{image.width} × {image.height} · " in page.groups[0]
            factor = min(480 / max(image.size), 1)
            np.testing.assert_allclose(
                thumbnail.size, [max(side * factor, 1) for side in image.size], atol=1
            )
    assert page.groups[0].count("can’t be loaded") == len(names) - len(images)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_thumbnails_stand_upright(orientation: int, tmp_path: Path) -> None:
    cells = np.random.default_rng(0).integers(0, 256, (3, 6, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name in ("a.jpg", "b.jpg"):
        Image.fromarray(cells).resize((192, 96), Image.Resampling.NEAREST).save(
            tmp_path / name, exif=exif
        )
    save_report(tmp_path / "p.html", clique(["a.jpg", "b.jpg"], 0), tmp_path)
    page = read(tmp_path / "p.html")
    with Image.open(tmp_path / "a.jpg") as opened:
        expected = ImageOps.exif_transpose(opened)
    for image in page.attributes("img"):
        data = (image["src"] or "").partition(",")[2]
        with Image.open(io.BytesIO(base64.b64decode(data))) as thumbnail:
            assert thumbnail.size == expected.size
            difference = np.asarray(thumbnail, float) - np.asarray(expected, float)
            assert np.abs(difference).mean() < 5
    assert f"a.jpg{expected.width} × {expected.height}" in page.groups[0]


def turned(picture: Image.Image, turn: str) -> Image.Image:
    return picture if turn == "none" else picture.transpose(Image.Transpose[turn.upper()])


def test_a_chain_of_turned_copies_is_shown_alike(tmp_path: Path) -> None:
    """Each is known to be turned against its neighbours alone."""
    (pixels,) = crops(1, 90, 120, 3)
    rng = np.random.default_rng(0)
    pictures = [turned(Image.fromarray(pixels), TURNS[n]) for n in rng.integers(8, size=16)]
    found: dict[str, list[Any]] = {f"{n}.png": [] for n in range(len(pictures))}
    for i, j, score in zip(range(15), range(1, 16), rng.integers(9, size=15).tolist(), strict=True):
        for one, other in ((i, j), (j, i)):
            turn = next(t for t in TURNS if turned(pictures[other], t) == pictures[one])
            found[f"{one}.png"].append((f"{other}.png", score, turn))
    for n, picture in enumerate(pictures):
        picture.save(tmp_path / f"{n}.png")
    save_report(tmp_path / "p.html", found, tmp_path)
    first, *others = [
        np.asarray(
            Image.open(io.BytesIO(base64.b64decode((a["src"] or "").partition(",")[2]))), int
        )
        for a in read(tmp_path / "p.html").attributes("img")
    ]
    assert len(others) == 15
    for other in others:
        assert other.shape == first.shape
        assert np.abs(other - first).mean() < 4


def test_matches_give_the_page_of_their_map(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = np.zeros((60, 8), np.uint8)
    rows[:, :4] = 1 << rng.integers(0, 8, (60, 4))  # copies, near ones, and chains
    names = [f"{n}.png" for n in rng.permutation(60)]
    encodings = Encodings(names, rows, Recipe(METHODS["phash"]).origin)
    for threshold in (0, 2, 4):
        matches = find_matches(encodings, threshold=threshold)
        save_report(tmp_path / "map.html", matches.to_dict(scores=True), tmp_path)
        save_report(tmp_path / "matches.html", matches, tmp_path)
        assert (tmp_path / "map.html").read_text() == (tmp_path / "matches.html").read_text()


def test_very_many_copies(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "0.png")
    names = [f"{n}.png" for n in range(200_000)]
    hashes = np.zeros((len(names), 8), np.uint8)
    matches = find_matches(Encodings(names, hashes, Recipe(METHODS["phash"]).origin))
    save_report(tmp_path / "p.html", matches, tmp_path, images_per_group=2)
    text = (tmp_path / "p.html").read_text()
    assert "200,000 images" in text
    assert "and 189,998 more, not named here" in text
    assert len(text) < 2_000_000


def test_a_link_is_no_copy(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "b.png")
    (tmp_path / "link.png").symlink_to("b.png")
    names = ["a.png", "b.png", "link.png"]
    save_report(tmp_path / "p.html", clique(names, 0), tmp_path)
    (group,) = read(tmp_path / "p.html").groups
    assert group.count("the same file as") == 1
    assert "the same file as b.png" in group
    files = [item["data-file"] or "" for item in read(tmp_path / "p.html").attributes("li")]
    assert files[0] != files[1] == files[2]
    assert read(tmp_path / "p.html").shared == {files[1]: 2}


def test_what_changes_midway_costs_that_image_only(tmp_path: Path) -> None:
    names = ["file.png", "gone.png", "pipe.png", "folder.png", "text.png"]
    Image.new("RGB", (8, 8)).save(tmp_path / "file.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "text.png").write_text("no image")
    save_report(tmp_path / "p.html", clique(names, 0), tmp_path)
    page = read(tmp_path / "p.html")
    assert [image["alt"] for image in page.attributes("img")] == ["file.png"]
    for reason in ("does not exist", "is not a regular file", "is a folder", "of a known format"):
        assert reason in page.groups[0]


def test_a_missing_image_is_shown_as_such(tmp_path: Path) -> None:
    image_folder(tmp_path, ["a.jpg"])
    save_report(tmp_path / "page.html", clique(["a.jpg", "b.jpg"]), tmp_path)
    (group,) = read(tmp_path / "page.html").groups
    assert "can’t be loaded: does not exist" in group


@pytest.mark.parametrize("plain", [True, False])
def test_file_names_are_text(plain: bool, tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "images", HOSTILE)
    duplicates = clique(HOSTILE, 1)
    if not plain:  # behind a hundred larger groups, which have plain HTML
        for n in range(100):
            duplicates |= clique([f"{n}-{m}.png" for m in range(len(HOSTILE) + 1)], 1)
    path = tmp_path / "page.html"
    save_report(path, duplicates, folder, images_per_group=len(HOSTILE) - 1)
    text = path.read_text("utf-8")  # no surrogate has been written
    assert text.count("<script") == text.count("</script>") == 2
    page = read(path)
    assert {tag for tag, _ in page.elements} <= ALLOWED
    assert all(name in ATTRIBUTES for _, found in page.elements for name in found)
    shown = page.groups[0 if plain else 100]
    for name in HOSTILE:
        written = name.replace("\u202e", "\\u202e").replace("\n", "\\x0a")
        assert written.replace("\udce9", "\\xe9") in shown
    raw = [json.loads(a["data-name"] or "") for a in page.attributes("li") if "data-name" in a]
    assert raw == [
        "\u202egnp.exe.png",
        "line\nbreak.png",
        "caf\udce9.png",
    ]  # others read as they are


ALLOWED = {
    *("html", "meta", "link", "title", "style", "body", "header", "h1", "p", "div", "output"),
    *("input", "kbd", "main", "section", "h2", "span", "ul", "li", "figure", "button", "img"),
    *("figcaption", "a", "bdi", "details", "summary", "noscript", "footer", "dialog", "script"),
    *("label", "select"),
}
ATTRIBUTES = {
    *("lang", "charset", "http-equiv", "content", "name", "rel", "href", "class", "id", "hidden"),
    *("data-script", "type", "placeholder", "aria-label", "autocomplete", "spellcheck"),
    *("tabindex", "alt", "loading", "width", "height", "src", "target", "role", "value"),
    *("data-kind", "data-file", "data-name", "data-view", "data-stays"),
    *("aria-pressed", "aria-keyshortcuts", "aria-live"),
}


def test_loads_nothing(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "images", ["a.jpg", "b.jpg"])
    save_report(tmp_path / "page.html", clique(["a.jpg", "b.jpg"]), folder)
    page = read(tmp_path / "page.html")
    assert all((a["src"] or "").startswith("data:image/jpeg") for a in page.attributes("img"))
    assert all("src" not in attributes for attributes in page.attributes("script"))
    assert [a["href"] for a in page.attributes("link")] == ["data:,"]
    (policy,) = [a["content"] or "" for a in page.attributes("meta") if "http-equiv" in a]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


LINKS = [
    ("a b#?.jpg", "./images/a%20b%23%3F.jpg"),
    ("javascript:alert(1).png", "./images/javascript%3Aalert%281%29.png"),
    ("caf\udce9.jpg", "./images/caf%E9.jpg"),
    ("sub/x.JPG", "./images/sub/x.JPG"),
    ("page.html", None),  # may be a page to a browser, whatever Pillow made of it
    ("vector.svg", None),
]


@pytest.mark.parametrize(("name", "address"), LINKS)
def test_links(name: str, address: str | None, tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "images", [name])
    save_report(tmp_path / "page.html", clique([name, "missing.jpg"]), folder)
    links = [a["href"] for a in read(tmp_path / "page.html").attributes("a")]
    assert links == ([address] if address else [])


def test_link_upwards(tmp_path: Path) -> None:
    image_folder(tmp_path / "my images", ["a.jpg"])
    (tmp_path / "x" / "y").mkdir(parents=True)
    save_report(tmp_path / "x" / "y" / "p.html", clique(["a.jpg", "b"]), tmp_path / "my images")
    (link,) = read(tmp_path / "x" / "y" / "p.html").attributes("a")
    assert link["href"] == "./../../my%20images/a.jpg"


def test_large_groups_are_cut_and_named(tmp_path: Path) -> None:
    names = [f"{n:02}.jpg" for n in range(30)]
    image_folder(tmp_path, names)
    save_report(tmp_path / "page.html", clique(names, 0), tmp_path, images_per_group=24)
    page = read(tmp_path / "page.html")
    assert len(page.attributes("img")) == 24
    assert "and 6 more" in page.groups[0]
    assert all(name in page.groups[0] for name in names)


BOUNDS = [  # bytes, expected longest side, expected images of the group of 20
    (10**9, 480, 20),
    (20 * 13_000, 240, 20),
    (20 * 1_700, 80, 20),
    (10 * 1_700, 80, 10),
    (1, 80, 2),
]


@pytest.mark.parametrize(("max_bytes", "side", "count"), BOUNDS)
def test_bounded_size(max_bytes: int, side: int, count: int, tmp_path: Path) -> None:
    names = [f"{n:02}.jpg" for n in range(20)]
    folder = image_folder(tmp_path / "images", names, side=500)
    path = tmp_path / "page.html"
    save_report(path, clique(names, 0), folder, max_bytes=max_bytes)
    page = read(path)
    assert page.attributes("img") or max_bytes == 1
    sources = [a["src"] or "" for a in page.attributes("img")]
    assert {max(int(a["width"]), int(a["height"])) for a in page.attributes("img")} <= {side}
    assert len(sources) + page.groups[0].count("the page is full") == count
    assert sum(map(len, sources)) <= max_bytes + 30 * len(sources)
    save_report(tmp_path / "empty.html", {}, folder)
    around = path.stat().st_size - (tmp_path / "empty.html").stat().st_size
    assert around - sum(map(len, sources)) < 400 * len(names)


def test_largest_groups(tmp_path: Path) -> None:
    duplicates = clique(["a", "b"]) | clique(["c", "d", "e"]) | clique(["f", "g", "h", "i"])
    save_report(tmp_path / "page.html", duplicates, tmp_path, max_groups=2)
    text = (tmp_path / "page.html").read_text("utf-8")
    assert [g.count("exist") for g in Page(text).groups] == [4, 3]
    assert "3 groups, 9 images; the 2 largest groups are shown" in text


@pytest.mark.parametrize("duplicates", [{}, {"a": []}, {"a": [], "b": []}])
def test_no_duplicates(duplicates: dict[str, list[str]], tmp_path: Path) -> None:
    save_report(tmp_path / "page.html", duplicates, tmp_path)
    page = read(tmp_path / "page.html")
    assert page.groups == []
    assert "No duplicates." in (tmp_path / "page.html").read_text("utf-8")


def test_same_map_same_page(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "images", ["a.jpg", "b.jpg", "c.jpg"])
    for name, workers in (("1.html", 1), ("2.html", 4)):
        save_report(tmp_path / name, clique(["a.jpg", "b.jpg"]), folder, num_workers=workers)
    assert (tmp_path / "1.html").read_bytes() == (tmp_path / "2.html").read_bytes()


def test_failure_leaves_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "page.html").write_text("old")
    monkeypatch.setattr(Image.Image, "save", lambda *_, **__: 1 / 0)
    image_folder_before = sorted(os.listdir(tmp_path))
    (tmp_path / "a.ppm").write_bytes(b"P6 1 1 255\n123")
    with pytest.raises(ZeroDivisionError):
        save_report(tmp_path / "page.html", clique(["a.ppm", "b"]), tmp_path)
    assert (tmp_path / "page.html").read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == sorted([*image_folder_before, "a.ppm"])


MISTAKES: list[tuple[Any, type[Exception], str]] = [
    ([("a", "b")], TypeError, "expected a map of duplicates"),
    ({1: []}, TypeError, "expected file names as keys, got 1"),
    ({"a": "b"}, TypeError, "expected a list of duplicates for 'a', got 'b'"),
    ({"a": None}, TypeError, "expected a list of duplicates for 'a', got None"),
    ({"a": [1]}, TypeError, r"expected file names or \(name, score\) for 'a', got 1"),
    ({"a": [("b", 1, 2)]}, TypeError, r"expected file names or \(name, score\) for 'a'"),
    ({"a": [("b", "3")]}, TypeError, "expected a number as the score of 'b', got '3'"),
    ({"a": [("b", True)]}, TypeError, "expected a number as the score of 'b', got True"),
    ({"a": [("b", float("nan"))]}, ValueError, "expected a finite score for 'b', got nan"),
    ({"a": [("b", 3), "c"]}, ValueError, "scores of one kind in the whole map, got int, none"),
    ({"a": [("b", 3), ("c", 0.9)]}, ValueError, "in the whole map, got float, int"),
]


@pytest.mark.parametrize(("duplicates", "error", "message"), MISTAKES)
def test_bad_maps(duplicates: Any, error: type[Exception], message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        save_report(tmp_path / "page.html", duplicates, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["max_groups", "images_per_group", "max_bytes"])
def test_bad_numbers(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"expected {name} to be at least 1, got 0"):
        save_report(tmp_path / "page.html", {}, tmp_path, **{name: 0})


def test_bad_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected an existing folder, got 'nowhere'"):
        save_report(tmp_path / "page.html", {}, "nowhere")


def test_gallery(tmp_path: Path) -> None:
    folder = image_folder(tmp_path, ["a.jpg", "b.jpg"])
    gallery = show_duplicates(clique(["a.jpg", "b.jpg"], 0), folder)
    assert repr(gallery) == "<Gallery: 1 group, 2 images>"
    ((tag, attributes),) = Html(gallery._repr_html_()).elements
    assert tag == "iframe"
    assert attributes["srcdoc"] == gallery.html
    assert attributes["sandbox"] == "allow-scripts allow-downloads"
    assert "distance 0" in gallery.html
    assert "<a " not in gallery.html  # a notebook can't open the files


def test_command_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = image_folder(tmp_path / "images", ["a.jpg", "b.jpg"])
    path = tmp_path / "page.html"
    assert cli.main(["report", str(folder), "--threshold", "0", "--output", str(path)]) == 0
    assert "1 groups of duplicates" in capfd.readouterr().err
    assert "distance 0" in read(path).groups[0]
    assert sorted(os.listdir(folder)) == ["a.jpg", "b.jpg"]
    for wrong in (["--output", "page.json"], [], ["--output", str(path), "--threshold", "65"]):
        with pytest.raises(SystemExit, match="2"):
            cli.main(["report", str(folder), *wrong])
    with pytest.raises(SystemExit, match="2"):
        cli.main(["report", "nowhere", "--output", str(path)])
