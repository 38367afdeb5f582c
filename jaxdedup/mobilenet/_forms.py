"""The layers, each in the form that suits a kind of device.

All forms compute the same sums. x is `(B, H, W, C)`, kernels are TensorFlow's, the result is
float32 before the bias.
"""

from typing import NamedTuple, Protocol

import jax.numpy as jnp
from jax import Array, lax
from jax.lax import Precision

from .architecture import Layer


class Form(Protocol):
    """A convolution with "SAME" padding."""

    def __call__(self, x: Array, kernel: Array, *, stride: int, precision: Precision) -> Array: ...


class Forms(NamedTuple):
    """The three kinds of layer, and how a batch comes to them.

    Attributes:
        full, depthwise, pointwise: the layers.
        micro_batch: how many images to run at a time; None for all.
        looks_up: whether pixels become numbers by a table, as NumPy rounds them. A TPU looks up
            one number at a time: there they are computed, to the last bit but one.
    """

    full: Form
    depthwise: Form
    pointwise: Form
    micro_batch: int | None = None
    looks_up: bool = True

    def of(self, layer: Layer) -> Form:
        """The form for a line of the table."""
        if layer.depthwise:
            return self.depthwise
        return self.pointwise if layer.kernel[:2] == (1, 1) else self.full


def conv(x: Array, kernel: Array, *, stride: int, precision: Precision) -> Array:
    """A full convolution, by XLA."""
    return _xla(x, kernel, stride, precision, groups=1)


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


def conv_shifted(x: Array, kernel: Array, *, stride: int, precision: Precision) -> Array:
    """A full 3×3 convolution, as 9·C shifted multiply-adds, for the few channels of an image.

    They are added one after the other, as in a plain matrix product. Where an image is of one
    colour this shows in the features' fifth decimal, and Keras' come from such a product.
    """
    del precision  # there is no matrix product here
    shifts = _shifts(_barred(_padded(x, stride)), stride)
    shifted = [pixels[..., c : c + 1] for pixels in shifts for c in range(x.shape[-1])]
    return _sum_products(shifted, kernel.reshape(len(shifted), 1, 1, 1, -1))


def depthwise_shifted(x: Array, kernel: Array, *, stride: int, precision: Precision) -> Array:
    """A filter a channel, as nine shifted multiply-adds, which XLA fuses and vectorises."""
    del precision
    shifts = _shifts(_barred(_padded(x, stride)), stride)
    return _sum_products(shifts, kernel.reshape(9, 1, 1, 1, -1))


def depthwise_fused(x: Array, kernel: Array, *, stride: int, precision: Precision) -> Array:
    """The same, fused with what comes before it and after: it reads once and writes once."""
    del precision
    return _sum_products(_shifts(_padded(x, stride), stride), kernel.reshape(9, 1, 1, 1, -1))


def _padded(x: Array, stride: int) -> Array:
    before = 1 if stride == 1 else 0
    return jnp.pad(x, ((0, 0), (before, 1), (before, 1), (0, 0)))


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
    products = [x * w for x, w in zip(shifted, weights, strict=True)]
    return sum(products[1:], start=products[0])


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


TPU = Forms(conv, depthwise_conv, conv, looks_up=False)

# cuDNN's convolutions can't be fused with what is around them: that would be twice the traffic.
GPU = Forms(conv, depthwise_fused, pointwise_product)

# XLA's grouped convolution is 8 times slower than the shifted products here, and its full one, of
# three channels, 1.4 times. With one image at a time the large kernels at the end are read for too
# little work, with 4 the large layers at the beginning leave the caches.
CPU = Forms(conv_shifted, depthwise_shifted, pointwise_product, micro_batch=2)
