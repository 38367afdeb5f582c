"""The layers, each in the form that suits a kind of device.

All forms compute the same sums. x is `(B, H, W, C)`, kernels are TensorFlow's, the result is
float32 before the bias.
"""

from functools import reduce
from typing import NamedTuple, Protocol

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.lax import Precision

from .architecture import LAYERS, Layer


class Form(Protocol):
    """A convolution with "SAME" padding."""

    def __call__(self, x: Array, kernel: Array, *, stride: int, precision: Precision) -> Array:
        """Computes the sums."""


class Activation(Protocol):
    """What follows each layer."""

    def __call__(self, x: Array, scale: Array, bias: Array) -> Array:
        """Computes BatchNorm and ReLU6."""


class Forms(NamedTuple):
    """The three kinds of layer, and how a batch comes to them.

    Attributes:
        full, depthwise, pointwise: the layers.
        activated: what follows each.
        stages: up to which layer how many images are run at a time; None for all of them.
        looks_up: whether pixels become numbers by a table, as NumPy rounds them. A TPU looks up
            one number at a time: there they are computed, to the last bit but one.
    """

    full: Form
    depthwise: Form
    pointwise: Form
    activated: Activation
    stages: tuple[tuple[int, int | None], ...] = ((len(LAYERS), None),)
    looks_up: bool = True

    def of(self, layer: Layer) -> Form:
        """The form for a line of the table."""
        if layer.depthwise:
            return self.depthwise
        return self.pointwise if layer.kernel[:2] == (1, 1) else self.full


def conv(x: Array, kernel: Array, *, stride: int, precision: Precision) -> Array:
    """A full convolution, by XLA."""
    return _xla(x, kernel, stride, precision, groups=1)


def conv_shifted(x: Array, kernel: Array, *, stride: int, precision: Precision) -> Array:
    """A full 3×3 convolution, as 9·C shifted multiply-adds, for the few channels of an image.

    They are added one after the other, as in a plain matrix product. Where an image is of one
    colour this shows in the features' fifth decimal, and Keras' come from such a product.
    """
    del precision  # there is no matrix product here
    shifts = _shifts(_barred(_padded(x, stride)), stride)
    channels = range(x.shape[-1])
    shifted = [lax.slice_in_dim(pixels, c, c + 1, axis=3) for pixels in shifts for c in channels]
    return _sum_products(shifted, kernel.reshape(len(shifted), -1))


def depthwise_conv(x: Array, kernel: Array, *, stride: int, precision: Precision) -> Array:
    """A filter a channel, as XLA's grouped convolution."""
    return _xla(x, kernel.swapaxes(2, 3), stride, precision, groups=x.shape[-1])


def _xla(x: Array, kernel: Array, stride: int, precision: Precision, groups: int) -> Array:
    return lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(stride, stride),
        padding="SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
        precision=precision,
        preferred_element_type=jnp.float32,
    )


def depthwise_shifted(x: Array, kernel: Array, *, stride: int, precision: Precision) -> Array:
    """A filter a channel, as nine shifted multiply-adds, which XLA fuses and vectorises."""
    del precision
    weights = kernel.reshape(9, -1)
    if stride == 1:
        return _sum_products(_shifts(_barred(_padded(x, stride)), stride), weights)
    # Padding is at the end alone: what does not see it reads the images as they are.
    _, h, w, _ = x.shape
    inner = x[:, : h - 1, : w - 1]
    right, bottom = (_padded(edge, stride) for edge in (x[:, :, w - 2 :], x[:, h - 2 :]))
    parts = inner, right[:, : h - 1], bottom
    inner, right, bottom = (_sum_products(_shifts(part, stride), weights) for part in parts)
    return lax.concatenate([lax.concatenate([inner, right], 2), bottom], 1)


def depthwise_fused(x: Array, kernel: Array, *, stride: int, precision: Precision) -> Array:
    """The same, fused with what comes before it and after: it reads once and writes once."""
    del precision
    return _sum_products(_shifts(_padded(x, stride), stride), kernel.reshape(9, -1))


def _padded(x: Array, stride: int) -> Array:
    before = 1 if stride == 1 else 0
    return lax.pad(x, x.dtype.type(0), ((0, 0, 0), (before, 1, 0), (before, 1, 0), (0, 0, 0)))


def _barred(x: Array) -> Array:
    """Without it each of the nine products would ask of each pixel whether it is padding."""
    return lax.optimization_barrier(x)  # type: ignore[no-untyped-call]


def _shifts(x: Array, stride: int) -> list[Array]:
    """What each of the nine weights of a 3×3 filter sees of padded images."""
    b, h, w, c = x.shape
    return [
        lax.slice(x, (0, i, j, 0), (b, h - 2 + i, w - 2 + j, c), (1, stride, stride, 1))
        for i in range(3)
        for j in range(3)
    ]


def _sum_products(shifted: list[Array], weights: Array) -> Array:
    shape = (*shifted[0].shape[:3], weights.shape[1])
    products = [
        lax.mul(
            lax.broadcast_in_dim(x, shape, (0, 1, 2, 3)),
            _of_channels(lax.index_in_dim(weights, i, keepdims=False), shape),
        )
        for i, x in enumerate(shifted)
    ]
    return reduce(lax.add, products)


_ZERO, _SIX = np.float32(0), np.float32(6)  # Python's numbers are float64 under x64


def activated(x: Array, scale: Array, bias: Array) -> Array:
    """BatchNorm, as a scale and a bias, and ReLU6."""
    return lax.clamp(_ZERO, _scaled(x, scale, bias), _SIX)


def activated_compared(x: Array, scale: Array, bias: Array) -> Array:
    """The same, in a CPU's instructions: its own maximum doesn't ask for the sign of zero."""
    x = _scaled(x, scale, bias)
    for compare, bound in ((lax.lt, 0), (lax.gt, 6)):
        bounds = lax.full_like(x, bound)
        x = lax.select(compare(x, bounds), bounds, x)
    return x


def _scaled(x: Array, scale: Array, bias: Array) -> Array:
    return lax.add(lax.mul(x, _of_channels(scale, x.shape)), _of_channels(bias, x.shape))


def _of_channels(vector: Array, shape: tuple[int, ...]) -> Array:
    """Numbers of channels, at every pixel. (`jnp`'s products take twice as long to trace.)"""
    return lax.broadcast_in_dim(vector, shape, (3,))


def pointwise_product(x: Array, kernel: Array, *, stride: int, precision: Precision) -> Array:
    """A 1×1 convolution, as one matrix product over all pixels."""
    del stride
    product = lax.dot(
        x.reshape(-1, x.shape[-1]),
        kernel[0, 0],
        precision=precision,
        preferred_element_type=jnp.float32,
    )
    return product.reshape(*x.shape[:-1], kernel.shape[-1])


TPU = Forms(conv, depthwise_conv, conv, activated, looks_up=False)

# cuDNN's convolutions can't be fused with what is around them: that would be twice the traffic.
GPU = Forms(conv, depthwise_fused, pointwise_product, activated)

# XLA's convolutions, of three channels and grouped ones, are far slower than shifted products here.
# One image at a time stays in the caches; towards the end images are small and kernels large, which
# each product lays out anew, and there several share that.
CPU = Forms(
    conv_shifted,
    depthwise_shifted,
    pointwise_product,
    activated_compared,
    stages=((23, 1), (len(LAYERS), 4)),
)
