"""One image from any source: pixels as Pillow has them, and why an image can't be loaded."""

import gc
import io
import os
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import imageio.v3 as imageio
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxdedup.loading import DecodeError, _decode, as_image, decode, image_size, own
from tests.pictures import Pixels, crops


def picture() -> Image.Image:
    return Image.fromarray(crops(1, 33, 47, 3)[0])


def saved(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


# In the file's mode, and as imagededup would see it.
FORMATS = {
    "png": lambda: saved(picture()),
    "bmp": lambda: saved(picture(), "BMP"),
    "ppm": lambda: saved(picture(), "PPM"),
    "pgm": lambda: saved(picture().convert("L"), "PPM"),
    "pbm": lambda: saved(picture().convert("1"), "PPM"),
    "tiff": lambda: saved(picture(), "TIFF", compression="tiff_lzw"),
    "gif": lambda: saved(picture(), "GIF"),
    "webp": lambda: saved(picture(), "WEBP", lossless=True),
    "RGBA": lambda: saved(picture().convert("RGBA")),
    "LA": lambda: saved(picture().convert("LA")),
    "palette": lambda: saved(picture().quantize(16)),
    "bilevel": lambda: saved(picture().convert("1")),
    "16 bits": lambda: saved(Image.fromarray(crops(1, 33, 47)[0].astype(np.uint16) * 7)),
    "int32": lambda: saved(Image.fromarray(crops(1, 33, 47)[0].astype(np.int32) - 9), "TIFF"),
    "float": lambda: saved(Image.fromarray(crops(1, 33, 47)[0] * np.float32(1.7)), "TIFF"),
    "CMYK": lambda: saved(picture().convert("CMYK"), "TIFF"),
    "animation": lambda: saved(
        picture(), "GIF", save_all=True, append_images=[picture().rotate(90)]
    ),
}

SOURCES: dict[str, Callable[[bytes, Path], object]] = {
    "bytes": lambda content, path: content,
    "bytearray": lambda content, path: bytearray(content),
    "memoryview": lambda content, path: memoryview(content),
    "binary file": lambda content, path: io.BytesIO(content),
    "path": lambda content, path: path,
    "name": lambda content, path: str(path),
    "Pillow image": lambda content, path: Image.open(io.BytesIO(content)),
}


def as_imagededup_sees(content: bytes) -> Pixels:
    with Image.open(io.BytesIO(content)) as image:
        keep = image.mode in ("RGB", "L")
        return np.asarray(image if keep else image.convert("RGBA").convert("RGB"))


@pytest.mark.parametrize("kind", FORMATS)
def test_formats(kind: str) -> None:
    content = FORMATS[kind]()
    np.testing.assert_array_equal(decode(content), as_imagededup_sees(content))


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_sources(source: str, format: str, tmp_path: Path) -> None:
    content = saved(picture(), format)
    path = tmp_path / "named.gif"  # the content decides, not the name
    path.write_bytes(content)
    pixels = decode(SOURCES[source](content, path))
    np.testing.assert_array_equal(pixels, as_imagededup_sees(content))


def test_array_source() -> None:
    pixels = crops(1, 33, 47, 3)[0]
    np.testing.assert_array_equal(decode(pixels), pixels)
    np.testing.assert_array_equal(decode(pixels + np.int64(256)), pixels)


@pytest.mark.parametrize(
    "dtype", ["int8", "int16", "int64", "uint16", "bool", "float32", "float64"]
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_as_image_wraps(dtype: str) -> None:
    values = np.random.default_rng(0).integers(-300, 600, (5, 7)).astype(dtype)
    image = as_image(values)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, values.astype("uint8"))


REFUSED_ARRAYS = [
    (np.zeros(()), r"shape \(H, W, 3\) or \(H, W\), got shape \(\)"),
    (np.zeros(5), r"got shape \(5,\)"),
    (np.zeros((1, 5, 5, 3)), r"got shape \(1, 5, 5, 3\)"),
    (np.zeros((5, 5, 4)), r"got shape \(5, 5, 4\)"),
    (np.zeros((5, 5, 1)), r"got shape \(5, 5, 1\)"),
    (np.zeros((0, 5)), r"got shape \(0, 5\)"),
    (np.zeros((5, 0, 3)), r"got shape \(5, 0, 3\)"),
    (np.array([["a"]]), "an image array of numbers, got dtype <U1"),
    (np.array([[None]]), "an image array of numbers, got dtype object"),
    (np.zeros((2, 2), complex), "an image array of numbers, got dtype complex128"),
]


@pytest.mark.parametrize(("array", "message"), REFUSED_ARRAYS)
def test_refused_arrays(array: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_image(array)
    with pytest.raises(DecodeError, match=message):
        decode(array)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def link(path: Path, target: str) -> Path:
    path.symlink_to(target)
    return path


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


PNG = saved(picture())
REFUSED_FILES = {
    "missing": (lambda path: path, "does not exist"),
    "dangling link": (lambda path: link(path, "nowhere"), "does not exist"),
    "loop of links": (lambda path: link(path, path.name), "levels of symbolic links"),
    "folder": (lambda path: path.parent, "is a folder"),
    "pipe": (fifo, "is not a regular file"),
    "name too long": (lambda path: path.with_name("x" * 300), "name too long"),
    "null in name": (lambda path: f"{path}\0", "null"),
    "empty": (lambda path: write(path, b""), "is empty"),
    "text": (lambda path: write(path, b"not an image\n"), "is not an image of a known format"),
    "unknown format": (lambda path: write(path, saved(picture(), "TGA")), "known format"),
    "JPEG magic alone": (lambda path: write(path, b"\xff\xd8\xff"), ""),
    "truncated": (lambda path: write(path, PNG[: len(PNG) // 2]), "truncated"),
    "header alone": (lambda path: write(path, PNG[:40]), ""),
}


@pytest.mark.parametrize("kind", REFUSED_FILES)
def test_refused_files(kind: str, tmp_path: Path) -> None:
    make, message = REFUSED_FILES[kind]
    with pytest.raises(DecodeError, match=f"(?i){message}"):
        decode(make(tmp_path / "image.png"))


def test_a_pipe_in_the_place_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Swapped at the last moment: what has been opened is looked at, and nobody waits for it."""
    path = write(tmp_path / "image.png", PNG)
    opened = os.open

    def swap_and_open(file: Any, *arguments: Any, **options: Any) -> int:
        path.unlink()
        os.mkfifo(path)
        return opened(file, *arguments, **options)

    monkeypatch.setattr("os.open", swap_and_open)
    with pytest.raises(DecodeError, match=r"^is not a regular file$"):
        decode(path)
    assert image_size(path) is None


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "image.png", PNG)

    def refuse(*_: object) -> None:  # root may read everything: the system's refusal is played
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(DecodeError, match=r"^permission denied$"):
        decode(path)


@pytest.mark.parametrize("source", [None, 7, [1, 2], object()])
def test_refused_types(source: object) -> None:
    with pytest.raises(DecodeError, match=r"expected a path, bytes, .* got"):
        decode(source)


def test_file_that_fails() -> None:
    class Failing(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(DecodeError, match="input/output error"):
        decode(Failing())


def test_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 33 * 47 // 2 - 1)
    with pytest.raises(DecodeError, match=r"^has more pixels than the limit: .*exceeds limit"):
        decode(PNG)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "two_frames.mp4"
    frames = crops(2, 32, 48, 3)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"os\.fork\(\)")  # imageio-ffmpeg's, by which JAX warns
        imageio.imwrite(path, frames, fps=1, codec="libx264", macro_block_size=16)
    return path


def test_video_is_opt_in(video: Path) -> None:
    with pytest.raises(DecodeError, match="is not an image of a known format"):
        decode(video)


# imageio-ffmpeg leaves its pipes to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("formats", [("mp4",), (".MP4", "cr2")])
def test_first_frame_of_video(video: Path, formats: tuple[str, ...]) -> None:
    pixels = decode(video, formats=formats)
    np.testing.assert_array_equal(pixels, imageio.imread(video, index=0))
    gc.collect()
    # Lossy, but the first picture and no other.
    errors = np.abs(pixels.astype(float) - crops(2, 32, 48, 3)).mean((1, 2, 3))
    assert errors[0] < 20 < errors[1]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_picture_through_imageio(mode: str, tmp_path: Path) -> None:
    image = picture().convert(mode)
    path = write(tmp_path / "image.tga", saved(image, "TGA"))
    expected = np.asarray(image if mode == "L" else image.convert("RGB"))
    np.testing.assert_array_equal(decode(path, formats=("tga",)), expected)


def test_buffer_is_asked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though simplejpeg gives up half way, and so does Pillow, and imageio has the last word."""
    jpeg = saved(Image.fromarray(crops(1, 200, 300, 3)[0]), "JPEG")
    path = write(tmp_path / "cut.jpg", jpeg[: len(jpeg) // 2])
    expected = crops(1, 33, 47)[0]
    monkeypatch.setattr(_decode, "_imageio_pixels", lambda file, suffix: expected)
    shapes = []

    def allocate(shape: tuple[int, ...]) -> Pixels:
        shapes.append(shape)
        return np.empty(shape, np.uint8)

    np.testing.assert_array_equal(decode(path, allocate, formats=("jpg",)), expected)
    assert shapes == [(33, 47)]


def test_threads(tmp_path: Path) -> None:
    """Nothing is shared between calls."""
    path = write(tmp_path / "image.png", PNG)
    results: list[Pixels] = []
    threads = [
        threading.Thread(target=lambda: results.extend(decode(path) for _ in range(10)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 40
    for pixels in results:
        np.testing.assert_array_equal(pixels, picture())


def jpeg_441() -> bytes:
    """A JPEG whose luma is sampled 1×4, which simplejpeg's table of samplings lacks."""
    grey = Image.linear_gradient("L").resize((64, 64))
    content = bytearray(saved(Image.merge("RGB", [grey] * 3), "JPEG", subsampling=0))
    content[content.index(b"\xff\xc0") + 11] = 0x14
    return bytes(content)


def test_pillow_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    np.testing.assert_array_equal(decode(jpeg_441()), as_imagededup_sees(jpeg_441()))
    content = saved(picture(), "JPEG")
    for name in ("decode_jpeg_header", "decode_jpeg"):
        with monkeypatch.context() as patch:
            patch.setattr(_decode.simplejpeg, name, lambda *_, **__: {}[6])
            np.testing.assert_array_equal(decode(content), as_imagededup_sees(content))
            np.testing.assert_array_equal(
                decode(content, draft_size=(999, 999)), as_imagededup_sees(content)
            )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyError(6), "is damaged"),
        (OSError("image file is truncated"), "is damaged: image file is truncated"),
        (SyntaxError("broken PNG file\n(chunk)"), "is damaged: broken PNG file (chunk)"),
        (MemoryError(), "takes more memory than there is"),
        (ValueError("x" * 1000), "is damaged: " + "x" * 200),
    ],
)
def test_reasons_are_for_users(
    error: Exception, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(_decode, "image_pixels", fail)
    with pytest.raises(DecodeError) as told:
        decode(PNG)
    assert str(told.value) == reason


def test_arrays_of_jax() -> None:
    """What can't be handed out is not damaged; and bfloat16 is cast as the float32 that it is."""
    values = np.random.default_rng(0).integers(0, 256, (5, 7)).astype(np.float32)
    small = jnp.asarray(values, jnp.bfloat16)
    np.testing.assert_array_equal(decode(small), np.asarray(small, np.float32).astype(np.uint8))
    scaled = decode(small / 256, range="scale")
    np.testing.assert_array_equal(scaled, np.round(np.float64(small / 256) * 255))
    small.delete()
    with pytest.raises(DecodeError, match=r"^can't be read: Array has been deleted"):
        decode(small)


@pytest.mark.parametrize("prepare", [lambda item: item, own])
def test_files_of_text_are_refused(prepare: Callable[[Any], Any], tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text(str(tmp_path / "a.png"))
    (tmp_path / "a.png").write_bytes(saved(picture()))
    with path.open() as file, pytest.raises(DecodeError, match="expected a binary file, got Text"):
        decode(prepare(file))
    with pytest.raises(DecodeError, match="expected a binary file, got StringIO"):
        decode(prepare(io.StringIO(path.read_text())))
    with pytest.raises(DecodeError, match="expected a binary file, got SimpleNamespace"):
        decode(prepare(SimpleNamespace(read=path.read_text)))
