"""The network's parameters: a kernel, a scale and a bias for each of the 27 layers of the table.

Scale and bias are the four tensors of the layer's BatchNorm in two, computed in float64 on the host
and rounded once. The scale is not multiplied into the kernel: in the first blocks it is up to 46,
the sums that it scales nearly cancel where an image is flat, and the rounding of the scaled kernel
moved features of solid colours by 1e-4 against Keras, twice as far as they move now.
"""

import pathlib
from typing import NamedTuple

import jax
import numpy as np
from jax import Array

from jaxdedup.runtime import Path

from .architecture import LAYERS
from .sources import GOOGLE, PARTS, Tensor, load_tensors

_SHIPPED = "mobilenet_v1_1.0_224.safetensors"
_EPSILON = 1e-3  # of every BatchNorm


class Weights(NamedTuple):
    """A layer's float32 kernel, shaped as the table says, and scale and bias, each `(C,)`."""

    kernel: Array
    scale: Array
    bias: Array


Params = tuple[Weights, ...]


def shipped_weights() -> pathlib.Path:
    """The weights that come with the package: inside it where it is installed, or beside it."""
    package = pathlib.Path(__file__).parents[1]
    places = [folder / "weights" / _SHIPPED for folder in (package, package.parent)]
    for place in places:
        if place.exists():
            return place
    raise FileNotFoundError(f"expected the weights of MobileNet V1 at {places[0]}")


def load_params(weights: Path | None = None) -> Params:
    """Loads the network's parameters.

    Args:
        weights: a file of any format that `load_tensors` reads. None: Google's ImageNet weights,
            which come with the package.

    Returns:
        One `Weights` a layer of the table.

    Raises:
        ValueError: if the file does not hold exactly these weights; see `load_tensors`.

    Example:
        >>> [w.kernel.shape for w in load_params()[:3]]
        [(3, 3, 3, 32), (3, 3, 32, 1), (1, 1, 32, 64)]
    """
    tensors = load_tensors(shipped_weights() if weights is None else weights)
    return tuple(_weights(*(tensors[GOOGLE.name(n, p)] for p in PARTS)) for n in range(len(LAYERS)))


def _weights(
    kernel: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor
) -> Weights:
    """Writes gamma·(x − mean)/√(variance + ε) + beta as scale·x + bias."""
    scale = gamma / np.sqrt(variance.astype(np.float64) + _EPSILON)
    bias = beta - mean * scale
    # Rounded by NumPy, and put as they are: jnp.asarray would compile a program for each shape.
    rounded = [np.asarray(array, np.float32) for array in (kernel, scale, bias)]
    return Weights(*jax.device_put(rounded))
