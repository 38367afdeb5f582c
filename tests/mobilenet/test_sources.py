"""Every format gives the same tensors, and nothing but the right tensors is taken."""

import builtins
import pickle
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxdedup.mobilenet import MobileNet, load_params, load_tensors
from jaxdedup.mobilenet.params import shipped_weights
from tests.weight_files import FORMATS, frozen_graph, keras_h5, ours


@pytest.fixture(scope="session")
def tensors():
    return load_tensors(shipped_weights())


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_tensors(name, tensors, tmp_path):
    path = tmp_path / "a file of any name"
    FORMATS[name](path, tensors)
    found = load_tensors(path)
    assert list(found) == list(tensors)
    for key, array in tensors.items():
        assert found[key].dtype == np.float32
        assert found[key].flags.c_contiguous
        np.testing.assert_array_equal(found[key], array)


def test_the_shipped_tensors(tensors):
    assert len(tensors) == 135
    assert sum(array.size for array in tensors.values()) == 3_228_864
    assert all(np.isfinite(array).all() for array in tensors.values())


STEM, GAMMA = "MobilenetV1/Conv2d_0/weights", "MobilenetV1/Conv2d_3_depthwise/BatchNorm/gamma"

CHANGES = {
    "missing": (lambda t: {k: a for k, a in t.items() if k != STEM}, ["missing: "]),
    "left over": (lambda t: t | {"MobilenetV1/more": t[GAMMA]}, ["left over: "]),
    "misshapen": (
        lambda t: t | {STEM: t[STEM][:, :, :, :-1].copy()},
        ["misshapen: ", "(3, 3, 3, 32)", "(3, 3, 3, 31)"],
    ),
    "of another dtype": (
        lambda t: t | {GAMMA: t[GAMMA].astype(np.float64)},
        ["of another dtype: ", "expected float32, got float64"],
    ),
}


@pytest.mark.parametrize("write", [ours, frozen_graph], ids=lambda f: f.__name__)
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_with_other_tensors_is_refused(change, write, tensors, tmp_path):
    alter, words = CHANGES[change]
    altered = alter(tensors)
    name = {"left over": "MobilenetV1/more", "of another dtype": GAMMA}.get(change, STEM)
    write(tmp_path / "weights", altered)
    with pytest.raises(ValueError, match=change) as caught:
        load_params(tmp_path / "weights")
    assert all(word in str(caught.value) for word in [*words, name])


def test_both_sides_are_listed_in_the_source_s_own_names(tensors, tmp_path):
    keras_h5(tmp_path / "weights", tensors)
    with h5py.File(tmp_path / "weights", "a") as file:
        file.move("conv_dw_3/conv_dw_3/depthwise_kernel:0", "conv_dw_33/depthwise_kernel:0")
    with pytest.raises(
        ValueError, match=r"missing: conv_dw_3/kernel; left over: conv_dw_33/kernel"
    ):
        load_params(tmp_path / "weights")


def test_a_network_of_another_kind_is_refused_in_few_words(tmp_path):
    save_file({"layer.weight": np.zeros(3, np.float32)}, tmp_path / "weights")
    with pytest.raises(ValueError, match=r"missing: .* and 125 more; left over: layer.weight"):
        load_params(tmp_path / "weights")


class Boom:
    """Unpickling one ends the test."""

    def __reduce__(self):
        return pytest.fail, ("unpickled",)


def damaged(path, tensors):
    """Writes files that are no weights; yields the name of each."""
    for name, write in FORMATS.items():
        write(path / name, tensors)
        whole = (path / name).read_bytes()
        for size in (12, 300, len(whole) // 2, len(whole) - 1):
            (path / f"{name} {size}").write_bytes(whole[:size])
            yield f"{name} {size}"
    foreign = {
        "empty": b"",
        "pickle": pickle.dumps(Boom()),
        "old pickle": pickle.dumps(Boom(), protocol=0),
        "zip": b"PK\x03\x04" + bytes(100),
        "text": b"these are not weights",
        "line": b"\nthese are not weights",
        "image": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "header": (2**60).to_bytes(8, "little") + b"{" + bytes(100),
    }
    for name, content in foreign.items():
        (path / name).write_bytes(content)
        yield name


def test_damaged_and_foreign_files_are_refused(tensors, tmp_path):
    for name in damaged(tmp_path, tensors):
        with pytest.raises(ValueError, match="expected"):
            load_params(tmp_path / name)
        with pytest.raises(ValueError, match="expected"):
            MobileNet.from_pretrained(tmp_path / name)


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_params(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        load_params(tmp_path)


def test_keras_files_without_h5py(tensors, tmp_path, monkeypatch):
    keras_h5(tmp_path / "weights", tensors)
    real_import = builtins.__import__

    def without_h5py(name, *args, **kwargs):
        if name == "h5py":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_h5py)
    with pytest.raises(ValueError, match=r"pip install 'jaxdedup\[keras\]'"):
        load_params(tmp_path / "weights")


def test_the_script_converts(tensors, tmp_path):
    script = Path(__file__).parents[2] / "weights" / "convert.py"
    frozen_graph(tmp_path / "graph.pb", tensors)
    target = tmp_path / "weights.safetensors"
    subprocess.run([sys.executable, script, tmp_path / "graph.pb", target], check=True)
    assert target.read_bytes() == shipped_weights().read_bytes()
