"""Draft mode: the JPEG decoder scales down, within limits, and nothing calls the result exact."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxdedup import cli
from jaxdedup.encoding import METHODS as ALL
from jaxdedup.encoding import Recipe, _device, decoder, load
from jaxdedup.loading import decode
from jaxdedup.methods import AHash, DHash, PHash, WHash
from tests.pictures import Pixels, colour_pictures, crops
from tests.pillow_hashes import HASHES

METHODS = {"ahash": AHash, "dhash": DHash, "phash": PHash, "whash": WHash}


def jpeg(picture: Pixels, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", **options)
    return file.getvalue()


def enlarged(picture: Pixels, height: int, width: int) -> Pixels:
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


NATURAL = [jpeg(picture) for picture in colour_pictures()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "photographs"
    path.mkdir()
    for i, content in enumerate(NATURAL):
        (path / f"{i}.jpg").write_bytes(content)
    return path


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The sizes of the images that the encoders get to see."""
    sizes = []

    def spy(*arguments: object, **options: object) -> Pixels:
        pixels = decode(*arguments, **options)
        sizes.append(pixels.shape[:2])
        return pixels

    monkeypatch.setattr(_device, "decode", spy)
    return sizes


SIZES = [(1600, 900), (480, 640), (130, 131), (129, 700), (65, 65), (64, 300), (300, 18), (16, 17)]


@pytest.mark.parametrize("size", [m.size for m in ALL.values() if m.size] + [(60, 40)], ids=str)
def test_never_below_twice_the_target(size: tuple[int, int]) -> None:
    """And by the smallest eighth that allows it."""
    decode = decoder(Recipe(replace(ALL["phash"], size=size), draft=True))
    least = 2 * np.array(size)
    for full in SIZES:
        got = decode(jpeg(np.zeros((*full, 3), np.uint8))).shape[:2]
        scaled = [tuple(-(-np.multiply(full, k) // 8)) for k in range(1, 9)]
        allowed = [s for s in scaled if (s >= np.minimum(least, full)).all()]
        assert got == allowed[0], full


@pytest.mark.parametrize("method", METHODS)
def test_small_images_are_exact(method: str) -> None:
    height, width = 2 * np.array(ALL[method].size)
    sizes = [(height, 600), (600, width)]
    contents = [jpeg(enlarged(crops(1, 90, 90, 3)[0], *size)) for size in sizes]
    expected = METHODS[method](verbose=False).encode_batch(contents)
    assert METHODS[method](verbose=False, draft=True).encode_batch(contents) == expected


def test_other_formats_are_exact() -> None:
    file = io.BytesIO()
    Image.fromarray(colour_pictures()[0]).save(file, "PNG")
    expected = HASHES["dhash"](colour_pictures()[0])
    assert DHash(verbose=False, draft=True).encode_batch([file.getvalue()]) == [expected]


@pytest.mark.parametrize("method", METHODS)
def test_few_bits_differ(method: str) -> None:
    contents = NATURAL
    if method == "whash":  # twice its size is 512
        contents = [jpeg(enlarged(picture, 1100, 1200)) for picture in colour_pictures()[:3]]
    exact = METHODS[method](verbose=False).encode_batch(contents)
    draft = METHODS[method](verbose=False, draft=True).encode_batch(contents)
    bits = [PHash.hamming_distance(*pair) for pair in zip(exact, draft, strict=True)]
    assert max(bits) <= 4
    assert np.mean(bits) <= 1


def test_scaled_by_libjpeg() -> None:
    """The eighth of a picture is the one that Pillow's own draft mode gives."""
    for content in NATURAL:
        with Image.open(io.BytesIO(content)) as image:
            if image.size != (512, 512):
                continue
            image.draft("RGB", (64, 64))
            assert image.size == (64, 64)
            expected = HASHES["dhash"](np.asarray(image))
        assert DHash(verbose=False, draft=True).encode_batch([content]) == [expected]


def test_by_encoder_or_by_call(folder: Path, decoded: list) -> None:
    """The argument of the call goes before that of the encoder, and does not outlast it."""
    exact, draft = AHash(verbose=False), AHash(verbose=False, draft=True)
    true = sorted(picture.shape[:2] for picture in colour_pictures())
    found = []
    for encoder, argument, is_draft in [
        (exact, None, False),
        (exact, True, True),
        (exact, None, False),
        (draft, None, True),
        (draft, False, False),
        (draft, None, True),
    ]:
        decoded.clear()
        found.append((is_draft, encoder.encode_images(folder, draft=argument)))
        assert (sorted(decoded) == true) != is_draft
        assert (max(max(size) for size in decoded) < 300) == is_draft
    by_draft = dict(found)
    assert all(encodings == by_draft[is_draft] for is_draft, encodings in found)
    decoded.clear()
    assert draft.encode_image(folder / "0.jpg") == by_draft[True]["0.jpg"]
    assert decoded == [(64, 64)]


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_command_line(suffix: str, folder: Path) -> None:
    path = folder.parent / f"hashes{suffix}"
    words = ["encode", str(folder), "--method", "dhash", "--output", str(path), "--quiet"]
    assert cli.main([*words, "--draft"]) == 0
    stored = load(path)
    assert stored.origin.draft
    assert stored == DHash(verbose=False, draft=True).encode_images(folder)
    assert cli.main(words) == 0
    stored = load(path)
    assert not stored.origin.draft
    assert stored == DHash(verbose=False).encode_images(folder)


def damaged(content: bytes) -> list[bytes]:
    rng = np.random.default_rng(0)
    files = [content[: int(part * len(content))] for part in (0.1, 0.5, 0.9, 0.99)]
    for _ in range(60):
        broken = bytearray(content)
        for position in rng.integers(2, len(content), 2):
            broken[position] = rng.integers(256)
        files.append(bytes(broken))
    return files


def loads(content: bytes) -> bool:
    """Whether Pillow takes it."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
    except Exception:
        return False
    return True


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
@pytest.mark.filterwarnings("default")  # Pillow's, about what is damaged
def test_damaged_files_are_judged_by_pillow(options: dict) -> None:
    files = damaged(jpeg(crops(1, 150, 140, 3)[0], **options))
    expected = [loads(content) for content in files]
    assert 0 < sum(expected) < len(files)
    encodings = DHash(verbose=False, draft=True).encode_batch(files)
    assert [encoding is not None for encoding in encodings] == expected
