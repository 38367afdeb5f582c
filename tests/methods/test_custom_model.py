"""Networks of the user's own with a transform: of each library, in files and caches."""

import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from PIL import Image

from jaxdedup.encoding import (
    Encodings,
    Recipe,
    custom_method,
    encode,
    encode_source,
    load,
    oriented,
    save,
)
from jaxdedup.loading import Folder
from jaxdedup.methods import CNN
from jaxdedup.utils import CustomModel
from tests.pictures import crops

PICTURES = [*crops(3, 41, 57, 3), *crops(2, 60, 50), *crops(1, 30, 30, 3)]
KERNEL = np.random.default_rng(0).normal(size=(12 * 16 * 3, 5)).astype(np.float32)


def transform(image: Image.Image) -> np.ndarray:
    """Channels first, as PyTorch's transforms have them."""
    assert image.mode == "RGB"
    small = image.resize((16, 12), Image.Resampling.BILINEAR)
    return np.asarray(small, np.float32).transpose(2, 0, 1) / 255


def expected(picture: np.ndarray) -> np.ndarray:
    return transform(Image.fromarray(picture).convert("RGB")).reshape(1, -1) @ KERNEL


def flat(images: Any) -> Any:
    return images.reshape(len(images), -1)


class Nnx(nnx.Module):
    def __init__(self) -> None:
        self.kernel = nnx.Param(jnp.asarray(KERNEL))

    def __call__(self, images: jax.Array) -> jax.Array:
        return flat(images) @ self.kernel[...]


class Linen(linen.Module):
    @linen.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        return flat(images) @ self.param("kernel", lambda _: jnp.asarray(KERNEL))


class Tensor:
    """As much of PyTorch's as is asked for: it refuses to be an array unless it is on a CPU."""

    def __init__(self, array: np.ndarray, device: str = "cpu") -> None:
        self.array, self.device = np.asarray(array), device

    def to(self, device: str) -> "Tensor":
        return Tensor(self.array, device)

    def cpu(self) -> "Tensor":
        return self.to("cpu")

    def float(self) -> "Tensor":
        return Tensor(self.array.astype(np.float32), self.device)

    def numpy(self) -> np.ndarray:
        assert self.device == "cpu"
        return self.array

    def reshape(self, *shape: int) -> "Tensor":
        return Tensor(self.array.reshape(*shape), self.device)

    def view(self, dtype: type) -> "Tensor":
        return Tensor(self.array.view(dtype), self.device)

    def detach(self) -> "Tensor":
        return self

    contiguous = detach

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        return self.numpy()

    def __len__(self) -> int:
        return len(self.array)

    def __matmul__(self, other: "Tensor") -> "Tensor":
        assert self.device == other.device
        return Tensor(self.array @ other.array, self.device)


class TorchModule:
    """Its parameters are on another device."""

    def __init__(self) -> None:
        self.kernel = Tensor(KERNEL, "cuda:0")

    def parameters(self) -> Any:
        return iter([self.kernel])

    def state_dict(self) -> dict[str, Tensor]:
        return {"kernel": self.kernel}

    def __call__(self, images: Tensor) -> Tensor:
        return flat(images) @ self.kernel


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = SimpleNamespace(
        nn=SimpleNamespace(Module=TorchModule),
        no_grad=nullcontext,
        from_numpy=Tensor,
        uint8=np.uint8,
    )
    monkeypatch.setitem(sys.modules, "torch", torch)


MODELS: dict[str, Callable[[], Any]] = {
    "a function": lambda: lambda images: flat(images) @ jnp.asarray(KERNEL),
    "Flax nnx": Nnx,
    "Flax linen": lambda: Linen().bind(Linen().init(jax.random.key(0), np.ones((1, 3, 12, 16)))),
    "PyTorch": TorchModule,
    "a function of tensors": lambda: lambda images: flat(images) @ Tensor(KERNEL),
}


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize("kind", MODELS)
def test_models_of_every_library(kind: str, tmp_path: Path) -> None:
    def prepare(image: Image.Image) -> Any:
        return Tensor(transform(image)) if "tensors" in kind else transform(image)

    encoder = CNN(False, CustomModel("mine", MODELS[kind](), prepare), batch_size=4)
    assert encoder.target_size == ()
    for number, picture in enumerate(PICTURES):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    by_name = encoder.encode_images(tmp_path)
    assert list(by_name) == [f"{number}.png" for number in range(len(PICTURES))]
    for picture, found in zip(PICTURES, by_name.values(), strict=True):
        np.testing.assert_allclose(found, expected(picture), rtol=0, atol=1e-4)
        np.testing.assert_allclose(encoder.encode_image(image_array=picture), found, atol=1e-4)
    similarities = encoder.find_duplicates(tmp_path, min_similarity_threshold=-1.0, scores=True)
    assert len(similarities["0.png"]) == len(PICTURES) - 1


def test_models_are_given_batches() -> None:
    sizes = set()

    def model(images: jax.Array) -> jax.Array:
        sizes.add(len(images))
        return flat(images)

    encoder = CNN(False, CustomModel("mine", model, transform), num_workers=1)
    assert len(encoder.encode_batch(crops(100, 20, 20, 3))) == 100
    assert sizes == {64}  # what is left of the second is padded


def test_turned_images() -> None:
    """The turned image's features are those of the turned picture."""
    config = CustomModel("mine", flat, transform)
    encoder = CNN(False, config)
    corpus = {"b": encoder.encode_image(image_array=np.rot90(PICTURES[0]))}
    upright = {"a": encoder.encode_image(image_array=PICTURES[0])}
    assert encoder.search(upright, corpus, 0.9999) == {"a": []}
    recipe = Recipe(oriented(custom_method(config), "all"))
    queries = Encodings.collect(encode([("a", PICTURES[0])], recipe), recipe)
    found = encoder.search(queries, corpus, 0.9999, scores=True, orientations="all")
    assert [(name, turn) for name, _, turn in found["a"]] == [("b", "rotate_270")]  # back


def test_provenance_is_the_name_and_a_digest_of_the_parameters(tmp_path: Path) -> None:
    Image.fromarray(PICTURES[0]).save(tmp_path / "a.png")
    model, other = Nnx(), Nnx()
    other.kernel[...] = other.kernel[...] + 1
    path, cache = tmp_path / ".features.npz", tmp_path / ".cache"

    def encodings(name: str, model: Any) -> Encodings:
        recipe = CNN(False, CustomModel(name, model, transform)).recipe
        return encode_source(Folder(tmp_path), recipe, cache=cache)[0]

    first = encodings("mine", model)
    save(path, first)
    assert load(path).origin == first.origin
    np.testing.assert_array_equal(load(path).rows, first.rows)
    assert first.origin.method == "mine"
    np.testing.assert_array_equal(encodings("mine", Nnx()).rows, first.rows)
    with pytest.raises(ValueError, match="weights"):
        encodings("mine", other)
    with pytest.raises(ValueError, match="method"):
        encodings("another", model)
    assert CNN(False, CustomModel("f", flat, transform)).recipe.origin.weights == ""


def test_a_model_without_a_name_is_neither_cached_nor_saved(tmp_path: Path) -> None:
    with pytest.warns(SyntaxWarning, match="set name in model_config") as caught:
        encoder = CNN(False, CustomModel(model=Nnx(), transform=transform))
    assert caught[0].filename == __file__
    Image.fromarray(PICTURES[0]).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="expected no cache for a model of your own without"):
        encoder.encode_images(tmp_path, cache=tmp_path / ".cache")
    stream = encoder.encode_images(tmp_path)
    encodings = Encodings.from_map(stream, encoder.recipe.origin)
    with pytest.raises(ValueError, match="expected no file for a model of your own without"):
        save(tmp_path / "features.npz", encodings)


WRONG = {
    "no configuration": (3, TypeError, "expected model_config to be a CustomModel, got 3"),
    "no model": (CustomModel("mine", None, transform), ValueError, "model and transform"),
    "no transform": (CustomModel("mine", flat, None), ValueError, "model and transform"),
    "no function": (CustomModel("mine", 7, transform), TypeError, "a function of a batch, got int"),
    "no variables": (CustomModel("mine", Linen(), transform), TypeError, r"module\.bind"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_configurations(case: str) -> None:
    config, error, message = WRONG[case]
    with pytest.raises(error, match=message):
        CNN(False, config)


def test_wrong_transforms() -> None:
    encoder = CNN(False, CustomModel("mine", flat, lambda _: "text"))
    with pytest.raises(TypeError, match="expected an array of numbers from transform, got str"):
        encoder.encode_image(image_array=PICTURES[0])
    encoder = CNN(False, CustomModel("mine", flat, np.asarray))  # as large as the image
    encoder.encode_image(image_array=PICTURES[0])
    message = (
        r"expected uint8\[41, 57, 3\] from transform, as of the first image, got uint8\[60, 50"
    )
    with pytest.raises(ValueError, match=message):
        encoder.encode_batch(PICTURES)
    with pytest.raises(ValueError, match="expected one of model_config, model"):
        CNN(False, CustomModel("mine", flat, transform), model=flat)


def test_an_image_that_a_transform_fails_with_is_named(tmp_path: Path) -> None:
    def crop(image: Image.Image) -> np.ndarray:
        if image.width < 40:
            raise RuntimeError("crop larger\nthan image")
        return transform(image)

    encoder = CNN(False, CustomModel("mine", flat, crop))
    found = encoder.encode_batch(PICTURES)
    assert [place for place, row in enumerate(found) if row is None] == [5]
    reason = r"can't be prepared: RuntimeError('crop larger\nthan image')"
    assert encoder.skipped == {5: reason}
    path = tmp_path / "small.png"
    Image.fromarray(PICTURES[5]).save(path)
    assert encoder.encode_image(path) is None
    assert encoder.skipped == {str(path): reason}
