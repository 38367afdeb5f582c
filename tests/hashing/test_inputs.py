"""Wrong images are refused by name, with and without tracing."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdedup

METHODS = ["ahash", "dhash", "phash", "whash"]
REFUSED = [
    (np.zeros((8, 8), np.float32), TypeError, "expected images of dtype uint8, got float32"),
    (np.zeros((8, 8, 3), np.int32), TypeError, "expected images of dtype uint8, got int32"),
    (np.zeros((8, 8), bool), TypeError, "expected images of dtype uint8, got bool"),
    (np.zeros((), np.uint8), ValueError, r"expected images of shape .* got \[\]"),
    (np.zeros(8, np.uint8), ValueError, r"expected images of shape .* got \[8\]"),
    (np.zeros((0, 8), np.uint8), ValueError, r"expected images of shape .* got \[0, 8\]"),
    (np.zeros((8, 0, 3), np.uint8), ValueError, r"expected images of shape .* got \[8, 0, 3\]"),
]


@pytest.mark.parametrize(("images", "error", "message"), REFUSED)
@pytest.mark.parametrize("method", METHODS)
def test_wrong_images(method: str, images: np.ndarray, error: type, message: str) -> None:
    hash_of = getattr(jaxdedup, method)
    with pytest.raises(error, match=message):
        hash_of(images)
    with pytest.raises(error, match=message):
        jax.eval_shape(hash_of, images)


@pytest.mark.parametrize("images", ["a.png", None, [[1, 2], [3]]])
@pytest.mark.parametrize("method", METHODS)
def test_what_is_no_array(method: str, images: Any) -> None:
    with pytest.raises(TypeError, match=r"^expected images as an array of uint8, got "):
        getattr(jaxdedup, method)(images)


@pytest.mark.parametrize("method", METHODS)
def test_unknown_profile(method: str) -> None:
    with pytest.raises(ValueError, match=r"expected a profile among pillow13.*got 'pillow1'"):
        getattr(jaxdedup, method)(np.zeros((8, 8), np.uint8), profile="pillow1")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("lead", [(), (1,), (2, 3)])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_shapes(method: str, lead: tuple[int, ...], channels: tuple[int, ...]) -> None:
    images = jax.ShapeDtypeStruct((*lead, 20, 30, *channels), jnp.uint8)
    hashes = jax.eval_shape(getattr(jaxdedup, method), images)
    assert (hashes.shape, hashes.dtype) == ((*lead, 8), jnp.uint8)
