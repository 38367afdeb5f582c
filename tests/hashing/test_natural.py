"""Natural pictures: no bit differs from Pillow, SciPy and PyWavelets, but for WHash's ties."""

import numpy as np
import pytest
from numpy.typing import NDArray

import jaxdedup
from jaxdedup import from_hex
from tests import exact_hashes
from tests.pictures import crops
from tests.pillow_hashes import HASHES, resized_luma

# 1,536 crops: larger and smaller than the hashes' sizes, wide, and tall enough for the vertical
# pass to go first.
SHAPES = [(60, 90, 3), (160, 60, 3), (100, 100), (33, 47, 3)]
_CROPS, _BATCH = 384, 128


def in_batches(method: str, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    hash_of = getattr(jaxdedup, method)
    batches = (images[i : i + _BATCH] for i in range(0, len(images), _BATCH))
    return np.unpackbits(np.concatenate([hash_of(batch) for batch in batches]), axis=1)


def by_floats(method: str, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.unpackbits(from_hex([HASHES[method](image) for image in images]), axis=1)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("method", ["ahash", "dhash", "phash"])
def test_no_bit_differs(method: str, shape: tuple[int, ...]) -> None:
    images = crops(_CROPS, *shape)
    np.testing.assert_array_equal(in_batches(method, images), by_floats(method, images))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_whash_differs_in_ties_only(shape: tuple[int, ...]) -> None:
    images = crops(_CROPS, *shape)
    bits, floats = in_batches("whash", images), by_floats("whash", images)
    differing = np.flatnonzero((bits != floats).any(axis=1))
    assert len(differing) < _CROPS / 100
    for i in differing:
        exact, tied = exact_hashes.whash_bits(resized_luma(images[i], 256, 256))
        np.testing.assert_array_equal(bits[i], exact)
        assert not ((bits[i] != floats[i]) & ~tied).any()
