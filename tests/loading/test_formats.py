"""Formats that are read where they are asked for, and what is said where they are not."""

import io
import sys
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from jaxdedup.loading import DecodeError, _formats, decode, image_size


def avif() -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(file, "AVIF")
    return file.getvalue()


def test_avif() -> None:
    with Image.open(io.BytesIO(avif())) as image:
        expected = np.asarray(image)
    np.testing.assert_array_equal(decode(avif(), formats=["AVIF"]), expected)
    with pytest.raises(DecodeError, match=r"is AVIF, which is read if asked for: formats=\('avif'"):
        decode(avif())
    with pytest.raises(DecodeError, match="is AVIF, but damaged"):
        decode(avif()[:64], formats=["avif"])


def test_heic() -> None:
    heif = pillow_heif.from_pillow(Image.linear_gradient("L").convert("RGB"))
    file = io.BytesIO()
    heif.save(file)
    expected = np.asarray(pillow_heif.open_heif(io.BytesIO(file.getvalue())))
    np.testing.assert_array_equal(decode(file.getvalue(), formats=["heic"]), expected)


def test_only_formats_that_are_read_have_a_size() -> None:
    other = io.BytesIO()
    Image.new("L", (16, 16)).save(other, "ICO")
    assert [image_size(item) for item in (avif(), other.getvalue())] == [(256, 256), None]


HEADS = {
    "heic": (b"\0\0\0\x18ftypheic", "is HEIF", "needs pillow-heif: pip install pillow-heif"),
    "jxl": (b"\0\0\0\x0cJXL \r\n", "is JXL", "needs pillow-jxl-plugin: pip install pillow-jxl"),
}


@pytest.mark.parametrize("format", HEADS)
def test_plugins_that_are_missing(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    head, is_it, needs = HEADS[format]
    for module in ("pillow_heif", "pillow_jxl"):
        monkeypatch.setitem(sys.modules, module, None)
    for cached in (_formats._load, _formats.pillow_formats):
        cached.cache_clear()
    with pytest.raises(DecodeError, match=f"{is_it}, which is read if asked for"):
        decode(head)
    with pytest.raises(DecodeError, match=f"{is_it}, which {needs}"):
        decode(head, formats=(format,))
    for cached in (_formats._load, _formats.pillow_formats):
        cached.cache_clear()


def test_a_camera_s_own_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)
    path = tmp_path / "photo.cr2"
    path.write_bytes(b"no image")
    with pytest.raises(DecodeError, match=r"is CR2, which needs rawpy: pip install rawpy"):
        decode(path, formats=("cr2",))
