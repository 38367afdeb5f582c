"""Layers as PyTorch has them, of images ``[B, H, W, C]``: padded alike, named alike."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array, lax

Layer = Callable[[Array], Array]

_PRECISION = lax.Precision.HIGHEST  # full float32 on every device


class Sequential(nnx.List[Any]):
    """Layers one after the other, called by their numbers."""

    def __call__(self, x: Array) -> Array:
        for layer in self:
            x = layer(x)
        return x


class Depthwise(nnx.Module):
    """A convolution with a filter a channel.

    XLA's own is slow on a CPU: there it is a shifted product for each of the filter's weights.
    """

    def __init__(self, channels: int, side: int, stride: int, rngs: nnx.Rngs) -> None:
        init = nnx.initializers.lecun_normal()
        self.kernel = nnx.Param(init(rngs.params(), (side, side, 1, channels)))
        self.stride = stride

    def __call__(self, x: Array) -> Array:
        shifted = partial(_shifted, stride=self.stride)
        grouped = partial(_grouped, stride=self.stride)
        return lax.platform_dependent(x, self.kernel[...], cpu=shifted, default=grouped)


def _grouped(x: Array, kernel: Array, *, stride: int) -> Array:
    pad = kernel.shape[0] // 2
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        [(pad, pad), (pad, pad)],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
        precision=_PRECISION,
    )


def _shifted(x: Array, kernel: Array, *, stride: int) -> Array:
    b, h, w, c = x.shape
    side = kernel.shape[0]
    x = jnp.pad(x, ((0, 0), *2 * [(side // 2, side // 2)], (0, 0)))
    # Without the barrier each of the products would ask of each pixel whether it is padding.
    x = lax.optimization_barrier(x)  # type: ignore[no-untyped-call]
    products = [
        lax.slice(x, (0, i, j, 0), (b, i + h, j + w, c), (1, stride, stride, 1))
        * kernel[i, j].reshape(1, 1, 1, c)
        for i in range(side)
        for j in range(side)
    ]
    return sum(products[1:], start=products[0])


class Pointwise(nnx.Module):
    """A 1×1 convolution, as one matrix product over all pixels."""

    def __init__(self, inputs: int, outputs: int, stride: int, rngs: nnx.Rngs) -> None:
        init = nnx.initializers.lecun_normal()
        self.kernel = nnx.Param(init(rngs.params(), (1, 1, inputs, outputs)))
        self.stride = stride

    def __call__(self, x: Array) -> Array:
        x = x[:, :: self.stride, :: self.stride]
        product = lax.dot(x.reshape(-1, x.shape[-1]), self.kernel[...][0, 0], precision=_PRECISION)
        return product.reshape(*x.shape[:-1], -1)


def conv(inputs: int, outputs: int, side: int, rngs: nnx.Rngs, stride: int = 1) -> Layer:
    """A convolution without a bias."""
    if side == 1:
        return Pointwise(inputs, outputs, stride, rngs)
    return nnx.Conv(
        inputs,
        outputs,
        (side, side),
        strides=stride,
        padding=side // 2,
        use_bias=False,
        precision=_PRECISION,
        rngs=rngs,
    )


def norm(channels: int, epsilon: float, rngs: nnx.Rngs) -> nnx.BatchNorm:
    """Batch normalisation by the statistics of training."""
    return nnx.BatchNorm(channels, use_running_average=True, epsilon=epsilon, rngs=rngs)


def dense(inputs: int, outputs: int, rngs: nnx.Rngs) -> nnx.Linear:
    """All of the inputs to each output, with a bias."""
    return nnx.Linear(inputs, outputs, precision=_PRECISION, rngs=rngs)


class SqueezeExcite(nnx.Module):
    """Weighs the channels by what they are on average (Hu et al., 2018)."""

    def __init__(self, channels: int, squeezed: int, rngs: nnx.Rngs) -> None:
        self.fc1 = nnx.Conv(channels, squeezed, (1, 1), precision=_PRECISION, rngs=rngs)
        self.fc2 = nnx.Conv(squeezed, channels, (1, 1), precision=_PRECISION, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        means = x.mean((1, 2), keepdims=True)
        return x * jax.nn.hard_sigmoid(self.fc2(jax.nn.relu(self.fc1(means))))
