"""Folders of natural JPEGs to measure on, cut from scikit-image's pictures."""

import random
import shutil
from pathlib import Path

import skimage.data
from PIL import Image

PICTURES = ("astronaut", "chelsea", "coffee", "immunohistochemistry", "retina", "rocket")
DISTINCT = 50  # images that a uniform folder holds; the rest are copies, to save preparation
SIZES = {"64x64": (64, 64), "256x256": (256, 256), "640x480": (640, 480), "4000x3000": (4000, 3000)}


def pictures() -> list[Image.Image]:
    return [Image.fromarray(getattr(skimage.data, name)()).convert("RGB") for name in PICTURES]


def crop(picture: Image.Image, size: tuple[int, int], rng: random.Random) -> Image.Image:
    """A random part of a picture, at the given ``(width, height)``."""
    scale = rng.uniform(0.5, 1.0) * min(picture.width / size[0], picture.height / size[1])
    width, height = size[0] * scale, size[1] * scale
    left = rng.uniform(0, picture.width - width)
    top = rng.uniform(0, picture.height - height)
    box = (left, top, left + width, top + height)
    return picture.resize(size, Image.Resampling.BICUBIC, box=box)


def uniform_folder(root: Path, name: str, count: int) -> Path:
    """``count`` JPEGs of one size; made once."""
    return _fill(root / f"{name}-{count}", count, lambda rng: SIZES[name], damaged=False)


def mixed_folder(root: Path, count: int) -> Path:
    """JPEG, PNG, WEBP, GIF and BMP files of many sizes, one in fifty of them damaged."""
    sides = (160, 240, 320, 480, 512, 600, 640, 768, 800, 1024, 1280, 1600)

    def size(rng: random.Random) -> tuple[int, int]:
        return rng.choice(sides), rng.choice(sides)

    return _fill(root / f"mixed-{count}", count, size, damaged=True)


def _fill(folder: Path, count: int, size, *, damaged: bool) -> Path:
    if folder.exists():
        return folder
    rng = random.Random(count)
    sources = pictures()
    unfinished = folder.with_name(folder.name + ".part")
    unfinished.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        if not damaged and i >= DISTINCT:
            shutil.copy(unfinished / f"{i % DISTINCT:06}.jpg", unfinished / f"{i:06}.jpg")
            continue
        suffix = rng.choice(["jpg"] * 6 + ["png", "webp", "gif", "bmp"]) if damaged else "jpg"
        path = unfinished / f"{i:06}.{suffix}"
        options = {"quality": 90} if suffix == "jpg" else {}
        crop(sources[i % len(sources)], size(rng), rng).save(path, **options)
        if damaged and i % 50 == 0:
            content = path.read_bytes()
            path.write_bytes(content[: len(content) // 2])
    unfinished.rename(folder)
    return folder
