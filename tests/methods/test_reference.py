"""The reference images: imagededup's own hashes and Keras' own features, by every way in."""

import hashlib
from itertools import cycle
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxdedup
from jaxdedup import methods, to_hex
from jaxdedup.loading import decode
from jaxdedup.methods import CNN
from tests.pictures import Pixels

METHODS = {"ahash": "AHash", "dhash": "DHash", "phash": "PHash", "whash": "WHash"}
PROFILES = ["pillow13", "pillow9", "pillow6"]
# One by one, a shape is a program; these two differ in the order of the passes.
ONE_BY_ONE = ["rgb_200x150.png", "tall_80x250.png", "bad_tail.jpg", "bad_empty.jpg"]

Expected = dict[str, str | None]


@pytest.fixture(scope="module", params=PROFILES)
def profile(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module", params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def expected(method: str, profile: str, reference_hashes: dict) -> Expected:
    hashes = {name: row[method] for name, row in reference_hashes[profile].items()}
    if profile == "pillow6":  # its JPEGs came from another decoder, and it refused WEBP
        hashes = {n: h for n, h in hashes.items() if "jpeg" not in n and not n.endswith("webp")}
    return hashes


@pytest.fixture(scope="module")
def encoder(method: str, profile: str) -> methods.PHash:
    return getattr(methods, METHODS[method])(verbose=False, profile=profile)


def test_folder(encoder: methods.PHash, expected: Expected, reference_images: Path) -> None:
    encodings = encoder.encode_images(reference_images)
    assert list(encodings) == sorted(encodings)
    assert {name: encodings.get(name) for name in expected} == expected
    assert sorted(encoder.skipped) == [name for name in sorted(expected) if not expected[name]]


def test_batch(encoder: methods.PHash, expected: Expected, reference_images: Path) -> None:
    names = sorted(expected, reverse=True)
    sources = [reference_images / name for name in names]
    sources[1::2] = [path.read_bytes() for path in sources[1::2]]
    assert encoder.encode_batch(sources) == [expected[name] for name in names]


def test_one_by_one(encoder: methods.PHash, expected: Expected, reference_images: Path) -> None:
    for name in expected.keys() & set(ONE_BY_ONE):
        assert encoder.encode_image(reference_images / name) == expected[name], name
        if expected[name]:
            pixels = decode(reference_images / name)
            assert encoder.encode_image(image_array=pixels) == expected[name], name


def test_every_file_one_by_one(reference_hashes: dict, reference_images: Path) -> None:
    encoder = methods.DHash(verbose=False)
    for name, row in reference_hashes["pillow13"].items():
        assert encoder.encode_image(image_file=reference_images / name) == row["dhash"], name


def test_array_functions(reference_hashes: dict, reference_images: Path) -> None:
    """A shape is a program: each method has one, and an older profile."""
    by_shape: dict[tuple[int, ...], dict[str, Pixels]] = {}
    for name, hashes in reference_hashes["pillow13"].items():
        if hashes["phash"] and "jpeg" not in name and not name.endswith("webp"):
            pixels = decode(reference_images / name)
            by_shape.setdefault(pixels.shape, {})[name] = pixels
    pairs = zip(METHODS, cycle(PROFILES[1:]), strict=False)
    for (method, profile), images in zip(pairs, by_shape.values(), strict=False):
        hashes = getattr(jaxdedup, method)(np.stack(list(images.values())), profile=profile)
        expected = [reference_hashes[profile][name][method] for name in images]
        assert to_hex(hashes).tolist() == expected


FEATURES = np.load(Path(__file__).parents[1] / "data" / "reference" / "cnn_features.npz")


@pytest.fixture(scope="module")
def keras_features() -> dict[str, np.ndarray]:
    return dict(zip(FEATURES["names"].tolist(), FEATURES["features"], strict=True))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))


def test_cnn_features(keras_features: dict, reference_images: Path) -> None:
    encoder = CNN(verbose=False)
    features = encoder.encode_images(reference_images)
    assert features.keys() == keras_features.keys()
    for name, row in features.items():
        assert (row.shape, row.dtype) == ((1, 1024), np.float32)
        np.testing.assert_allclose(row[0], keras_features[name], rtol=0, atol=5e-5, err_msg=name)
    assert all(name.startswith("bad_") for name in encoder.skipped)

    name = "rgb_200x150.png"
    for alone in (
        encoder.encode_image(reference_images / name),
        encoder.encode_image(image_array=decode(reference_images / name)),
        *encoder.encode_batch([reference_images / name]),
    ):
        np.testing.assert_allclose(alone, features[name], rtol=0, atol=1e-5)


def test_cnn_in_bfloat16(keras_features: dict, reference_images: Path) -> None:
    encoder = CNN(verbose=False, dtype="bfloat16")
    for name in list(keras_features)[::12]:
        row = encoder.encode_image(reference_images / name)
        assert row.dtype == np.float32
        assert cosine(row[0], keras_features[name]) >= 0.9995, name


def test_cnn_pixels(reference_images: Path) -> None:
    """The network sees Pillow's pixels."""
    hashes = dict(zip(FEATURES["names"].tolist(), FEATURES["resized_sha256"].tolist(), strict=True))

    def pixels(images: jax.Array) -> jax.Array:
        return images.reshape(len(images), -1)

    encoder = CNN(verbose=False, model=pixels, preprocess=lambda images: images, image_size=224)
    encodings = encoder.encode_images(reference_images)
    assert encodings.keys() == hashes.keys()
    for name, encoding in encodings.items():
        assert hashlib.sha256(encoding.astype(np.uint8).tobytes()).hexdigest() == hashes[name], name
