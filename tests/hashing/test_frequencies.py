"""The DCT is exact: the same integers on the host and on a device, and SciPy's DCT up to its noise.

Images are noise of black and white, and what lets the sums grow largest: white ones, and the signs
of a frequency. The sides are folded once or twice, with and without a middle line.
"""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.fft import dctn

from jaxdedup.hashing._dct import low_frequencies

SIDES = [(32, 8), (63, 9), (64, 3), (64, 16), (66, 11), (100, 25), (128, 32)]  # and frequencies


def extremes(side: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(side)
    cosines = np.cos(np.pi * np.outer(np.arange(count), 2 * np.arange(side) + 1) / (2 * side))
    signs = [np.outer(cosines[i], cosines[j]) > 0 for i, j in rng.integers(0, count, (8, 2))]
    noise = rng.random((4, side, side)) < 0.5
    return np.uint8(255) * np.concatenate([noise, signs, np.ones((1, side, side), bool)])


@pytest.mark.parametrize(("side", "count"), SIDES)
def test_frequencies(side: int, count: int) -> None:
    images = extremes(side, count)
    on_host = low_frequencies(images, count)
    on_device = low_frequencies(jnp.asarray(images), count)
    frequencies = on_host.values[:, on_host.places]
    high, low = (np.asarray(part, np.int64)[:, on_device.places] for part in on_device.values)
    np.testing.assert_array_equal(high * 2**28 + low, frequencies)
    # Twice the basis in 32 bits of fraction; SciPy's has twice each cosine.
    expected = dctn(images.astype(np.float64), axes=(1, 2))[:, :count, :count].reshape(-1, count**2)
    atol = 1e-9 * expected.max()
    np.testing.assert_allclose(frequencies / 2.0**31, expected, rtol=0, atol=atol)
