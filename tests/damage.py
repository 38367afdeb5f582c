"""Small files of all formats, their damage, and Pillow's judgement of it."""

import io
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FORMATS = ("JPEG", "PNG", "BMP", "PPM", "TIFF", "GIF", "WEBP")


def _files() -> dict[str, bytes]:
    grey = Image.linear_gradient("L").resize((33, 21))
    colour = Image.merge("RGB", [grey, grey.rotate(180), grey.rotate(90)])
    files = {}
    for format in FORMATS:
        for mode, image in {"L": grey, "RGB": colour, "RGBA": colour.convert("RGBA")}.items():
            if format in ("JPEG", "PPM") and mode == "RGBA":
                continue
            file = io.BytesIO()
            image.save(file, format)
            files[f"{format} {mode}"] = file.getvalue()
    for name, options in {
        "progressive JPEG": {"progressive": True},
        "4:2:2 JPEG": {"subsampling": 1},
        "CMYK JPEG": {},
    }.items():
        file = io.BytesIO()
        (colour.convert("CMYK") if "CMYK" in name else colour).save(file, "JPEG", **options)
        files[name] = file.getvalue()
    return files


FILES = _files()


def damaged(content: bytes, edits: Iterable[tuple[int, int]], kept: float = 1.0) -> bytes:
    """A file with some bytes replaced, at places modulo its length, and its end cut off."""
    changed = bytearray(content)
    for place, value in edits:
        changed[place % len(changed)] = value
    return bytes(changed[: int(kept * len(changed))])


def pillow_pixels(content: bytes) -> NDArray[np.uint8] | None:
    """The pixels as imagededup would see them; None where Pillow refuses the file."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.mode in ("RGB", "L"):
                pixels = np.asarray(image)
            else:
                pixels = np.asarray(image.convert("RGBA").convert("RGB"))
    except Exception:
        return None
    return pixels if pixels.size else None
