"""plot_duplicates: what it draws, and what it refuses. The layout is imagededup's."""

import builtins
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

mpl.use("Agg")
import matplotlib.pyplot as plt

from jaxdedup.utils import plot_duplicates

ORIGINAL = "rgb_200x150.png"
DUPLICATES = ["rgb_200x150.bmp", "gray_200x150.png", "bad_text.jpg", "missing.jpg", "tiny_1x1.png"]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[plt.Figure]:
    """The figures that plt.show() was called with."""
    figures: list[plt.Figure] = []
    monkeypatch.setattr(plt, "show", lambda: figures.append(plt.gcf()))
    return figures


def titles(figure: plt.Figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes]


# What imagededup 0.3.3 writes above the images of such maps.
TITLES = [
    (DUPLICATES[:2], DUPLICATES[:2]),
    ([(DUPLICATES[0], 0), (DUPLICATES[1], 12)], [f"{DUPLICATES[0]} (0)", f"{DUPLICATES[1]} (12)"]),
    ([(DUPLICATES[0], np.float32(0.97265))], [f"{DUPLICATES[0]} (0.973)"]),
    ([(DUPLICATES[0], 0.97265)], [f"{DUPLICATES[0]} (0.973)"]),
    ([[DUPLICATES[0], 3]], [f"{DUPLICATES[0]} (3)"]),  # as JSON has them
]


@pytest.mark.parametrize(("found", "expected"), TITLES)
def test_titles(
    found: list[Any], expected: list[str], reference_images: Path, shown: list[plt.Figure]
) -> None:
    plot_duplicates(reference_images, {ORIGINAL: found}, ORIGINAL)
    (figure,) = shown
    assert titles(figure) == [f"Original Image: {ORIGINAL}", *expected]
    assert not plt.get_fignums(), "a figure was left open"


def test_layout(reference_images: Path, shown: list[plt.Figure]) -> None:
    plot_duplicates(reference_images, {ORIGINAL: DUPLICATES}, ORIGINAL)
    (figure,) = shown
    cells = [axes.get_subplotspec() for axes in figure.axes]
    assert cells[0].rowspan == range(1)
    assert cells[0].colspan == range(1, 3)
    places = [(cell.rowspan.start, cell.colspan.start) for cell in cells[1:]]
    assert places == [(1, 0), (1, 1), (1, 2), (1, 3), (2, 0)]


def test_pixels(reference_images: Path, shown: list[plt.Figure]) -> None:
    plot_duplicates(reference_images, {ORIGINAL: DUPLICATES}, ORIGINAL)
    original, same, grey, bad, missing, tiny = shown[0].axes
    for axes, name in ((original, ORIGINAL), (same, DUPLICATES[0]), (grey, DUPLICATES[1])):
        with Image.open(reference_images / name) as image:
            np.testing.assert_array_equal(axes.images[0].get_array(), np.asarray(image))
    assert grey.images[0].get_cmap().name == "gray"
    assert grey.images[0].get_clim() == (0, 255)
    assert "not an image" in bad.texts[0].get_text()
    assert "does not exist" in missing.texts[0].get_text()
    assert tiny.images[0].get_array().shape[:2] == (1, 1)


def test_outfile(reference_images: Path, shown: list[plt.Figure], tmp_path: Path) -> None:
    file = tmp_path / "plot.png"
    plot_duplicates(str(reference_images), {ORIGINAL: DUPLICATES}, ORIGINAL, outfile=str(file))
    assert len(shown) == 1
    with Image.open(file) as image:
        assert image.size == (1000, 690)


@pytest.mark.parametrize("name", ["$x^{$.png", "a_b\\c.png", "caf\udce9.png"])
def test_any_file_name(name: str, tmp_path: Path, shown: list[plt.Figure]) -> None:
    Image.new("RGB", (4, 3)).save(tmp_path / "plain.png")
    (tmp_path / "plain.png").rename(tmp_path / name)
    plot_duplicates(tmp_path, {name: [(name, 0)]}, name, outfile=tmp_path / "plot.png")
    assert len(shown[0].axes[1].images) == 1


MISTAKES: list[tuple[Any, Any, str, str]] = [
    ("nowhere", {"a": ["b"]}, "a", "expected an existing folder as image_dir, got 'nowhere'"),
    (".", [], "a", "expected duplicate_map to be a dict, got list"),
    (".", {"a": ["b"]}, "c", "expected filename to be a key of duplicate_map, got 'c'"),
    (None, {"a": ["b"]}, "a", "expected an existing folder as image_dir, got None"),
    (".", {"a": 3}, "a", "expected a list of duplicates of 'a', got 3"),
    (".", {"a": [("b",)]}, "a", r"expected duplicates as .*\(name, score\), got \('b',\)"),
    (".", {"a": []}, "a", "expected an image that has duplicates, got 'a' with none"),
]


@pytest.mark.parametrize(("folder", "duplicates", "name", "message"), MISTAKES)
def test_mistakes(folder: str, duplicates: Any, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plot_duplicates(folder, duplicates, name)


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match=r"pip install 'jaxdedup\[plot\]'"):
        plot_duplicates(".", {"a": ["b"]}, "a")
