"""MobileNet V3 Small without its classifier, in the layout of torchvision's ``IMAGENET1K_V1``.

Source: A. Howard et al., "Searching for MobileNetV3", 2019.
"""

import re
from typing import NamedTuple

import jax
from flax import nnx
from jax import Array

from ._layers import Depthwise, Layer, Sequential, SqueezeExcite, conv, norm
from ._network import Network

_EPSILON = 1e-3


class _Block(NamedTuple):
    """A line of the paper's table 2."""

    inputs: int
    side: int
    expanded: int
    outputs: int
    squeezed: int  # channels; 0 for no squeeze and excite
    activation: Layer
    stride: int


_RELU, _SWISH = jax.nn.relu, jax.nn.hard_swish
_BLOCKS = (
    _Block(16, 3, 16, 16, 8, _RELU, 2),
    _Block(16, 3, 72, 24, 0, _RELU, 2),
    _Block(24, 3, 88, 24, 0, _RELU, 1),
    _Block(24, 5, 96, 40, 24, _SWISH, 2),
    _Block(40, 5, 240, 40, 64, _SWISH, 1),
    _Block(40, 5, 240, 40, 64, _SWISH, 1),
    _Block(40, 5, 120, 48, 32, _SWISH, 1),
    _Block(48, 5, 144, 48, 40, _SWISH, 1),
    _Block(48, 5, 288, 96, 72, _SWISH, 2),
    _Block(96, 5, 576, 96, 144, _SWISH, 1),
    _Block(96, 5, 576, 96, 144, _SWISH, 1),
)


class _MobileNetV3Small(nnx.Module):
    """From ``[B, 224, 224, 3]`` to features ``[B, 576]``."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        first = Sequential([conv(3, 16, 3, rngs, stride=2), norm(16, _EPSILON, rngs), _SWISH])
        last = Sequential([conv(96, 576, 1, rngs), norm(576, _EPSILON, rngs), _SWISH])
        self.features = Sequential([first, *(_Residual(b, rngs) for b in _BLOCKS), last])

    def __call__(self, images: Array) -> Array:
        return self.features(images).mean((1, 2))


class _Residual(nnx.Module):
    def __init__(self, block: _Block, rngs: nnx.Rngs) -> None:
        inputs, side, expanded, outputs, squeezed, activation, stride = block

        def normed(layer: Layer, channels: int, *activation: Layer) -> Sequential:
            return Sequential([layer, norm(channels, _EPSILON, rngs), *activation])

        self.block = Sequential(
            [
                *(
                    [normed(conv(inputs, expanded, 1, rngs), expanded, activation)]
                    if expanded != inputs
                    else []
                ),
                normed(Depthwise(expanded, side, stride, rngs), expanded, activation),
                *([SqueezeExcite(expanded, squeezed, rngs)] if squeezed else []),
                normed(conv(expanded, outputs, 1, rngs), outputs),
            ]
        )
        self.adds = stride == 1 and inputs == outputs

    def __call__(self, x: Array) -> Array:
        return x + self.block(x) if self.adds else self.block(x)


MOBILENET_V3_SMALL = Network(
    "mobilenet_v3_small",
    features=576,
    resized=(256, 256),
    seen=(224, 224),
    module=_MobileNetV3Small,
    beside=re.compile(r"classifier\."),
)
