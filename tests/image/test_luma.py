"""`rgb_to_luma` equals Pillow's ``convert("L")`` on every colour."""

import jax
import numpy as np
import pytest
from PIL import Image

from jaxdedup.image import rgb_to_luma


@pytest.fixture(scope="module")
def colours():
    """All 2²⁴ of them, as a picture."""
    index = np.arange(2**24, dtype=np.uint32)
    planes = [(index >> shift & 255).astype(np.uint8) for shift in (16, 8, 0)]
    return np.stack(planes, axis=-1).reshape(4096, 4096, 3)


@pytest.mark.parametrize("profile", ["pillow13", "pillow9"])
def test_every_colour_equals_pillow(colours, profile):
    expected = np.asarray(Image.fromarray(colours).convert("L"))
    np.testing.assert_array_equal(rgb_to_luma(colours, profile=profile), expected)


def test_every_colour_truncated_in_pillow6(colours):
    red, green, blue = (colours[..., c].astype(np.int64) for c in range(3))
    expected = (19595 * red + 38470 * green + 7471 * blue) // 65536
    np.testing.assert_array_equal(rgb_to_luma(colours, profile="pillow6"), expected)


def test_transformations_change_nothing(colours):
    images = colours[::64, ::64].reshape(4, 16, 64, 3)
    eager = rgb_to_luma(images)
    np.testing.assert_array_equal(jax.jit(rgb_to_luma)(images), eager)
    np.testing.assert_array_equal(jax.vmap(rgb_to_luma)(images), eager)


@pytest.mark.parametrize(
    ("images", "profile", "error", "message"),
    [
        (np.zeros((4, 3), np.int32), "pillow13", TypeError, "dtype uint8, got int32"),
        (np.zeros((4, 4), np.uint8), "pillow13", ValueError, r"\[..., 3\], got \[4, 4\]"),
        (np.zeros((), np.uint8), "pillow13", ValueError, r"got \[\]"),
        (np.zeros((4, 3), np.uint8), "pillow", ValueError, "pillow13, pillow9, pillow6"),
    ],
)
def test_errors(images, profile, error, message):
    with pytest.raises(error, match=message):
        rgb_to_luma(images, profile=profile)
