"""Images whose hashes hang on zeros and on equal numbers, where rounding noise would show.

Each hash is compared with the floats of imagededup and, for PHash and WHash, with exact arithmetic.
The two references differ in true ties alone, where the floats' noise decides; there, exact
arithmetic is the rule.
"""

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

import jaxdedup
from jaxdedup import from_hex
from tests import exact_hashes
from tests.pictures import crops
from tests.pillow_hashes import HASHES, resized_luma

Pixels = NDArray[np.uint8]


def constants(h: int, w: int) -> Iterator[Pixels]:
    for value in range(0, 256, 5):
        yield np.full((h, w), value)


def gradients(h: int, w: int) -> Iterator[Pixels]:
    y, x = np.mgrid[:h, :w]
    for slope in (x, y, x + 2 * y, 2 * x + y, 1 - x, 1 - y, 1 + y - 2 * x):
        for levels in (255, 30):
            yield (slope - slope.min()) * levels // np.ptp(slope)


def left_is_right(h: int, w: int) -> Iterator[Pixels]:
    for half in crops(60, h, w // 2):
        yield np.hstack([half, half[:, ::-1]])


def top_is_bottom(h: int, w: int) -> Iterator[Pixels]:
    for half in crops(60, h // 2, w):
        yield np.vstack([half, half[::-1]])


def fourfold(h: int, w: int) -> Iterator[Pixels]:
    for quarter in crops(60, h // 2, w // 2):
        half = np.hstack([quarter, quarter[:, ::-1]])
        yield np.vstack([half, half[::-1]])


def half_turn(h: int, w: int) -> Iterator[Pixels]:
    for half in crops(60, h // 2, w):
        yield np.vstack([half, half[::-1, ::-1]])


def stripes(h: int, w: int) -> Iterator[Pixels]:
    for axis in np.mgrid[:h, :w]:
        for width in (1, 2, 3, 4, 5, 8, 16):
            yield np.where(axis // width % 2, 10, 200)
            yield np.where(axis // width % 2, 255, 0)


def small_blocks(h: int, w: int) -> Iterator[Pixels]:
    for tile in np.random.default_rng(0).integers(0, 256, (60, h // 4, w // 4)):
        yield np.kron(tile, np.ones((4, 4), int))


def checkers(h: int, w: int) -> Iterator[Pixels]:
    y, x = np.mgrid[:h, :w]
    for height in (1, 2, 3, 4, 5, 8):
        for width in (1, 2, 3, 4, 7, 8):
            yield np.where((y // height + x // width) % 2, 10, 200)


def periodic(h: int, w: int) -> Iterator[Pixels]:
    for period in [(2, 4), (4, 4), (8, 4), (8, 8), (16, 8), (16, 16), (5, 7)]:
        for tile in crops(10, *period):
            repeats = -(-h // period[0]), -(-w // period[1])
            yield np.tile(tile, repeats)[:h, :w]


def sawteeth(h: int, w: int) -> Iterator[Pixels]:
    y, x = np.mgrid[:h, :w]
    for slope in (x, y, x + 2 * y, y - 3 * x):
        for period in (4, 8, 16, 50):
            yield slope % period * 250 // period


def rectangles(h: int, w: int) -> Iterator[Pixels]:
    rng = np.random.default_rng(0)
    for _ in range(150):
        image = np.full((h, w), rng.integers(256))
        for _ in range(rng.integers(1, 5)):
            top, bottom = np.sort(rng.integers(0, h + 1, 2))
            left, right = np.sort(rng.integers(0, w + 1, 2))
            image[top:bottom, left:right] = rng.integers(256)
        yield image


def large_blocks(h: int, w: int) -> Iterator[Pixels]:
    for tile in crops(60, h // 8, w // 8):
        yield np.kron(tile, np.ones((8, 8), np.uint8))


def transpose_symmetric(h: int, w: int) -> Iterator[Pixels]:
    for crop in crops(60, h, w):
        square = crop[:, :h]
        yield np.hstack([np.maximum(square, square.T), crop[:, h:]])


# Symmetry makes many coefficients exactly zero; the floats find the same zeros.
WITHOUT_NOISE = [constants, gradients, left_is_right, top_is_bottom, fourfold, half_turn, stripes]
WITHOUT_NOISE += [small_blocks]
# Here some compared numbers are equal, and the floats see them differ.
WITH_TIES = [checkers, periodic, sawteeth, rectangles, large_blocks, transpose_symmetric]
SHAPES = [(32, 32), (48, 80)]
_LARGEST_FAMILY = 150


def bits_by(method: str, images: Pixels) -> NDArray[np.bool_]:
    padding = np.zeros((_LARGEST_FAMILY - len(images), *images.shape[1:]), np.uint8)
    hashes = getattr(jaxdedup, method)(np.concatenate([images, padding]))  # one program for all
    return np.unpackbits(hashes, axis=1).astype(bool)[: len(images)]


def bits_by_floats(method: str, images: Pixels) -> NDArray[np.bool_]:
    hashes = from_hex([HASHES[method](image) for image in images])
    return np.unpackbits(hashes, axis=1).astype(bool)


def lumas(images: Pixels, side: int) -> Pixels:
    return np.stack([resized_luma(image, side, side) for image in images])


EXACT = {
    "phash": lambda images: exact_hashes.phash_bits(lumas(images, 32)),
    "whash": lambda images: np.stack(
        [exact_hashes.whash_bits(luma) for luma in lumas(images, 256)], axis=1
    ),
}


@cache
def images_of(family: Callable[[int, int], Iterator[Pixels]], shape: tuple[int, int]) -> Pixels:
    return np.stack(list(family(*shape))).astype(np.uint8)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("family", WITHOUT_NOISE + WITH_TIES)
@pytest.mark.parametrize("method", HASHES)
def test_degenerate_images(
    method: str, family: Callable[[int, int], Iterator[Pixels]], shape: tuple[int, int]
) -> None:
    images = images_of(family, shape)
    bits, floats = bits_by(method, images), bits_by_floats(method, images)
    if family in WITHOUT_NOISE or method not in EXACT:
        np.testing.assert_array_equal(bits, floats)
    if method in EXACT:
        exact, tied = EXACT[method](images)
        np.testing.assert_array_equal(bits, exact)
        assert not ((bits != floats) & ~tied).any()


def test_exact_arithmetic_agrees_with_floats_on_noise() -> None:
    """Where nothing is tied, the two references are the same."""
    images = np.random.default_rng(0).integers(0, 256, (100, 32, 32), np.uint8)
    exact, tied = exact_hashes.phash_bits(images)
    assert not tied.any()
    np.testing.assert_array_equal(exact, bits_by_floats("phash", images))
