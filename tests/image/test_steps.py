"""Images of any sizes in one call equal the installed Pillow, one by one."""

import jax
import numpy as np
import pytest
from PIL import Image

from jaxdedup.image import _steps

SIZES = [(1, 1), (1, 2000), (2000, 1), (2, 3), (33, 1000), (1000, 33), (64, 64), (65, 127), (128, 129)]
SIZES += [(480, 640), (640, 48), (2000, 1500), (300, 8), (31, 33), (97, 131)]


def images_of(rng, shapes):
    images = []
    for height, width in shapes:
        shape = (height, width, 3) if rng.random() < 0.7 else (height, width)
        image = rng.integers(0, 256, shape, dtype=np.uint8)
        images.append(np.where(image < 128, 0, 255).astype(np.uint8) if rng.random() < 0.4 else image)
    return images


def pillow(image, size):
    image = Image.fromarray(image).convert("RGB")
    return np.asarray(image.resize(size[::-1], Image.Resampling.LANCZOS))


def packed(rng, images, pixels, gap=3):
    """The images one after another, with noise between and behind them."""
    flat = rng.integers(0, 256, pixels, dtype=np.uint8)
    offsets, end = [], gap
    for image in images:
        offsets.append(end)
        flat[end : end + image.size] = image.reshape(-1)
        end += image.size + gap
    return flat, offsets


@pytest.mark.parametrize("size", [(8, 8), (8, 9), (32, 32), (224, 224), (256, 256)])
def test_any_sizes_in_one_call(size):
    rng = np.random.default_rng(size)
    shapes = SIZES + [tuple(2 ** rng.uniform(0, 9, 2).astype(int)) for _ in range(17)]
    images = images_of(rng, shapes)
    capacity = _steps.capacity(16 << 20, 32, size, weights_share=3)
    flat, offsets = packed(rng, images, capacity.pixels)
    planner = _steps.Planner(size, capacity)
    for image, offset in zip(images, offsets, strict=True):
        assert planner.add(offset, *image.shape[:2], 3 if image.ndim == 3 else 1)
    resized = _steps.resize_flat(flat, jax.tree.map(jax.numpy.asarray, planner.tables()), size, capacity)
    for image, ours in zip(images, np.asarray(resized), strict=True):
        np.testing.assert_array_equal(ours, pillow(image, size), str(image.shape))
