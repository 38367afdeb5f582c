"""ImageHash's own hashes, of files and of natural crops: no bit differs, but for WHash's ties."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from numpy.typing import NDArray

from jaxdedup import from_hex, imagehash, to_hex
from jaxdedup.encoding import METHODS, Encodings, Recipe, encode, method_named
from jaxdedup.image import luma_on_host, resize_on_host
from jaxdedup.loading import Folder
from tests.pictures import crops, crops_of_any_size

STORED = dict(np.load(Path(__file__).with_name("imagehash.npz")))
COUNT = len(STORED["phash-8"])
CALLS = [call for call in STORED if call.partition("-")[0] in imagehash.HASHES]
# By the differing bits and images: all of them are ties, which ImageHash breaks by its noise.
TIES = {"whash-8": (4, 4), "whash-16": (57, 37)}


@pytest.fixture(scope="module")
def natural() -> list[NDArray[np.uint8]]:
    return crops_of_any_size(COUNT)


def rows_of(method: str, items: Any) -> Encodings:
    recipe = Recipe(method_named(f"imagehash-{method}"))
    return Encodings.collect(encode(items, recipe), recipe)


def tied_bits(image: NDArray[np.uint8], n: int) -> NDArray[np.bool_]:
    """Which block sums are the middle two of all, and so equal as these are."""
    luma = luma_on_host(image) if image.ndim == 3 else image
    side = max(1 << min(luma.shape).bit_length() - 1, n)
    blocks = resize_on_host(luma, (side, side)).reshape(n, side // n, n, side // n)
    sums = blocks.sum((1, 3), dtype=np.int64).reshape(-1)
    low, high = np.sort(sums)[n * n // 2 - 1 : n * n // 2 + 1]
    return (sums == low) & (low == high)


@pytest.mark.parametrize("call", CALLS)
def test_natural_crops(call: str, natural: list[NDArray[np.uint8]]) -> None:
    rows = rows_of(call, enumerate(natural)).rows
    different = np.unpackbits(rows ^ STORED[call], axis=1).astype(bool)
    assert (different.sum(), different.any(axis=1).sum()) == TIES.get(call, (0, 0))
    for place in np.flatnonzero(different.any(axis=1)):
        n = int(call.split("-")[1])
        assert not (different[place] & ~tied_bits(natural[place], n)).any()


FILES = json.loads(
    (Path(__file__).parents[1] / "data" / "reference" / "imagehash_and_pdq.json").read_text()
)["hashes"]
KEYS = {f"{call}_{n}": f"{call}-{n}" for call in imagehash.HASHES for n in (8, 16)}
KEYS |= {"whash_8_scale256": "whash-8-256", "colorhash_3": "colorhash"}
KEYS = {key: call for key, call in KEYS.items() if key in FILES["rgb_200x150.png"]}
# Small or narrow: WHash's tied images, as above, and how many bits differ.
TIED = {
    "whash_8": {"strip_512x7.png": 1, "tiny_5x5.png": 1, "tiny_8x8.png": 2, "tiny_9x8.png": 2},
    "whash_16": {
        **{"rgb_32x32.png": 2, "strip_512x7.png": 1, "strip_7x512.png": 1, "tiny_5x5.png": 11},
        **{"tiny_8x8.png": 1, "tiny_9x8.png": 3, "wide_400x100.png": 1},
    },
}


@pytest.mark.parametrize("key", KEYS)
def test_reference_files(key: str, reference_images: Path) -> None:
    found = rows_of(KEYS[key], Folder(reference_images))
    for name, row in FILES.items():
        expected = row[key] if row else None
        if name in TIED.get(key, {}):
            bits = int(expected, 16) ^ int(found[name], 16)
            assert bits.bit_count() == TIED[key][name], name
        else:
            assert found.get(name) == expected, name


def test_array_functions() -> None:
    """The same rows as the stream's, from a program; of a batch, and under vmap."""
    images = crops(6, 90, 120, 3)
    for name in imagehash.HASHES:
        function = getattr(imagehash, name)
        expected = rows_of(name, enumerate(images)).rows
        np.testing.assert_array_equal(jax.jit(function)(images), expected)
    for name in ("phash", "colorhash"):  # of a plane, and of the pixels themselves
        grey = jax.vmap(getattr(imagehash, name))(images[..., 1])
        np.testing.assert_array_equal(grey, rows_of(name, enumerate(images[..., 1])).rows)


@pytest.mark.usefixtures("little_optimized")
def test_sizes_and_names() -> None:
    image = crops(1, 60, 80, 3)[0]
    hashed = imagehash.phash(image, 16, 2)
    assert to_hex(hashed) == rows_of("phash-16-2", [(0, image)])[0]
    assert method_named("imagehash-phash-8") == METHODS["imagehash-phash"]
    assert method_named("imagehash-whash-8-256").size == (256, 256)
    assert method_named("imagehash-whash-8-512").size == ()
    assert METHODS["imagehash-colorhash"].row.threshold == 2
    digits = to_hex(imagehash.colorhash(image), bits=42)
    assert len(digits) == 11
    np.testing.assert_array_equal(from_hex(digits, bits=42), imagehash.colorhash(image))
    for scale in (512, None):
        expected = imagehash.whash(image, 8, scale)
        name = "whash-8-512" if scale else "whash"
        np.testing.assert_array_equal(rows_of(name, [(0, image)]).rows[0], expected)


WRONG: list[tuple[str, tuple, type[Exception], str]] = [
    ("phash", (0,), ValueError, "hash_size to be an integer from 2 to 128, got 0"),
    ("phash", ("16",), TypeError, "hash_size to be an integer from 2 to 128, got '16'"),
    ("phash", (64,), ValueError, "a table of at most 128 MB, got 1280 MB"),
    ("phash", (8, 0), ValueError, "highfreq_factor to be an integer from 1 to 128, got 0"),
    ("phash_simple", (16, 9), ValueError, "highfreq_factor to be an integer from 2 to 8, got 9"),
    ("average_hash", (10**6,), ValueError, "hash_size to be an integer from 2 to 128, got 1000000"),
    ("whash", (12,), ValueError, "hash_size to be a power of two, got 12"),
    ("whash", (16, 8), ValueError, "image_scale of at least hash_size 16, got 8"),
    ("whash", (8, 100), ValueError, "image_scale to be a power of two, got 100"),
    ("colorhash", (9,), ValueError, "binbits to be an integer from 1 to 8, got 9"),
]


@pytest.mark.parametrize(("name", "sizes", "error", "message"), WRONG)
def test_wrong_sizes(name: str, sizes: tuple, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        jax.eval_shape(lambda x: getattr(imagehash, name)(x, *sizes), np.zeros((40, 40), np.uint8))


def test_colours_of_too_many_pixels_are_refused() -> None:
    image = jax.ShapeDtypeStruct((1 << 14, 1 << 14, 3), np.uint8)
    with pytest.raises(ValueError, match="fewer than 268435456 pixels an image, got 268435456"):
        jax.eval_shape(imagehash.colorhash, image)
    with pytest.raises(ValueError, match="draft goes with a method that resizes, got imagehash-c"):
        Recipe(METHODS["imagehash-colorhash"], draft=True)
