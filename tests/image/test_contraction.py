"""Every way to contract gives Pillow's pixels, for one pass along one axis."""

import jax
import numpy as np
import pytest
from PIL import Image

from jaxdedup.image import AxisWeights, bucket_shape, plan_resize
from jaxdedup.image._contraction import resize_height, resize_width, sum_products

LENGTHS = [(1, 5), (2, 300), (9, 9), (40, 32), (64, 100), (640, 32), (5000, 8), (9001, 3)]


def extremes(rng, length, channels):
    """Rows of noise, of black and white, and of white alone, which make the largest sums."""
    shape = (4, length, channels)
    noise = rng.integers(0, 256, shape, dtype=np.uint8)
    saturated = (rng.integers(0, 2, shape) * 255).astype(np.uint8)
    return np.concatenate([noise, saturated, np.full(shape, 255, np.uint8)])


def one_pass(image, length):
    return np.asarray(
        Image.fromarray(image).resize((length, image.shape[0]), Image.Resampling.LANCZOS)
    ).swapaxes(0, 1)


@pytest.mark.parametrize(("length", "out"), LENGTHS)
def test_sums_of_products(length, out):
    image = extremes(np.random.default_rng(length), length, 3)
    weights = plan_resize(length, length, (out, out)).horizontal
    expected = one_pass(image, out)
    rows = jax.jit(sum_products, static_argnums=2)(image.reshape(len(image), -1).T, weights, 3)
    np.testing.assert_array_equal(rows, expected.swapaxes(1, 2).reshape(out * 3, -1))
    columns = jax.jit(sum_products)(image.swapaxes(0, 1).reshape(length, -1), weights)
    np.testing.assert_array_equal(columns, expected.reshape(out, -1))


@pytest.mark.parametrize("used", [1, 130, 700])
def test_passes_in_strips(used):
    """Of 700 rows or columns, not a multiple of a strip's, the used ones are right."""
    image = np.random.default_rng(used).integers(0, 256, (700, 300, 3), dtype=np.uint8)
    weights = plan_resize(300, 300, (32, 32)).horizontal
    expected = one_pass(image, 32)[:, :used]
    rows = jax.jit(resize_width, static_argnums=(2, 3))(
        image.reshape(700, -1), weights, 32, 3, used
    )
    assert rows.shape == (700, 96)
    np.testing.assert_array_equal(rows[:used].reshape(used, 32, 3), expected.swapaxes(0, 1))
    matrix = image.swapaxes(0, 1).reshape(300, -1)
    columns = jax.jit(resize_height, static_argnums=2)(matrix, weights, 32, 3 * used)
    assert columns.shape == (32, 2100)
    np.testing.assert_array_equal(columns[:, : 3 * used].reshape(32, used, 3), expected)


def test_the_bound_on_weights_is_far_from_reached():
    lengths = [*range(1, 40), 97, 256, 1000]
    for length in lengths:
        for out in lengths:
            taps = plan_resize(length, length, (out, out)).horizontal.taps
            assert np.maximum(taps, 0).sum(axis=1).max() < 1.4 * 2**22
            assert np.abs(taps.sum(axis=1) - 2**22).max() < taps.shape[1]


def test_shapes_depend_on_the_bucket_alone():
    for bucket in ((4, 4), (48, 64), (512, 640)):
        seen = {
            tuple(np.shape(leaf) for leaf in jax.tree.leaves(plan))
            for side in range(1, bucket[0] + 1)
            for plan in [plan_resize(side, bucket[1], (8, 9), bucket=bucket)]
        }
        assert len(seen) == 1


def test_plans_are_cached_and_read_only():
    plan = plan_resize(480, 640, (32, 32))
    assert plan_resize(480, 640, (32, 32)).vertical is plan.vertical
    assert isinstance(plan.vertical, AxisWeights)
    for leaf in jax.tree.leaves(plan):
        assert leaf.dtype == np.int32
        assert not leaf.flags.writeable


def test_buckets():
    sides = np.arange(1, 16385)
    buckets = [bucket_shape(int(side), 1) for side in sides]
    assert all(height == width for height, width in buckets)
    lengths = np.array(buckets)[:, 0]
    assert (lengths >= sides).all()
    assert (lengths[256:] < 4 / 3 * sides[256:] + 64).all()
    assert (lengths[2047:] * 3 // 64 % 2 == 1).all()  # rows fall on all sets of a cache
    assert (np.diff(lengths) >= 0).all()
    assert len(set(lengths.tolist())) == 19


def test_no_bucket_needs_64_bit_offsets():
    assert bucket_shape(24576, 10) == (24640, 24640)
    assert bucket_shape(24577, 5000) == (32768, 5120)


def test_buckets_of_accelerators_round_each_side(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert bucket_shape(480, 640) == (512, 640)
