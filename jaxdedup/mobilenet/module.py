"""MobileNet V1 without its classifier, as a Flax module."""

from functools import partial
from typing import Self

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.lax import Precision
from jax.typing import ArrayLike, DTypeLike

from jaxdedup.runtime import Path

from .architecture import LAYERS, Layer
from .modeling import features
from .params import Weights, load_params


class MobileNet(nnx.Module):
    """MobileNet V1 as a Flax module: `features` with its own parameters.

    The layers stand in the order of the table in `architecture`.

    Args:
        dtype: float32 or bfloat16; see `features`.
        precision: of the products; see `features`.
        rngs: for the initial kernels.

    Example:
        >>> model = MobileNet.from_pretrained()
        >>> model(jnp.zeros((2, 224, 224, 3))).shape
        (2, 1024)
    """

    def __init__(
        self,
        *,
        dtype: DTypeLike = "float32",
        precision: Precision = Precision.HIGHEST,
        rngs: nnx.Rngs,
    ) -> None:
        self.dtype = dtype
        self.precision = precision
        self.layers = nnx.List([ConvBatchNorm(layer, rngs=rngs) for layer in LAYERS])

    @classmethod
    def from_pretrained(
        cls,
        weights: Path | None = None,
        *,
        dtype: DTypeLike = "float32",
        precision: Precision = Precision.HIGHEST,
    ) -> Self:
        """Makes the network with Google's ImageNet weights, or those of a file.

        Args:
            weights: see `load_params`.
            dtype: see `features`.
            precision: see `features`.

        Raises:
            ValueError: if the file does not hold exactly these weights.
        """
        params = load_params(weights)
        make = partial(cls, dtype=dtype, precision=precision)
        model = nnx.eval_shape(lambda: make(rngs=nnx.Rngs(0)))
        for layer, loaded in zip(model.layers, params, strict=True):
            layer.kernel = nnx.Param(loaded.kernel)
            layer.scale = nnx.Param(loaded.scale)
            layer.bias = nnx.Param(loaded.bias)
        return model

    def __call__(self, images: ArrayLike) -> Array:
        """Computes `features` of images `(B, 224, 224, 3)`."""
        params = tuple(layer.weights for layer in self.layers)
        return features(params, images, dtype=self.dtype, precision=self.precision)


class ConvBatchNorm(nnx.Module):
    """The parameters of a line of the table."""

    def __init__(self, layer: Layer, *, rngs: nnx.Rngs) -> None:
        # A depthwise kernel has one channel in, and TensorFlow puts that axis last.
        axes = (-1, -2) if layer.depthwise else (-2, -1)
        self.kernel = nnx.Param(nnx.initializers.he_normal(*axes)(rngs.params(), layer.kernel))
        self.scale = nnx.Param(jnp.ones(layer.channels))
        self.bias = nnx.Param(jnp.zeros(layer.channels))

    @property
    def weights(self) -> Weights:
        """The arrays themselves."""
        return Weights(self.kernel[...], self.scale[...], self.bias[...])
