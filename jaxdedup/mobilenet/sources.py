"""The formats MobileNet's weights come in, each read into the same 135 float32 tensors.

Ours are the tensors of Google's checkpoint under Google's names, in a safetensors file: for each
layer a kernel and the four tensors of its BatchNorm. The other formats are a table from those to
their names, and the order of the kernels' axes. Reading is strict both ways: every tensor is there,
with its shape, in float32, and nothing is left over but what a format is known to carry beside the
backbone (the classifier and counters).

The format is judged by content, not by the file's name. Nothing is ever unpickled.
"""

import pathlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxdedup.runtime import Path

from ._protobuf import read_constants
from .architecture import LAYERS

Tensor = NDArray[Any]
Tensors = dict[str, Tensor]

PARTS = ("kernel", "gamma", "beta", "moving_mean", "moving_variance")

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_NAMES_IN_A_MESSAGE = 10


def load_tensors(path: Path) -> Tensors:
    """Reads a file of any known format into the tensors of Google's checkpoint.

    Args:
        path: our own safetensors file, a TensorFlow frozen graph of `mobilenet_v1_1.0_224`, Keras'
            `mobilenet_1_0_224_tf.h5` or `mobilenet_1_0_224_tf_no_top.h5` or the same as
            `.weights.h5` (these two need h5py), or the `model.safetensors` of Hugging Face's
            `google/mobilenet_v1_1.0_224`.

    Returns:
        135 float32 arrays by Google's names, kernels `(height, width, C in, C out)`, depthwise ones
        `(height, width, C, 1)`.

    Raises:
        ValueError: if the file is damaged or of another format, if tensors are missing, left over,
            of another shape or not float32 (the message names them), or if h5py is needed and not
            installed.
        OSError: if the file can't be opened.

    Example:
        >>> from jaxdedup.mobilenet.params import shipped_weights
        >>> load_tensors(shipped_weights())["MobilenetV1/Conv2d_0/weights"].shape
        (3, 3, 3, 32)
    """
    path = pathlib.Path(path)
    source, found = _read(path)
    wanted = {(n, part): source.name(n, part) for n in range(len(LAYERS)) for part in PARTS}
    shapes = {name: source.shape(n, part) for (n, part), name in wanted.items()}
    found = {name: array for name, array in found.items() if not source.beside.match(name)}
    if wrong := complaints(shapes, found):
        raise ValueError(
            f"expected the weights of MobileNet V1 1.0 ({source.title}), "
            f"got {path} with {'; '.join(wrong)}"
        )
    return {
        GOOGLE.name(n, part): source.to_google(n, part, found[name])
        for (n, part), name in wanted.items()
    }


def complaints(shapes: Mapping[str, tuple[int, ...]], found: Tensors) -> list[str]:
    """Says what sets the found tensors apart from float32 tensors of these names and shapes."""
    both = [name for name in shapes if name in found]
    lists = {
        "missing": [name for name in shapes if name not in found],
        "left over": [name for name in found if name not in shapes],
        "misshapen": [
            f"{name} (expected {shapes[name]}, got {found[name].shape})"
            for name in both
            if found[name].shape != shapes[name]
        ],
        "of another dtype": [
            f"{name} (expected float32, got {found[name].dtype})"
            for name in both
            if found[name].dtype != np.float32
        ],
    }
    return [f"{what}: {_enumerate(names)}" for what, names in lists.items() if names]


def _enumerate(names: list[str]) -> str:
    more = len(names) - _NAMES_IN_A_MESSAGE
    shown = ", ".join(names[:_NAMES_IN_A_MESSAGE])
    return f"{shown} and {more} more" if more > 0 else shown


@dataclass(frozen=True)
class Source:
    """A format: what it calls part `part` of layer number `n`, and how it lays kernels out.

    Attributes:
        title: for messages.
        name: the table from our tensors to the format's names.
        beside: what may stand in the file beside the backbone's tensors.
        pytorch: whether kernels are `(C out, C in, height, width)`.
    """

    title: str
    name: Callable[[int, str], str]
    beside: re.Pattern[str]
    pytorch: bool = False

    def shape(self, n: int, part: str) -> tuple[int, ...]:
        """The shape that the format gives a tensor."""
        layer = LAYERS[n]
        if part != "kernel":
            return (layer.channels,)
        return tuple(layer.kernel[axis] for axis in self._axes(n))

    def to_google(self, n: int, part: str, array: Tensor) -> Tensor:
        """Lays a tensor of the format out as Google's checkpoint has it."""
        if part == "kernel":
            array = array.transpose(np.argsort(self._axes(n)))
        return np.ascontiguousarray(array)

    def _axes(self, n: int) -> tuple[int, ...]:
        """Which axes of Google's kernel the axes of the format's kernel are."""
        if not self.pytorch:
            return (0, 1, 2, 3)
        return (2, 3, 0, 1) if LAYERS[n].depthwise else (3, 2, 0, 1)


def _google_name(n: int, part: str) -> str:
    kernel = "depthwise_weights" if LAYERS[n].depthwise else "weights"
    return f"MobilenetV1/{LAYERS[n].name}/{kernel if part == 'kernel' else f'BatchNorm/{part}'}"


def _keras_layer(n: int) -> str:
    if n == 0:
        return "conv1"
    return f"conv_dw_{(n + 1) // 2}" if LAYERS[n].depthwise else f"conv_pw_{n // 2}"


def _keras_name(n: int, part: str) -> str:
    return f"{_keras_layer(n)}{'' if part == 'kernel' else '_bn'}/{part}"


def _keras3_name(n: int, part: str) -> str:
    """Keras 3 numbers the layers of each class, and the variables of each layer."""
    if part != "kernel":
        return f"{_numbered('batch_normalization', n)}/{PARTS.index(part) - 1}"
    if LAYERS[n].depthwise:
        return f"{_numbered('depthwise_conv2d', n // 2)}/0"
    return f"{_numbered('conv2d', n // 2)}/0"


def _numbered(name: str, n: int) -> str:
    return f"{name}_{n}" if n else name


_PYTORCH_PARTS = dict(
    zip(
        PARTS,
        (
            "convolution.weight",
            "normalization.weight",
            "normalization.bias",
            "normalization.running_mean",
            "normalization.running_var",
        ),
        strict=True,
    )
)


def _hugging_face_name(n: int, part: str) -> str:
    layer = f"layer.{n - 1}" if n else "conv_stem"
    return f"mobilenet_v1.{layer}.{_PYTORCH_PARTS[part]}"


_NOTHING = re.compile(r"(?!)")

GOOGLE = Source("our safetensors file", _google_name, _NOTHING)
FROZEN_GRAPH = Source(
    "TensorFlow frozen graph",
    _google_name,
    # The classifier, shape constants, and the layer that somebody retrained.
    re.compile(r"MobilenetV1/(Logits|Predictions|MobilenetV1)/|final_training_ops/"),
)
KERAS = Source("Keras .h5", _keras_name, re.compile(r"conv_preds/"))
KERAS3 = Source(
    "Keras .weights.h5", _keras3_name, re.compile(r"conv2d_14/|seed_generator/|optimizer/")
)
HUGGING_FACE = Source(
    "Hugging Face safetensors",
    _hugging_face_name,
    re.compile(r"classifier\.|.*\.num_batches_tracked$"),
    pytorch=True,
)


def _read(path: pathlib.Path) -> tuple[Source, Tensors]:
    """Recognises the format by its first bytes and reads every tensor of the file."""
    with path.open("rb") as file:
        head = file.read(9)
    if head.startswith(_HDF5_MAGIC):
        return _read_hdf5(path)
    if head[8:9] == b"{":
        tensors = read_safetensors(path)
        ours = any(name.startswith("MobilenetV1/") for name in tensors)
        return (GOOGLE if ours else HUGGING_FACE), tensors
    if head.startswith(b"\n"):  # field 1 of a GraphDef, length-delimited
        try:
            return FROZEN_GRAPH, read_constants(path.read_bytes())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    raise ValueError(
        "expected a safetensors file, a Keras .h5 file or a TensorFlow frozen graph, "
        f"got {path} which {'starts with ' + repr(head) if head else 'is empty'}"
    )


def read_safetensors(path: Path) -> Tensors:
    """The tensors of a file, by name; ValueError where it is another."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"expected a safetensors file, got {path}: {error}") from error


def _read_hdf5(path: Path) -> tuple[Source, Tensors]:
    try:
        import h5py
    except ImportError as error:
        raise ValueError(
            f"{path} is a Keras file, which needs h5py: pip install 'jaxdedup[keras]'"
        ) from error

    arrays: Tensors = {}

    def collect(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            arrays[name] = item[()]

    try:
        with h5py.File(path, "r") as file:
            file.visititems(collect)
    except (OSError, RuntimeError) as error:
        raise ValueError(f"expected a Keras .h5 file, got {path}: {error}") from error
    if any("/vars/" in name for name in arrays):
        return KERAS3, {re.sub(r".*?([^/]+)/vars/", r"\1/", name): a for name, a in arrays.items()}
    return KERAS, {_keras_key(name): array for name, array in arrays.items()}


def _keras_key(name: str) -> str:
    """Takes conv1/conv1/kernel:0, or Keras 3's conv1/conv1/kernel, to conv1/kernel."""
    layer, *_, variable = name.split("/")
    return f"{layer}/{variable.removesuffix(':0').removeprefix('depthwise_')}"
