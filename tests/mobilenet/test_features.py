"""Features are Keras' features, however they are computed."""

import hashlib
from functools import partial

import jax
import numpy as np
import pytest
from flax import nnx
from jax.flatten_util import ravel_pytree
from jax.sharding import NamedSharding, PartitionSpec
from PIL import Image

from jaxdedup.devices import EIGEN_PRODUCTS
from jaxdedup.mobilenet import (
    MobileNet,
    features,
    features_on_cpu,
    load_params,
    modeling,
    preprocess,
)
from jaxdedup.mobilenet.architecture import LAYERS
from jaxdedup.mobilenet.forms import CPU, GPU, TPU
from jaxdedup.mobilenet.modeling import _forward


@pytest.fixture(scope="session")
def keras(reference_images):
    """Names, features and hashes of the pixels, by Keras 3.15.1 on TensorFlow 2.17.1."""
    with np.load(reference_images.parent / "cnn_features.npz") as arrays:
        return dict(arrays)


def pixels_of(path):
    """The pixels that Keras saw."""
    with Image.open(path) as image:
        if image.mode in ("F", "I", "I;16"):
            image = Image.fromarray(np.asarray(image).clip(0, 255).astype(np.uint8))
        if image.mode != "RGB":
            image = image.convert("RGBA").convert("RGB")
        return np.asarray(image.resize((224, 224), Image.Resampling.LANCZOS))


@pytest.fixture(scope="session")
def pixels(keras, reference_images):
    pixels = np.stack([pixels_of(reference_images / name) for name in keras["names"]])
    hashes = [hashlib.sha256(p.tobytes()).hexdigest() for p in pixels]
    assert hashes == keras["resized_sha256"].tolist()
    return pixels


@pytest.fixture(scope="session")
def params():
    return load_params()


@pytest.fixture(scope="session")
def ours(params, pixels):
    return np.asarray(features(params, pixels))


def test_features_are_keras_features(ours, keras):
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, keras["features"], rtol=0, atol=5e-5)


def test_float_images_are_what_keras_makes_of_pixels(params, pixels):
    images = pixels.astype(np.float32) / np.float32(127.5) - np.float32(1)
    np.testing.assert_array_equal(preprocess(pixels), images)
    for one in (slice(n, n + 1) for n in range(4)):
        np.testing.assert_array_equal(features(params, images[one]), features(params, pixels[one]))


@pytest.mark.parametrize("form", [TPU, GPU], ids=["TPU", "GPU"])
def test_other_platforms_forms_give_keras_features(form, params, pixels, keras):
    run = jax.jit(
        partial(_forward, dtype="float32", precision=jax.lax.Precision.HIGHEST, forms=form)
    )
    some = slice(None, None, 6)
    np.testing.assert_allclose(run(params, pixels[some]), keras["features"][some], atol=5e-5)


@pytest.mark.parametrize("layer", sorted(set(LAYERS[:13]) | set(LAYERS[-4:])), ids=lambda x: x.name)
def test_all_forms_of_a_layer_agree(layer):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 14, 14, layer.kernel[2])).astype(np.float32)
    kernel = rng.normal(size=layer.kernel).astype(np.float32)
    options = {"stride": layer.stride, "precision": jax.lax.Precision.HIGHEST}
    forms = dict.fromkeys(forms.of(layer) for forms in (TPU, GPU, CPU))
    one, *others = jax.jit(lambda *both: [form(*both, **options) for form in forms])(x, kernel)
    for other in others:
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-4)


@pytest.mark.parametrize("size", [1, 7])
def test_batch_size_does_not_matter(size, params, pixels, ours):
    found = [features(params, pixels[at : at + size]) for at in range(0, 14, size)]
    np.testing.assert_allclose(np.concatenate(found), ours[: size * len(found)], rtol=0, atol=1e-5)


def test_only_as_many_as_are_wanted(params, pixels, ours):
    program = jax.jit(features_on_cpu, compiler_options=EIGEN_PRODUCTS)  # as encoders run it
    for wanted in (1, 6, 16):
        found = program(params, pixels[:16], wanted)[:wanted]
        np.testing.assert_allclose(found, ours[:wanted], rtol=0, atol=1e-5)


@pytest.mark.four_devices
def test_sharded_batch(params, pixels, keras):
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
    sharding = NamedSharding(mesh, PartitionSpec("batch"))
    placed = jax.device_put(pixels[:8], sharding)
    replicated = jax.device_put(params, NamedSharding(mesh, PartitionSpec()))
    wanted = keras["features"][:8]
    np.testing.assert_allclose(features(replicated, placed), wanted, rtol=0, atol=5e-5)


def test_module_is_the_function(params, pixels, keras):
    model = MobileNet.from_pretrained()
    np.testing.assert_array_equal(model(pixels[:1]), features(params, pixels[:1]))
    graphdef, state = nnx.split(model)
    merged = jax.jit(lambda state, images: nnx.merge(graphdef, state)(images))
    np.testing.assert_allclose(merged(state, pixels[:2]), keras["features"][:2], rtol=0, atol=5e-5)


@pytest.mark.usefixtures("little_optimized")
def test_gradients_are_slopes(params, pixels, keras):
    """By an image and by the parameters of two layers, in a program that holds the others."""
    photograph = keras["names"].tolist().index("rgb_224x224.png")
    point = preprocess(pixels[photograph : photograph + 1]), params[-2:]

    def total(image, last):
        found = features((*params[:-2], *last), image)
        return found.sum(), found[0]

    gradients, found = jax.jit(jax.grad(total, argnums=(0, 1), has_aux=True))(*point)
    np.testing.assert_allclose(found, keras["features"][photograph], rtol=0, atol=5e-5)
    for part, gradient in enumerate(gradients):
        start, rebuild = ravel_pytree(point[part])
        gradient, _ = ravel_pytree(gradient)
        length = np.linalg.norm(gradient)
        step = np.float32(3e-4) * gradient / length
        ends = ([*point[:part], rebuild(start + way), *point[part + 1 :]] for way in (step, -step))
        above, below = (total(*end)[0] for end in ends)
        np.testing.assert_allclose((above - below) / 6e-4, length, rtol=1e-2)


@pytest.mark.usefixtures("little_optimized")
def test_a_fresh_module_neither_dies_out_nor_explodes():
    images = np.random.default_rng(0).uniform(-1, 1, (1, 224, 224, 3)).astype(np.float32)
    key = jax.random.key(0, impl="unsafe_rbg")  # whose programs are small
    model = nnx.jit(lambda: MobileNet(rngs=nnx.Rngs(key)))()
    assert 0.01 < model(images).mean() < 6


def test_bfloat16_keeps_the_direction(params, pixels, keras):
    found = np.asarray(features(params, pixels, dtype="bfloat16"))
    assert found.dtype == np.float32
    wanted = keras["features"]
    cosine = (found * wanted).sum(1) / np.linalg.norm(found, axis=1)
    assert (cosine / np.linalg.norm(wanted, axis=1)).min() >= 0.9995


def test_weights_are_arguments_of_the_compiled_function(params):
    image = np.zeros((1, 224, 224, 3), np.uint8)
    features(params, image)
    compiled = dict(modeling._cpu_program("float32", jax.lax.Precision.HIGHEST)._compiled)
    assert not features(jax.tree.map(np.zeros_like, params), image).any()
    assert modeling._cpu_program("float32", jax.lax.Precision.HIGHEST)._compiled == compiled


@pytest.mark.parametrize(
    ("images", "error"),
    [
        (np.zeros((2, 224, 224, 3), np.int32), TypeError),
        (np.zeros((2, 224, 224, 3), bool), TypeError),
        (np.zeros((224, 224, 3), np.uint8), ValueError),
        (np.zeros((2, 224, 224), np.uint8), ValueError),
        (np.zeros((2, 3, 224, 224), np.uint8), ValueError),
        (np.zeros((2, 192, 192, 3), np.uint8), ValueError),
    ],
)
def test_other_images_are_refused(images, error, params):
    with pytest.raises(error, match="expected"):
        jax.eval_shape(features, params, images)


def test_no_images(params):
    assert features(params, np.zeros((0, 224, 224, 3), np.uint8)).shape == (0, 1024)


def test_other_dtypes_are_refused(params):
    with pytest.raises(TypeError, match="expected dtype float32 or bfloat16, got float16"):
        features(params, np.zeros((1, 224, 224, 3), np.uint8), dtype="float16")


def test_tree_mode_of_nnx(params):
    """Flax's next default, in which modules are plain trees."""
    image = np.zeros((1, 224, 224, 3), np.uint8)
    with nnx.set_graph_mode(False), nnx.set_graph_updates(False):
        found = MobileNet.from_pretrained()(image)
    np.testing.assert_array_equal(found, features(params, image))


def test_one_device_shares_a_batch_among_the_cores(params, pixels, keras, monkeypatch):
    """Of which this assumes three; the parts and the small batch are of one size, and program."""
    monkeypatch.setattr("jaxdedup.runtime.core_count", lambda: 3)
    split, parts = modeling.split_for_cores, []
    monkeypatch.setattr(
        modeling, "split_for_cores", lambda *a, **k: parts.append(split(*a, **k)) or parts[-1]
    )
    some = pixels[:36:3]
    together = features(params, some)
    np.testing.assert_allclose(together, keras["features"][:36:3], rtol=0, atol=5e-5)
    features(params, pixels[:4])
    assert [[len(part) for part in found] for found in parts] == [[4, 4, 4], [4]]

    # Inside other programs, vmap's too, it stays whole.
    several = jax.jit(jax.vmap(features, in_axes=(None, 0)))
    found = several(params, some[:6].reshape(2, 3, 224, 224, 3)).reshape(6, -1)
    np.testing.assert_allclose(found, keras["features"][:18:3], rtol=0, atol=5e-5)


def test_x64_changes_nothing(params, pixels, keras):
    with jax.enable_x64(True):
        found = features(params, pixels[:2])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, keras["features"][:2], rtol=0, atol=5e-5)
