"""Transparency and values beyond 8 bits: imagededup's way, the settings, and what is told."""

import io
import logging

import numpy as np
import pytest
from PIL import Image, ImageDraw

from jaxdedup.loading import FlatImages, as_image, background_colour, decode

VALUES = np.linspace(0, 65535, 48 * 32).astype(np.uint16).reshape(48, 32)


def line_art(mode: str = "RGBA") -> Image.Image:
    image = Image.new("RGBA", (60, 60), (0, 0, 0, 0))
    ImageDraw.Draw(image).ellipse((10, 10, 50, 50), fill=(0, 0, 0, 200))
    return image.convert(mode)


def palette_with_transparency() -> Image.Image:
    image = line_art().getchannel("A").point(lambda alpha: alpha > 0).convert("P")
    image.info["transparency"] = 0
    return image


TRANSPARENT = {
    "RGBA": line_art,
    "LA": lambda: line_art("LA"),
    "palette": palette_with_transparency,
}


def saved(image: Image.Image, format: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, format)
    return file.getvalue()


@pytest.mark.parametrize("kind", TRANSPARENT)
@pytest.mark.parametrize("colour", ["white", "#123456", (9, 8, 7)])
def test_background_is_alpha_composite(kind: str, colour: str | tuple[int, int, int]) -> None:
    content = saved(TRANSPARENT[kind]())
    with Image.open(io.BytesIO(content)) as image:
        ground = Image.new("RGBA", image.size, colour)
        expected = Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    pixels = decode(content, background=background_colour(colour))
    np.testing.assert_array_equal(pixels, expected)
    assert pixels.min() < pixels.max()


def test_background_leaves_others_alone() -> None:
    grey = Image.linear_gradient("L")
    for image in (grey, Image.merge("RGB", [grey] * 3), grey.convert("P")):
        content = saved(image)
        np.testing.assert_array_equal(decode(content, background="#ff0000"), decode(content))


@pytest.mark.parametrize("colour", ["no colour", "#12345678", (1, 2), (1, 2, 256), 7])
def test_no_background(colour: object) -> None:
    with pytest.raises(ValueError, match="expected background as an opaque colour"):
        background_colour(colour)  # type: ignore[arg-type]


def test_scale_of_files() -> None:
    expected = (VALUES.astype(np.int64) * 255 + 32767) // 65535
    assert {0, 128, 255} <= set(expected.ravel().tolist())
    for content in (
        saved(Image.fromarray(VALUES)),
        saved(Image.fromarray(VALUES), "TIFF"),
        saved(Image.fromarray(VALUES.astype(np.int32)), "TIFF"),
        b"P5 32 48 65535\n" + VALUES.astype(">u2").tobytes(),
    ):
        np.testing.assert_array_equal(decode(content, range="scale"), expected)
    unit = Image.fromarray((VALUES / 65535).astype(np.float32))
    rounded = np.floor(np.asarray(unit).astype(float) * 255 + 0.5)
    np.testing.assert_array_equal(decode(saved(unit, "TIFF"), range="scale"), rounded)


def test_scale_of_arrays() -> None:
    floats = np.array([[-1, 0, 0.5 / 255, 0.49 / 255, 1, 7, np.nan, np.inf]])
    np.testing.assert_array_equal(as_image(floats, "scale"), [[0, 0, 1, 0, 255, 255, 0, 255]])
    np.testing.assert_array_equal(as_image(VALUES, "scale"), decode(VALUES, range="scale"))
    eight = np.array([[0, 7, 255]], np.uint8)
    np.testing.assert_array_equal(as_image(eight, "scale"), eight)
    # Never by an image's own extremes.
    dark = np.full((2, 2), 257, np.uint16)
    np.testing.assert_array_equal(as_image(dark, "scale"), np.full((2, 2), 1))


def told(*items: object, **settings: str) -> FlatImages:
    flat = FlatImages()
    for item in items:
        decode(item, note=flat.note, **settings)  # type: ignore[arg-type]
    return flat


def test_what_became_flat_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    art = saved(line_art())
    deep = saved(Image.fromarray(VALUES))
    unit = saved(Image.fromarray((VALUES / 65535).astype(np.float32)), "TIFF")
    told(art, art, deep, unit, VALUES / 65535).tell()
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    first, second = caplog.messages
    assert first.startswith("2 images are one flat colour without transparency")
    assert "background='white'" in first
    assert second.startswith("3 images are (nearly) one flat colour")
    assert "range='scale'" in second


def test_what_is_not_told() -> None:
    grey = Image.linear_gradient("L")
    opaque = Image.new("RGBA", (9, 9), "red")
    shown = Image.merge("RGBA", [grey, grey, grey, grey])
    eight_bits = Image.fromarray((VALUES // 257).astype(np.uint16))
    flat = Image.fromarray(np.full_like(VALUES, 60000))
    items = [saved(image) for image in (grey, opaque, shown, eight_bits, flat)]
    assert not told(*items, np.asarray(grey) / 1.0, np.zeros((4, 4))).counts
    settings = {"background": "#ffffff", "range": "scale"}
    assert not told(saved(line_art()), saved(Image.fromarray(VALUES)), **settings).counts


def test_files_of_either_byte_order() -> None:
    """Pillow has a mode for each; TIFF is written as the mode says."""
    for values in (VALUES // 257, VALUES):
        little = Image.fromarray(values)
        big = Image.frombytes("I;16B", little.size, values.astype(">u2").tobytes())
        assert saved(little, "TIFF")[:2] == b"II"
        assert saved(big, "TIFF")[:2] == b"MM"
        scaled = np.round(values / 257).astype(np.uint8)
        array = values.astype(">u2")
        np.testing.assert_array_equal(as_image(array, range="scale"), scaled)
        for image in (little, big, saved(little, "TIFF"), saved(big, "TIFF")):
            np.testing.assert_array_equal(decode(image, range="scale"), scaled)
            np.testing.assert_array_equal(decode(image), big.convert("RGBA").convert("RGB"))
        assert told(saved(big, "TIFF")).counts == told(saved(little, "TIFF")).counts
