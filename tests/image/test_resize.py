"""`resize` equals the installed Pillow."""

import re

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from PIL import Image

from jaxdedup import image as jimage


def random_image(rng, height, width, channels=3):
    """Noise, saturated noise, a gradient or a constant: what overshoots and what doesn't."""
    shape = (height, width, channels)[: 3 if channels == 3 else 2]
    kind = rng.integers(4)
    if kind == 0:
        return rng.integers(0, 256, shape, dtype=np.uint8)
    if kind == 1:
        return (rng.integers(0, 2, shape) * 255).astype(np.uint8)
    if kind == 2:
        ramp = np.linspace(0, 255, height)[:, None] + np.linspace(0, 255, width)
        return np.broadcast_to(ramp.reshape(ramp.shape + (1,) * (len(shape) - 2)), shape).astype(
            np.uint8
        )
    return np.full(shape, rng.integers(256), np.uint8)


def pillow(image, size):
    return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.LANCZOS))


def pillow_in_order(image, size, vertical_first):
    """Two passes of Pillow, each along one axis."""
    half = (size[0], image.shape[1]) if vertical_first else (image.shape[0], size[1])
    return pillow(pillow(image, half), size)


# shape without the batch, target
SHAPES = [
    ((1, 1, 3), (8, 9)),
    ((1, 300, 3), (32, 32)),
    ((300, 1), (32, 32)),
    ((37, 53, 3), (8, 8)),
    ((37, 53), (100, 101)),
    ((37, 53, 3), (37, 53)),
    ((37, 53, 3), (37, 20)),
    ((37, 53, 3), (70, 53)),
    ((97, 131, 3), (32, 32)),
    ((97, 131, 3), (224, 224)),
    ((211, 61, 3), (9, 8)),
    ((4201, 7, 3), (8, 9)),
]


# Of an output, along one axis or both; and more outputs than a product has.
MANY_INPUTS = [
    ((300, 1100, 3), (40, 8)),
    ((1100, 300, 3), (8, 40)),
    ((900, 80, 3), (150, 60)),
    ((200, 300), (30, 31)),
]


@pytest.mark.parametrize(("shape", "size"), SHAPES)
def test_resize_equals_pillow(shape, size):
    rng = np.random.default_rng(shape)
    images = np.stack([random_image(rng, *shape[:2], len(shape[2:]) * 2 + 1) for _ in range(24)])
    expected = np.stack([pillow(image, size) for image in images])
    np.testing.assert_array_equal(jimage.resize(images, size), expected)


@pytest.mark.usefixtures("little_optimized")
@pytest.mark.parametrize("form", ["gpu", "tpu"])
@pytest.mark.parametrize(("shape", "size"), [*SHAPES[::2], *MANY_INPUTS])
def test_forms_of_accelerators_equal_pillow(shape, size, form, monkeypatch):
    monkeypatch.setenv("JAXDEDUP_FORM", form)
    rng = np.random.default_rng(shape)
    images = np.stack([random_image(rng, *shape[:2], len(shape[2:]) * 2 + 1) for _ in range(9)])
    expected = np.stack([pillow(image, size) for image in images])
    np.testing.assert_array_equal(jimage.resize(images, size), expected)


@pytest.mark.usefixtures("little_optimized")
@pytest.mark.parametrize("form", ["", "gpu", "tpu"])
@pytest.mark.parametrize(
    "shape", [(37, 53, 3), (211, 61, 3), (20, 33, 3), (33, 9, 3), (20, 9, 3), (30, 41)]
)
def test_luma_first(shape, form, monkeypatch):
    """In either order of the passes, where one or both change nothing, and of grey images."""
    monkeypatch.setenv("JAXDEDUP_FORM", form)
    rng = np.random.default_rng(shape)
    images = rng.integers(0, 256, (2, *shape), np.uint8)
    found = jimage.resize(images, (20, 9), luma_first=True)
    for image, small in zip(images, np.asarray(found), strict=True):
        grey = np.asarray(Image.fromarray(image).convert("L"))
        np.testing.assert_array_equal(small, pillow(grey, (20, 9)))


@pytest.mark.four_devices
@pytest.mark.parametrize("platform", ["cpu", "cuda", "rocm", "tpu"])
def test_the_form_is_that_of_the_platform_lowered_for(platform):
    shape = jax.ShapeDtypeStruct((4, 50, 70, 3), np.uint8)
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
    per_shard = jax.shard_map(
        lambda x: jimage.resize(x, (8, 9)), mesh=mesh, in_specs=P("batch"), out_specs=P("batch")
    )
    on_gpu = platform in ("cuda", "rocm")

    def lowered(function):
        return jax.export.export(jax.jit(function), platforms=[platform])(shape).mlir_module()

    for function in (lambda x: jimage.resize(x, (8, 9)), per_shard):
        text = lowered(function)
        assert ("stablehlo.dot_general" in text) == (platform != "cpu")
        assert ("stablehlo.while" in text) == (not on_gpu)
    text = lowered(lambda x: jimage.resize(x, (40, 50)))  # whose outputs have few inputs
    assert ("stablehlo.dot_general" in text) == (platform == "tpu")
    assert ("stablehlo.gather" in text) == on_gpu


@pytest.mark.parametrize(("shape", "size"), [SHAPES[3], *SHAPES[-2:], *MANY_INPUTS])
def test_products_of_a_gpu_have_rows_that_begin_at_whole_words(shape, size):
    """Of others, a GPU has answered something else; no CPU does."""
    function = jax.jit(lambda x: jimage.resize(x, size))
    images = jax.ShapeDtypeStruct((4, *shape), np.uint8)
    text = jax.export.export(function, platforms=["cuda"])(images).mlir_module()
    rows = re.findall(r"dot_general.*: \(tensor<\d+x\d+x(\d+)xi8>", text)
    assert len(rows) >= 2
    assert not any(int(row) % 16 for row in rows)


@pytest.mark.parametrize("shape", [(200, 60, 3), (60, 200, 3), (97, 97, 3), (140, 90)])
def test_pass_order_of_each_profile(shape):
    """Where an older profile has another order, its resize is another."""
    size = (32, 24)
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    new = np.asarray(jimage.resize(image, size))
    np.testing.assert_array_equal(new, pillow(image, size))
    first = shape[0] - size[0] > 2 * (shape[1] - size[1])
    np.testing.assert_array_equal(new, pillow_in_order(image, size, first))
    assert jimage.vertical_first(*shape[:2], size, profile="pillow13") == first
    for profile in ("pillow9", "pillow6"):
        assert not jimage.vertical_first(*shape[:2], size, profile=profile)
        if first:
            old = np.asarray(jimage.resize(image, size, profile=profile))
            np.testing.assert_array_equal(old, pillow_in_order(image, size, False))
            assert (old != new).any()


@pytest.mark.usefixtures("little_optimized")
def test_transformations_change_nothing():
    images = np.random.default_rng(0).integers(0, 256, (8, 50, 70, 3), dtype=np.uint8)
    expected = np.stack([pillow(image, (32, 32)) for image in images])

    def resize(x):
        return jimage.resize(x, (32, 32))

    results = {
        "two axes": resize(images.reshape(2, 4, *images.shape[1:])).reshape(expected.shape),
        "jit of vmap": jax.jit(jax.vmap(resize))(images),
        "lax.map": jax.lax.map(resize, jnp.asarray(images)),
        "loop": jnp.stack([resize(image) for image in images]),
    }
    for name, result in results.items():
        np.testing.assert_array_equal(result, expected, name)


@pytest.mark.four_devices
@pytest.mark.parametrize("form", ["", "gpu", "tpu"])
def test_over_devices(form, monkeypatch):
    monkeypatch.setenv("JAXDEDUP_FORM", form)
    images = np.random.default_rng(0).integers(0, 256, (8, 50, 70, 3), dtype=np.uint8)
    expected = np.stack([pillow(image, (8, 9)) for image in images])

    def resize(x):
        return jimage.resize(x, (8, 9))

    mesh = jax.make_mesh((4,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
    sharded = jax.device_put(images, NamedSharding(mesh, P("batch")))
    per_shard = jax.shard_map(resize, mesh=mesh, in_specs=P("batch"), out_specs=P("batch"))
    np.testing.assert_array_equal(jax.jit(resize)(sharded), expected)
    np.testing.assert_array_equal(jax.jit(jax.vmap(resize))(images), expected)
    np.testing.assert_array_equal(jax.jit(per_shard)(sharded), expected)


@pytest.mark.parametrize("form", ["", "gpu", "tpu"])
def test_nothing_is_64_bit_floating_point(form, monkeypatch):
    monkeypatch.setenv("JAXDEDUP_FORM", form)
    with jax.enable_x64(True):
        jaxpr = jax.make_jaxpr(lambda x: jimage.resize(x, (32, 32)))(
            np.zeros((1, 480, 640, 3), np.uint8)
        )
    assert "f64" not in str(jaxpr)


@pytest.mark.usefixtures("little_optimized")
def test_images_of_width_three():
    grey = np.random.default_rng(0).integers(0, 256, (5, 40, 3), dtype=np.uint8)
    one = np.stack([jimage.resize(image, (8, 9)) for image in grey])
    np.testing.assert_array_equal(one, np.stack([pillow(image, (8, 9)) for image in grey]))
    mapped = jax.vmap(lambda image: jimage.resize(image, (8, 9)))(jnp.asarray(grey))
    np.testing.assert_array_equal(mapped, one)
    np.testing.assert_array_equal(jimage.resize(grey, (8, 9)), pillow(grey, (8, 9)))


BAD = {
    "float": (np.zeros((8, 8, 3), np.float32), (8, 8), TypeError, "dtype uint8, got float32"),
    "int": (np.zeros((8, 8), np.int32), (8, 8), TypeError, "dtype uint8, got int32"),
    "rank": (np.zeros(8, np.uint8), (8, 8), ValueError, r"\[..., H, W\].*got \[8\]"),
    "empty": (np.zeros((0, 8, 3), np.uint8), (8, 8), ValueError, r"empty axis, got \[0, 8, 3\]"),
    "zero": (np.zeros((8, 8), np.uint8), (0, 8), ValueError, r"positive integers, got \(0, 8\)"),
    "three": (np.zeros((8, 8), np.uint8), (8, 8, 3), ValueError, r"got \(8, 8, 3\)"),
    "fraction": (np.zeros((8, 8), np.uint8), (8.5, 8), ValueError, r"got \(8.5, 8\)"),
    "scalar": (np.zeros((8, 8), np.uint8), 8, ValueError, "got 8"),
}


@pytest.mark.parametrize("case", BAD)
def test_errors_also_while_tracing(case):
    images, size, error, message = BAD[case]
    with pytest.raises(error, match=message):
        jimage.resize(images, size)
    with pytest.raises(error, match=message):
        jax.jit(lambda x: jimage.resize(x, size))(images)


def test_unknown_profile_lists_the_known():
    with pytest.raises(ValueError, match="pillow13, pillow9, pillow6, got 'pillow7'"):
        jimage.resize(np.zeros((8, 8), np.uint8), (4, 4), profile="pillow7")
