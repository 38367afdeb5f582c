"""MobileNet V1 without its classifier, as a function of weights and as a Flax module.

Images are `(B, 224, 224, 3)`; features are float32 `(B, 1024)`, the mean of the last layer over all
pixels. BatchNorm is a scale and a bias (see `params`).
"""

import os
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array, lax
from jax.lax import Precision
from jax.typing import ArrayLike, DTypeLike

from jaxdedup.devices import WideProgram, is_on_one_cpu, map_on_cores, split_for_cores
from jaxdedup.runtime import refuse_fork

from . import _forms
from .architecture import IMAGE_SIZE, LAYERS, Layer
from .params import Weights, load_params

# The layers that `dtype` rounds. The first blocks magnify rounding: with all of the network in
# bfloat16 the features of solid colours fell to a cosine of 0.82 with Keras'.
ROUNDED = {f"Conv2d_{block}_pointwise" for block in range(8, 14)}

_LEAST_IMAGES = 4  # of a part of a batch, to be worth a call

# x/127.5 − 1 as NumPy rounds it. A compiler would turn the division into a product and fuse it.
_PIXEL_VALUES = np.arange(256, dtype=np.float32) / np.float32(127.5) - np.float32(1)


def preprocess(pixels: ArrayLike) -> Array:
    """Takes uint8 pixels to float32 in [-1, 1], exactly as Keras' MobileNet does on NumPy arrays.

    Args:
        pixels: uint8, of any shape.

    Returns:
        float32, of the same shape.

    Raises:
        TypeError: for another dtype.

    Example:
        >>> preprocess(np.array([0, 255], np.uint8)).tolist()
        [-1.0, 1.0]
    """
    refuse_fork()
    pixels = jnp.asarray(pixels)
    if pixels.dtype != jnp.uint8:
        raise TypeError(f"expected uint8 pixels, got {pixels.dtype}")
    return jnp.asarray(_PIXEL_VALUES)[pixels.astype(jnp.int32)]


def features(
    params: Sequence[Weights],
    images: ArrayLike,
    *,
    dtype: DTypeLike = "float32",
    precision: Precision = Precision.HIGHEST,
) -> Array:
    """Computes MobileNet features: Keras' `MobileNet(include_top=False, pooling="avg")`.

    Args:
        params: the weights of the 27 layers, from `load_params`.
        images: `(B, 224, 224, 3)`, floating point in [-1, 1], or uint8 pixels.
        dtype: float32, or bfloat16, to which the matrix products of the last six blocks then round
            their inputs. Everything else, sums and features among it, is float32 always.
        precision: of the products. The default is full float32 on every device.

    Returns:
        `(B, 1024)` float32, none negative.

    Raises:
        TypeError: for images that are neither floating point nor uint8, or another `dtype`.
        ValueError: for images of another shape.

    Example:
        >>> images = jnp.zeros((2, 224, 224, 3), jnp.uint8)
        >>> features(load_params(), images).shape
        (2, 1024)
    """
    refuse_fork()
    images = _checked(images)
    if jnp.dtype(dtype) not in (jnp.float32, jnp.bfloat16):
        raise TypeError(f"expected dtype float32 or bfloat16, got {jnp.dtype(dtype)}")
    if not is_on_one_cpu((params, images)):
        return _features(params, images, dtype=dtype, precision=precision)
    program = _program(jnp.dtype(dtype).name, precision)
    least_bytes = _LEAST_IMAGES * IMAGE_SIZE**2 * 3 * images.dtype.itemsize
    parts = split_for_cores(images, least_bytes, per_core=2)
    return map_on_cores(partial(program, params), parts)


@cache
def _program(dtype: str, precision: Precision) -> WideProgram:
    return WideProgram(jax.jit(partial(_features, dtype=dtype, precision=precision)))


@partial(jax.jit, static_argnames=("dtype", "precision"))
def _features(
    params: Sequence[Weights], images: Array, *, dtype: DTypeLike, precision: Precision
) -> Array:
    forward = partial(_forward, params, dtype=dtype, precision=precision)
    return lax.platform_dependent(
        images,
        cpu=partial(forward, forms=_forms.CPU),
        tpu=partial(forward, forms=_forms.TPU),
        default=partial(forward, forms=_forms.GPU),
    )


def _checked(images: ArrayLike) -> Array:
    images = jnp.asarray(images)
    if images.dtype != jnp.uint8 and not jnp.issubdtype(images.dtype, jnp.floating):
        raise TypeError(f"expected floating-point or uint8 images, got {images.dtype}")
    if images.ndim != 4 or images.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE, 3):
        raise ValueError(f"expected images (B, {IMAGE_SIZE}, {IMAGE_SIZE}, 3), got {images.shape}")
    return images


def _last(vector: Array) -> Array:
    return vector.reshape(1, 1, 1, -1)


def _forward(
    params: Sequence[Weights],
    images: Array,
    *,
    dtype: DTypeLike,
    precision: Precision,
    forms: _forms.Forms,
) -> Array:
    """Runs the layers of the table in the given forms."""

    def network(images: Array) -> Array:
        x = images.astype(jnp.float32)
        if images.dtype == jnp.uint8:
            x = preprocess(images) if forms.looks_up else x * jnp.float32(2 / 255) - 1
        for layer, weights in zip(LAYERS, params, strict=True):
            kernel = weights.kernel
            if layer.name in ROUNDED:
                x, kernel = x.astype(dtype), kernel.astype(dtype)
            x = forms.of(layer)(x, kernel, stride=layer.stride, precision=precision)
            x = jnp.clip(x * _last(weights.scale) + _last(weights.bias), 0.0, 6.0)
        return x.mean(axis=(1, 2))

    return (
        network(images) if forms.micro_batch is None else _map(network, images, forms.micro_batch)
    )


def _map(network: Callable[[Array], Array], images: Array, size: int) -> Array:
    """Runs the network on `size` images at a time, and on what is left over."""
    whole = len(images) - len(images) % size
    parts = []
    if whole:
        batches = images[:whole].reshape(-1, size, *images.shape[1:])
        parts.append(lax.map(network, batches).reshape(whole, -1))
    if whole < len(images) or not whole:
        parts.append(network(images[whole:]))
    return jnp.concatenate(parts)


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
        weights: str | os.PathLike[str] | None = None,
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
