"""A network as a value, and its parameters from a file of PyTorch's tensors."""

import pathlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import NDArray
from PIL import Image

from jaxdedup.image import Profile, resize_on_host
from jaxdedup.mobilenet import complaints, read_safetensors
from jaxdedup.runtime import Path

_COUNTER = ".num_batches_tracked"  # of PyTorch's batch normalisation
_MEAN = np.array([[[[0.485, 0.456, 0.406]]]], np.float32)  # ImageNet's, of all networks so far
_DEVIATION = np.array([[[[0.229, 0.224, 0.225]]]], np.float32)

# What PyTorch calls the parameters of a layer, and where their axes are here.
_NAMES = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}
_AXES = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}


@dataclass(frozen=True)
class Network:
    """A network whose weights the user brings.

    Attributes:
        name: what it is called, in files and caches too.
        features: how many it gives.
        resized: ``(h, w)``, what an image is resized to, by Pillow's BILINEAR.
        seen: ``(h, w)`` of the middle of it, which the network sees.
        module: from random numbers to the layers. Their names are those of the file's tensors.
        beside: tensors that a file may hold too, by the beginning of their names.
    """

    name: str
    features: int
    resized: tuple[int, int]
    seen: tuple[int, int]
    module: Callable[[nnx.Rngs], nnx.Module]
    beside: re.Pattern[str]

    def prepare(self, pixels: NDArray[np.uint8], profile: Profile = "pillow13") -> Any:
        """What the network sees of an image, with torchvision's pixels.

        Args:
            pixels: ``uint8[H, W, 3]`` or ``uint8[H, W]``.
            profile: the Pillow whose order of passes is taken.

        Returns:
            ``uint8[h, w, 3]``.
        """
        bilinear = Image.Resampling.BILINEAR
        image = resize_on_host(np.ascontiguousarray(pixels), self.resized, profile, bilinear)
        top, left = ((a - b) // 2 for a, b in zip(self.resized, self.seen, strict=True))
        middle = image[top : top + self.seen[0], left : left + self.seen[1]]
        return middle if middle.ndim == 3 else np.repeat(middle[..., None], 3, axis=2)

    def apply(self, parameters: Any, images: jax.Array) -> jax.Array:
        """Features.

        Args:
            parameters: of :meth:`load`.
            images: ``uint8[B, h, w, 3]``, of :meth:`prepare`.

        Returns:
            ``float32[B, D]``.
        """
        scaled = (images.astype(jnp.float32) / 255 - _MEAN) / _DEVIATION
        return nnx.merge(self._layers()[0], parameters)(scaled)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The tensors of a file of weights, with PyTorch's axes."""
        shapes = {}
        for path, variable in nnx.to_flat_state(self._layers()[1]):
            shape = variable.get_value().shape
            shapes[_name(path)] = tuple(shape[axis] for axis in _AXES[len(shape)])
        return shapes

    def load(self, weights: Path) -> Any:
        """The network's parameters.

        Args:
            weights: a safetensors file of float32 tensors as PyTorch names them.

        Raises:
            ValueError: the file is none, or tensors are missing, left over, of another shape or
                not float32 (the message names them).
            OSError: the file can't be opened.
        """
        path = pathlib.Path(weights)
        found = {
            name: tensor
            for name, tensor in read_safetensors(path).items()
            if not name.endswith(_COUNTER) and not self.beside.match(name)
        }
        if wrong := complaints(self.shapes(), found):
            raise ValueError(
                f"expected the weights of {self.name}, got {path} with {'; '.join(wrong)}"
            )
        state = nnx.to_flat_state(self._layers()[1])
        filled = [
            (place, variable.replace(jnp.asarray(_ours(found[_name(place)]))))
            for place, variable in state
        ]
        return nnx.from_flat_state(filled)

    def _layers(self) -> tuple[Any, Any]:
        return _split(self.module)


@cache
def _split(module: Callable[[nnx.Rngs], nnx.Module]) -> tuple[Any, Any]:
    """The layers' structure, and their parameters as shapes."""
    return nnx.split(nnx.eval_shape(lambda: module(nnx.Rngs(0))))


def _name(path: tuple[Any, ...]) -> str:
    *layer, part = map(str, path)
    return ".".join([*layer, _NAMES.get(part, part)])


def _ours(tensor: NDArray[Any]) -> NDArray[Any]:
    return tensor.transpose(np.argsort(_AXES[tensor.ndim]))
