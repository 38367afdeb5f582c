"""JPEGs: simplejpeg's path gives Pillow's pixels, and so does Pillow alone."""

import io
import struct
from collections.abc import Iterator

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from jaxdedup.loading import DecodeError, _decode, decode
from tests.pictures import Pixels, crops

SIZES = [(1, 1), (7, 9), (8, 16), (33, 47), (64, 64), (101, 77)]


def saved(image: Image.Image, format: str = "JPEG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def rgb(height: int, width: int) -> Image.Image:
    return Image.fromarray(crops(1, height, width, 3)[0])


def with_adobe_transform(jpeg: bytes, transform: int) -> bytes:
    """With an Adobe marker, which says how to read the components: 0 means RGB or CMYK."""
    adobe = b"\xff\xee" + struct.pack(">H5sHHHB", 14, b"Adobe", 100, 0, 0, transform)
    return jpeg[:2] + adobe + jpeg[2:]


def rotated(image: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(image, exif=exif)


def two_pictures(image: Image.Image) -> bytes:
    other = image.transpose(Image.Transpose.ROTATE_180)
    return saved(image, "MPO", save_all=True, append_images=[other])


def turbo(image: Image.Image, colours: str, subsampling: str) -> bytes:
    return simplejpeg.encode_jpeg(
        np.ascontiguousarray(image), 85, colorspace=colours, colorsubsampling=subsampling
    )


KINDS = {
    "baseline": saved,
    "quality 5": lambda image: saved(image, quality=5),
    "quality 100": lambda image: saved(image, quality=100),
    "progressive": lambda image: saved(image, progressive=True),
    "optimised": lambda image: saved(image, optimize=True),
    "4:4:4": lambda image: saved(image, subsampling="4:4:4"),
    "4:2:2": lambda image: saved(image, subsampling="4:2:2"),
    "4:2:0": lambda image: saved(image, subsampling="4:2:0"),
    "4:4:0": lambda image: turbo(image, "RGB", "440"),
    "4:1:1": lambda image: turbo(image, "RGB", "411"),
    "progressive 4:4:4": lambda image: saved(image, progressive=True, subsampling="4:4:4"),
    "restart markers": lambda image: saved(image, restart_marker_blocks=1),
    "restart rows": lambda image: saved(image, restart_marker_rows=1, progressive=True),
    "grey": lambda image: saved(image.convert("L")),
    "grey progressive": lambda image: saved(image.convert("L"), progressive=True),
    "CMYK": lambda image: saved(image.convert("CMYK")),
    "YCCK": lambda image: with_adobe_transform(saved(image.convert("CMYK")), 2),
    "Adobe RGB": lambda image: with_adobe_transform(saved(image, keep_rgb=True), 0),
    "Adobe YCbCr": lambda image: with_adobe_transform(saved(image), 1),
    "no JFIF, components R G B": lambda image: saved(image, keep_rgb=True),
    "EXIF orientation": rotated,
    "MPO": two_pictures,
    "bytes after the end": lambda image: saved(image) + b"and so on" * 9,
    "comment": lambda image: saved(image, comment=b"x" * 60000),
    "ICC profile": lambda image: saved(image, icc_profile=b"\0" * 3000),
}


@pytest.fixture(params=["with simplejpeg", "Pillow alone"])
def either_decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "Pillow alone":
        monkeypatch.setattr(_decode, "simplejpeg", None)


def by_pillow(content: bytes) -> Pixels:
    """As imagededup has it: RGB, or grey, which comes to the same."""
    with Image.open(io.BytesIO(content)) as image:
        keep = image.mode in ("RGB", "L")
        return np.asarray(image if keep else image.convert("RGBA").convert("RGB"))


@pytest.mark.usefixtures("either_decoder")
@pytest.mark.parametrize("kind", KINDS)
def test_pillow_pixels(kind: str) -> None:
    for size in SIZES:
        content = KINDS[kind](rgb(*size))
        expected = by_pillow(content)
        pixels = decode(content)
        assert pixels.dtype == np.uint8
        np.testing.assert_array_equal(pixels, expected, err_msg=str(size))


def test_simplejpeg_decodes_into_the_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain JPEGs never reach Pillow."""
    monkeypatch.setattr(_decode.Image, "open", None)
    for kind in ("baseline", "progressive", "grey", "restart markers", "EXIF orientation"):
        image = rgb(33, 47)
        buffer = np.empty((33, 47, 3) if kind != "grey" else (33, 47), np.uint8)
        assert decode(KINDS[kind](image), lambda shape, b=buffer: b) is buffer


@pytest.mark.usefixtures("either_decoder")
def test_into_part_of_a_larger_buffer() -> None:
    content = saved(rgb(33, 47))
    buffer = np.full((40, 50, 3), 77, np.uint8)
    decode(content, lambda shape: buffer[: shape[0], : shape[1]])
    np.testing.assert_array_equal(buffer[:33, :47], by_pillow(content))
    assert (buffer[33:] == 77).all()
    assert (buffer[:, 47:] == 77).all()


def damaged(content: bytes) -> Iterator[bytes]:
    """Cut short, bytes changed, markers lost."""
    rng = np.random.default_rng(0)
    for fraction in (0.02, 0.3, 0.6, 0.9, 0.99):
        yield content[: int(fraction * len(content))]
    yield content[:-2]  # the end marker alone
    for _ in range(60):
        broken = bytearray(content)
        for position in rng.integers(2, len(content), rng.integers(1, 4)):
            broken[position] = rng.integers(256)
        yield bytes(broken)


@pytest.mark.parametrize("kind", ["baseline", "progressive", "grey", "restart markers", "CMYK"])
@pytest.mark.filterwarnings("default")  # Pillow's, about damaged EXIF
def test_damaged_as_pillow_judges(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in damaged(KINDS[kind](rgb(101, 77))):
        results = []
        for module in (simplejpeg, None):
            monkeypatch.setattr(_decode, "simplejpeg", module)
            try:
                results.append(decode(content))
            except DecodeError:
                results.append(None)
        np.testing.assert_array_equal(*results)


@pytest.mark.usefixtures("either_decoder")
def test_bomb_is_never_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved(rgb(101, 77))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 101 * 77 // 2 - 1)

    def allocate(shape: tuple[int, ...]) -> Pixels:
        raise AssertionError("memory was asked for")

    with pytest.raises(DecodeError, match=r"(?i)pixels.* limit"):
        decode(content, allocate)
