"""Networks against torchvision's, with the same random parameters and the same pictures."""

import hashlib
import pickle
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxdedup.methods import CNN
from jaxdedup.networks import NETWORKS
from jaxdedup.networks._layers import _grouped, _shifted
from tests.networks.make_torchvision import HERE, IMAGES, PICTURES, picture, random_tensors

# Of the larger network a few pictures, on a CPU.
SOME = {"mobilenet_v3_small": len(PICTURES), "sscd": 2}


@pytest.fixture(scope="module")
def stored() -> dict[str, np.ndarray]:
    with np.load(HERE / "torchvision.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module", params=NETWORKS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def weights(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp(name) / "weights.safetensors"
    counter = {"features.0.1.num_batches_tracked": np.zeros((), np.int64)}
    save_file(random_tensors(NETWORKS[name].shapes()) | counter, path)
    return path


def test_preprocessing_is_torchvision_s(name: str, stored: dict[str, np.ndarray]) -> None:
    for each, expected in zip(PICTURES, stored[f"{name}_seen"], strict=True):
        seen = NETWORKS[name].prepare(np.asarray(picture(each)))
        assert hashlib.sha256(seen.tobytes()).hexdigest() == expected, each


def test_features_are_torchvision_s(
    name: str, weights: Path, stored: dict[str, np.ndarray]
) -> None:
    network = NETWORKS[name]
    expected = stored[f"{name}_features"][: SOME[name]]
    encoder = CNN(False, network=name, weights=weights, num_workers=1)  # one device: one program
    found = encoder.encode_batch([IMAGES / each for each in PICTURES[: SOME[name]]])
    assert expected.shape[1] == network.features
    assert np.linalg.norm(expected, axis=1).min() > 0.5
    difference = np.linalg.norm(np.concatenate(found) - expected, axis=1)
    assert (difference / np.linalg.norm(expected, axis=1)).max() <= 1e-4
    assert np.abs(np.concatenate(found) - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_both_forms_of_a_depthwise_layer_agree(side: int, stride: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 14, 15, 6)).astype(np.float32)
    kernel = rng.normal(size=(side, side, 1, 6)).astype(np.float32)
    one, other = (jax.jit(partial(form, stride=stride))(x, kernel) for form in (_grouped, _shifted))
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


def test_provenance(weights: Path, name: str, tmp_path: Path) -> None:
    recipe = CNN(False, network=name, weights=weights).recipe
    assert pickle.loads(pickle.dumps(recipe)) == recipe
    origin = recipe.origin
    assert (origin.method, origin.count) == (name, NETWORKS[name].features)
    assert origin.size == NETWORKS[name].resized
    tensors = random_tensors(NETWORKS[name].shapes())
    first = min(tensors)
    save_file(tensors | {first: -tensors[first]}, tmp_path / "other.safetensors")
    other = CNN(False, network=name, weights=tmp_path / "other.safetensors").recipe.origin
    assert other.weights not in (origin.weights, "", None)


def test_other_files_are_told_by_their_tensors(name: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    tensors = random_tensors(NETWORKS[name].shapes())
    first, second, third, *_ = sorted(tensors)
    wrong = {
        f"missing: {first}": {k: v for k, v in tensors.items() if k != first},
        "left over: extra": tensors | {"extra": np.zeros(1, np.float32)},
        f"misshapen: {second}": tensors | {second: np.zeros((3, 1), np.float32)},
        f"of another dtype: {third}": tensors | {third: tensors[third].astype(np.float16)},
    }
    for message, content in wrong.items():
        save_file(content, path)
        with pytest.raises(ValueError, match=rf"expected the weights of {name}, got .*{message}"):
            CNN(False, network=name, weights=path)
    path.write_bytes(b"no tensors")
    with pytest.raises(ValueError, match="expected a safetensors file"):
        CNN(False, network=name, weights=path)


def test_wrong_settings(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a network among mobilenet_v3_small, sscd, got 'resnet'"):
        CNN(False, network="resnet", weights=tmp_path)
    with pytest.raises(ValueError, match="expected weights of sscd, a safetensors file"):
        CNN(False, network="sscd")
    with pytest.raises(ValueError, match="expected dtype float32 for sscd"):
        CNN(False, network="sscd", weights=tmp_path, dtype="bfloat16")
    assert CNN(False, network="mobilenet_v1").recipe == CNN(False).recipe
