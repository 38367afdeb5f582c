"""The planned weights of an axis are Pillow's."""

import numpy as np
import pytest
from PIL import Image

from jaxdedup.image import windows

LENGTHS = [(1, 5), (2, 300), (9, 9), (40, 32), (64, 100), (640, 32), (5000, 8), (40_001, 3)]


def extremes(rng, length):
    """Rows of noise, of black and white, and of white alone, which make the largest sums."""
    noise = rng.integers(0, 256, (4, length), dtype=np.uint8)
    saturated = (rng.integers(0, 2, (4, length)) * 255).astype(np.uint8)
    return np.concatenate([noise, saturated, np.full((1, length), 255, np.uint8)])


@pytest.mark.parametrize(("length", "outputs"), LENGTHS)
def test_sums_equal_pillow(length, outputs):
    image = extremes(np.random.default_rng(length), length)
    first, stop, taps = windows(length, outputs)
    sums = np.zeros((len(image), outputs), np.int64)
    for output in range(outputs):
        count = stop[output] - first[output]
        assert not taps[output, count:].any()
        pixels = image[:, first[output] : stop[output]].astype(np.int64)
        sums[:, output] = pixels @ taps[output, :count].astype(np.int64)
    assert np.abs(sums).max() < 2**31 - 2**21
    found = np.clip((sums + 2**21) >> 22, 0, 255)
    size = (outputs, len(image))
    expected = Image.fromarray(image).resize(size, Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_the_bound_on_weights_is_far_from_reached():
    lengths = [*range(1, 40), 97, 256, 1000]
    for length in lengths:
        for outputs in lengths:
            taps = windows(length, outputs).taps
            assert np.maximum(taps, 0).sum(axis=1).max() < 1.4 * 2**22
            assert np.abs(taps.sum(axis=1) - 2**22).max() < taps.shape[1]


def test_windows_are_cached_and_read_only():
    planned = windows(480, 32)
    assert windows(480, 32) is planned
    for array in planned:
        assert array.dtype == np.int32
        assert not array.flags.writeable
    assert (np.diff(planned.first) >= 0).all()
    assert (np.diff(planned.stop) >= 0).all()
