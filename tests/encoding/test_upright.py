"""Images that are turned as EXIF says, and cut out of their borders, before they are encoded."""

import base64
import io
import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from jaxdedup.cli import main
from jaxdedup.encoding import METHODS, Encodings, Recipe, encode, encode_source, load
from jaxdedup.loading import Folder, decode, trimmed
from jaxdedup.methods import CNN, PHash
from jaxdedup.report import save_report
from jaxdedup.utils import plot_duplicates
from tests.pictures import crops, crops_of_any_size

mpl.use("Agg")
import matplotlib.pyplot as plt

Pixels = NDArray[np.uint8]


def saved(pixels: Pixels, orientation: int, kind: str = "JPEG", **options: Any) -> bytes:
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(file, kind, exif=exif, **options)
    return file.getvalue()


def pillow_upright(content: bytes) -> Pixels:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(ImageOps.exif_transpose(image))


COLOUR, GREY = crops(1, 90, 60, 3)[0], crops(1, 50, 80)[0]
TURNED = [saved(pixels, n) for pixels in (COLOUR, GREY) for n in range(10)]
TURNED += [saved(COLOUR, n, kind) for kind in ("PNG", "TIFF", "WEBP") for n in (6, 7)]


def rows_of(items: list[Any], recipe: Recipe) -> NDArray[Any]:
    return Encodings.collect(encode(enumerate(items), recipe), recipe).rows


@pytest.mark.parametrize("name", ["phash", "imagehash-dhash", "pdq"])
def test_turned_before_it_is_encoded(name: str) -> None:
    """Whatever the item: bytes, files and Pillow images have EXIF data, arrays have none."""
    recipe = Recipe(METHODS[name], exif_orientation=True)
    expected = rows_of([pillow_upright(content) for content in TURNED], Recipe(METHODS[name]))
    items = [
        (lambda x: x, io.BytesIO, lambda x: Image.open(io.BytesIO(x)))[place % 3](content)
        for place, content in enumerate(TURNED)
    ]
    np.testing.assert_array_equal(rows_of(items, recipe), expected)
    np.testing.assert_array_equal(
        rows_of([decode(content) for content in TURNED], recipe),
        rows_of(TURNED, Recipe(METHODS[name])),
    )


def test_damaged_exif_turns_nothing() -> None:
    damaged = TURNED[6].replace(b"Exif\0\0", b"Exif\0\0?!", 1)
    np.testing.assert_array_equal(decode(damaged, exif_orientation=True), decode(damaged))


def test_a_draft_is_turned_too() -> None:
    content = saved(np.asarray(Image.fromarray(COLOUR).resize((300, 2000))), 6)
    got = decode(content, draft_size=(32, 64), exif_orientation=True)
    assert got.shape == (38, 250, 3)  # an eighth: the least with 32 rows and 64 columns


def test_borders_are_cut() -> None:
    """A plain border that is added to an image is cut again, noise within the tolerance too."""
    rng = np.random.default_rng(0)
    for number, picture in enumerate(crops_of_any_size(20)):
        inner = trimmed(picture)
        noise = rng.integers(0, 25, (inner.shape[0] + 9, inner.shape[1] + 17, *inner.shape[2:]))
        framed = (noise + 100).astype(np.uint8)
        framed[2:-7, 8:-9] = inner
        for turn in range(4):
            np.testing.assert_array_equal(
                trimmed(np.rot90(framed, turn)), np.rot90(inner, turn), err_msg=str(number)
            )
        assert trimmed(inner).shape == inner.shape


def test_what_has_no_picture_in_it_stays_whole() -> None:
    for shape in ((1, 1), (1, 9, 3), (40, 30), (30, 40, 3)):
        assert trimmed(np.full(shape, 7, np.uint8)).shape == shape
    slope = np.linspace(0, 255, 60).astype(np.uint8)
    assert trimmed(np.tile(slope, (40, 1))).shape == (40, 60)  # each column is of one colour
    step = np.zeros((9, 9), np.uint8)
    step[:, 4:] = 25  # one more than the tolerance
    assert trimmed(step).shape == (9, 9)
    assert trimmed(np.minimum(step, 24)).shape == (9, 9)


def test_trimmed_before_it_is_encoded() -> None:
    pictures = [trimmed(picture) for picture in crops_of_any_size(8)]
    framed = [np.pad(p, [(9, 4), (0, 5), (0, 0)][: p.ndim], constant_values=255) for p in pictures]
    for name in ("phash", "imagehash-phash"):
        recipe = Recipe(METHODS[name], trim=True)
        plain = rows_of(pictures, Recipe(METHODS[name]))
        np.testing.assert_array_equal(rows_of(framed, recipe), plain)
    encoder = PHash(verbose=False, trim=True)
    assert encoder.encode_image(image_array=framed[0]) == encoder.encode_image(
        image_array=pictures[0]
    )
    with pytest.raises(ValueError, match="trim goes without draft"):
        Recipe(METHODS["phash"], trim=True, draft=True)


def test_turned_then_trimmed() -> None:
    framed = np.pad(COLOUR, [(9, 4), (6, 5), (0, 0)])
    both = Recipe(METHODS["phash"], exif_orientation=True, trim=True)
    expected = rows_of([trimmed(pillow_upright(saved(framed, 6, "PNG")))], Recipe(METHODS["phash"]))
    np.testing.assert_array_equal(rows_of([saved(framed, 6, "PNG")], both), expected)


def test_settings_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In files, in caches, by the encoders."""
    folder, corpus = tmp_path / "photos", tmp_path / "corpus.npz"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(TURNED[6])
    options = ["--exif-orientation", "--trim", "--quiet"]
    assert main(["encode", str(folder), *options, "--output", str(corpus)]) == 0
    origin = load(corpus).origin
    assert (origin.exif_orientation, origin.trim) == (True, True)
    assert Recipe.from_origin(origin) == Recipe(METHODS["phash"], exif_orientation=True, trim=True)
    encoder = PHash(verbose=False, exif_orientation=True, trim=True)
    assert repr(encoder) == "PHash(verbose=False, exif_orientation=True, trim=True)"
    assert dict(load(corpus)) == encoder.encode_images(folder)
    with pytest.raises(ValueError, match="expected trim False, got True"):
        PHash(exif_orientation=True).search(load(corpus), {})
    with pytest.raises(SystemExit):
        main(["find", str(corpus), "--background", "white"])
    assert "expected background #ffffff" in capsys.readouterr().err

    encode_source(Folder(folder), Recipe(METHODS["phash"]), cache=tmp_path / "cache")
    with pytest.raises(ValueError, match="expected exif_orientation True, got False"):
        encoder.encode_images(folder, cache=tmp_path / "cache")
    means = CNN(model=lambda x: x.mean((1, 2)), image_size=8, verbose=False, exif_orientation=True)
    assert means.recipe.exif_orientation


def thumbnails(page: str) -> list[NDArray[np.int64]]:
    jpegs = re.findall(r"data:image/jpeg;base64,([^\"]+)", page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(j))), int) for j in jpegs]


@pytest.mark.parametrize("asked", [False, True])
def test_copies_turned_by_pixels_and_by_exif_stand_alike(asked: bool, tmp_path: Path) -> None:
    """Whichever of the two the search was told of, the report shows what a viewer would."""
    picture = np.kron(COLOUR[::10, ::10], np.ones((20, 20, 1), np.uint8))
    (tmp_path / "a.jpg").write_bytes(saved(picture, 6, quality=95))
    (tmp_path / "b.jpg").write_bytes(saved(np.ascontiguousarray(np.rot90(picture)), 3, quality=95))
    found = PHash(verbose=False, exif_orientation=asked).find_duplicates(
        tmp_path, orientations="all", scores=True
    )
    save_report(tmp_path / "p.html", found, tmp_path, exif_orientation=asked)
    first, second = thumbnails((tmp_path / "p.html").read_text("utf-8"))
    upright = pillow_upright((tmp_path / "a.jpg").read_bytes()).astype(int)
    for shown in (first, second):
        assert np.abs(shown - upright).mean() < 5


def test_plots_stand_upright(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And take the map of a search for turned copies."""
    figures: list[Any] = []
    monkeypatch.setattr(plt, "show", lambda: figures.append(plt.gcf()))
    (tmp_path / "a.jpg").write_bytes(TURNED[6])
    plot_duplicates(tmp_path, {"a.jpg": [("a.jpg", 2, "rotate_90")]}, "a.jpg")
    for axes in figures[0].axes:
        np.testing.assert_array_equal(axes.images[0].get_array(), pillow_upright(TURNED[6]))
    assert figures[0].axes[1].get_title() == "a.jpg (2)"
