"""The CNN encoder: MobileNet's settings, and networks of the user's own."""

import io
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from PIL import Image

from jaxdedup.encoding import network_method
from jaxdedup.methods import CNN
from jaxdedup.mobilenet import load_tensors
from jaxdedup.mobilenet.params import shipped_weights
from tests.pictures import Pixels, crops
from tests.weight_files import keras_h5

PICTURES = [*crops(3, 41, 57, 3), *crops(2, 60, 50, 3)]


def file_of(picture: Pixels, format: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format)
    return file.getvalue()


# One that is refused at sight, and one that breaks off when its place is taken.
BAD = [b"no image", file_of(PICTURES[0], "JPEG")[:-400]]


def means(images: jax.Array) -> jax.Array:
    return images.mean((1, 2))


def flat(images: jax.Array) -> jax.Array:
    return images.reshape(len(images), -1)


def as_it_is(images: jax.Array) -> jax.Array:
    return images


def resized(picture: Pixels, height: int, width: int) -> Pixels:
    """By Pillow."""
    image = Image.fromarray(picture).convert("RGB")
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


def scaled(pixels: Pixels) -> np.ndarray:
    return pixels.astype(np.float32) / np.float32(127.5) - np.float32(1)


@pytest.fixture(scope="module")
def mobilenet() -> CNN:
    return CNN(verbose=False)


# --- networks of the user's own


def assert_means(encodings: list[np.ndarray | None]) -> None:
    expected = [scaled(resized(picture, 16, 16)).mean((0, 1)) for picture in PICTURES]
    for encoding, mean in zip(encodings, expected, strict=True):
        assert (encoding.shape, encoding.dtype) == ((1, 3), np.float32)
        np.testing.assert_allclose(encoding[0], mean, rtol=0, atol=1e-5)


def test_function() -> None:
    assert_means(CNN(model=means, image_size=16, verbose=False).encode_batch(PICTURES))


@pytest.mark.four_devices
def test_devices_take_turns() -> None:
    encoder = CNN(model=means, image_size=16, batch_size=1, verbose=False)
    assert_means(encoder.encode_batch(PICTURES))


@pytest.mark.parametrize(
    "convert", [np.asarray, lambda x: x.astype(jnp.bfloat16), lambda x: x.astype(jnp.int32)]
)
def test_function_may_return_any_array(convert: Callable) -> None:
    encoder = CNN(model=lambda x: convert(flat(x)), preprocess=as_it_is, image_size=2)
    encoding = encoder.encode_image(image_array=np.full((9, 9, 3), 200, np.uint8))
    assert encoding.dtype == np.float32
    np.testing.assert_array_equal(encoding, np.full((1, 12), 200))


def test_function_sees_batches_of_few_sizes() -> None:
    sizes = set()

    def model(images: jax.Array) -> np.ndarray:
        sizes.add(len(images))
        return np.asarray(images).mean((1, 2))

    # One worker: how several share the images is a matter of time.
    settings = {"preprocess": as_it_is, "image_size": 8, "batch_size": 16}
    encoder = CNN(model=model, **settings, num_workers=1, verbose=False)
    for count in range(1, 24):
        assert len(encoder.encode_batch(crops(count, 20, 20, 3))) == count
    assert sizes == {1, 2, 4, 8, 16}


@pytest.mark.parametrize("picture", [PICTURES[0], crops(1, 30, 40)[0]], ids=["RGB", "grey"])
@pytest.mark.parametrize("size", [(5, 9), (64, 7), (1, 1)], ids=str)
def test_preprocess_and_image_size(size: tuple[int, int], picture: Pixels) -> None:
    """The network's batch is what ``preprocess`` makes of Pillow's pixels."""
    seen = []

    def preprocess(images: jax.Array) -> jax.Array:
        seen.append((images.shape, images.dtype))
        return 255 - images

    encoder = CNN(model=flat, preprocess=preprocess, image_size=size, verbose=False)
    encoding = encoder.encode_image(image_array=picture)
    assert seen == [((1, *size, 3), np.uint8)]
    np.testing.assert_array_equal(encoding[0], 255.0 - resized(picture, *size).reshape(-1))


class Linear(nnx.Module):
    """A row of the kernel for each of 12·16·3 numbers."""

    def __init__(self) -> None:
        kernel = np.random.default_rng(0).normal(0, 0.05, (576, 50)).astype(np.float32)
        self.dense = nnx.Linear(576, 50, kernel_init=lambda *_: kernel, rngs=nnx.Rngs(0))

    def __call__(self, images: jax.Array) -> jax.Array:
        return self.dense(flat(images))


def test_flax_module() -> None:
    model = Linear()
    encoder = CNN(model=model, image_size=(12, 16), verbose=False)
    kernel = np.asarray(model.dense.kernel[...], np.float64)
    for picture, found in zip(PICTURES, encoder.encode_batch(PICTURES), strict=True):
        expected = scaled(resized(picture, 12, 16)).reshape(1, -1) @ kernel
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_weights_of_a_module_are_arguments_of_its_program() -> None:
    model = Linear()
    method = network_method(model, image_size=(12, 16))
    images = np.zeros((2, 12, 16, 3), np.uint8)
    calls = {
        call.params["name"]: sum(argument.aval.size for argument in call.invars)
        for call in jax.make_jaxpr(partial(method.compute, method.load()))(images).eqns
        if "name" in call.params
    }
    weights = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model)))
    assert calls["_run_nnx"] == weights + images.size


# --- settings

TOO_FEW = "expected image_size of at least 1, got"
NO_SIZE = r"expected image_size as a side or \(h, w\), got"
WRONG = [
    ({"model": means, "weights": "a.h5"}, ValueError, "expected one of model_config, model, or"),
    ({"model": means, "dtype": "bfloat16"}, ValueError, "expected one of model_config, model, or"),
    ({"model": 7}, TypeError, "a Flax or PyTorch module or a function of a batch, got int"),
    ({"preprocess": means}, ValueError, "go with a model of your own"),
    ({"image_size": 64}, ValueError, "go with a model of your own"),
    ({"dtype": "float16"}, ValueError, "expected dtype float32 or bfloat16, got 'float16'"),
    ({"dtype": "none"}, ValueError, "expected dtype float32 or bfloat16, got 'none'"),
    ({"model": means, "image_size": 0}, ValueError, f"{TOO_FEW} 0"),
    ({"model": means, "image_size": (9, -1)}, ValueError, rf"{TOO_FEW} \(9, -1\)"),
    ({"model": means, "image_size": (9,)}, ValueError, NO_SIZE),
    ({"model": means, "image_size": (9, 9, 3)}, ValueError, NO_SIZE),
    ({"model": means, "image_size": 1.5}, ValueError, f"{NO_SIZE} 1.5"),
    ({"model": means, "image_size": "9"}, ValueError, f"{NO_SIZE} '9'"),
    ({"weights": "missing.h5"}, FileNotFoundError, "missing.h5"),
    ({"weights": __file__}, ValueError, "expected a safetensors file, a Keras .h5 file or"),
]


@pytest.mark.parametrize(("settings", "error", "message"), WRONG)
def test_wrong_settings(settings: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        CNN(verbose=False, **settings)


WRONG_MODELS = {
    "not reduced": (lambda x: x, r"got \(\1, 8, 8, 3\)"),
    "one number an image": (lambda x: x.mean((1, 2, 3)), r"got \(\1,\)"),
    "one row in all": (lambda x: x.mean((0, 1)), r"got \(8, 3\)"),
    "a row too many": (lambda x: jnp.zeros((len(x) + 1, 5)), "got"),
    "a scalar": (jnp.sum, r"got \(\)"),
}


@pytest.mark.parametrize("kind", WRONG_MODELS)
def test_model_of_another_shape(kind: str, tmp_path: Path) -> None:
    model, got = WRONG_MODELS[kind]
    encoder = CNN(model=model, image_size=8, verbose=False)
    (tmp_path / "a.png").write_bytes(file_of(PICTURES[0]))
    message = r"expected feature rows of shape \((\d), D\) from the model, "
    for call in (
        lambda: encoder.encode_image(image_array=PICTURES[0]),
        lambda: encoder.encode_images(tmp_path),
        lambda: encoder.encode_batch(PICTURES[:3]),
    ):
        with pytest.raises(ValueError, match=message + got):
            call()


def test_repr() -> None:
    encoder = CNN(False, dtype="bfloat16", batch_size=7, formats=["cr2"], draft=True)
    assert repr(encoder) == (
        "CNN(verbose=False, dtype='bfloat16', batch_size=7, formats=('cr2',), draft=True)"
    )
    assert repr(eval(repr(encoder))) == repr(encoder)
    own = repr(CNN(model=means, image_size=(9, 7)))
    assert own == f"CNN(model={means!r}, image_size=(9, 7))"


# --- bad files


@pytest.mark.parametrize("batch_size", [3, 8])
def test_names_never_shift(batch_size: int, tmp_path: Path) -> None:
    """Every choice of good and bad files in a folder and in a batch of four."""
    pictures = PICTURES[:4]
    settings = {"preprocess": as_it_is, "image_size": 4, "batch_size": batch_size}
    encoder = CNN(model=lambda images: flat(np.asarray(images)), **settings, verbose=False)
    alone = [encoder.encode_image(image_array=picture) for picture in pictures]
    for number, pattern in enumerate(product([True, False], repeat=len(pictures))):
        sources = [
            file_of(picture) if good else BAD[(number + i) % 2]
            for i, (picture, good) in enumerate(zip(pictures, pattern, strict=True))
        ]
        for i, content in enumerate(sources):
            (tmp_path / f"{i}.jpg").write_bytes(content)
        by_name = encoder.encode_images(tmp_path)
        assert list(by_name) == [f"{i}.jpg" for i, good in enumerate(pattern) if good]
        assert list(encoder.skipped) == [f"{i}.jpg" for i, good in enumerate(pattern) if not good]
        in_order = encoder.encode_batch(sources)
        assert [encoding is not None for encoding in in_order] == list(pattern)
        assert list(encoder.skipped) == [i for i, good in enumerate(pattern) if not good]
        for i in np.flatnonzero(pattern):
            for found in (by_name[f"{i}.jpg"], in_order[i]):
                np.testing.assert_allclose(found, alone[i], rtol=0, atol=1e-5)


@pytest.mark.parametrize("content", BAD, ids=["no image", "breaks off"])
def test_every_image_is_bad(content: bytes, mobilenet: CNN, tmp_path: Path) -> None:
    for i in range(5):
        (tmp_path / f"{i}.jpg").write_bytes(content)
    assert mobilenet.encode_images(tmp_path) == {}
    assert list(mobilenet.skipped) == [f"{i}.jpg" for i in range(5)]
    assert mobilenet.encode_batch([content] * 5) == [None] * 5
    assert mobilenet.encode_image(tmp_path / "0.jpg") is None


# --- the same features by every way


def test_batch_size_does_not_matter(mobilenet: CNN, tmp_path: Path) -> None:
    """Nor whether the images are arrays."""
    pictures = [*PICTURES, *crops(4, 41, 57, 3, seed=1)]
    names = [f"{i}.png" for i in range(len(pictures))]
    for name, picture in zip(names, pictures, strict=True):
        Image.fromarray(picture).save(tmp_path / name)
    arrays = [mobilenet.encode_image(image_array=picture) for picture in pictures]
    expected = np.concatenate(arrays)
    assert (np.ptp(expected, axis=0) > 1e-3).mean() > 0.5
    found = {}
    for size in (1, 7):
        encodings = CNN(verbose=False, batch_size=size).encode_images(tmp_path)
        assert list(encodings) == names
        found[size] = np.concatenate(list(encodings.values()))
    found["array"] = np.concatenate(mobilenet.encode_batch(pictures))
    found["file"] = np.concatenate([mobilenet.encode_image(tmp_path / name) for name in names])
    for way, features in found.items():
        np.testing.assert_allclose(features, expected, rtol=0, atol=1e-5, err_msg=str(way))


def test_weights_of_a_file(mobilenet: CNN, tmp_path: Path) -> None:
    tensors = load_tensors(shipped_weights())
    keras_h5(tmp_path / "same", tensors)
    encoder = CNN(verbose=False, weights=tmp_path / "same")
    np.testing.assert_array_equal(
        encoder.encode_image(image_array=PICTURES[0]),
        mobilenet.encode_image(image_array=PICTURES[0]),
    )
    last = "MobilenetV1/Conv2d_13_pointwise/BatchNorm/"
    tensors[last + "gamma"] = np.zeros(1024, np.float32)
    tensors[last + "beta"] = np.linspace(-1, 7, 1024, dtype=np.float32)
    keras_h5(tmp_path / "other", tensors)
    encoder = CNN(verbose=False, weights=tmp_path / "other")
    features = encoder.encode_image(image_array=PICTURES[0])
    np.testing.assert_allclose(features[0], np.clip(tensors[last + "beta"], 0, 6), atol=1e-5)
