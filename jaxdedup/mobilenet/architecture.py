"""MobileNet V1 as data: table 1 of the paper for width 1.0 and 224×224 images.

Andrew G. Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications", 2017, https://arxiv.org/abs/1704.04861. (The paper's table gives the last depthwise
layer stride 2; its own sizes, and everybody's networks, say 1.)
"""

from typing import NamedTuple

IMAGE_SIZE = 224
FEATURES = 1024


class Layer(NamedTuple):
    """A convolution, its BatchNorm and its ReLU6.

    Attributes:
        name: the name in Google's checkpoint.
        depthwise: whether each channel has a filter of its own.
        stride: in both directions.
        kernel: the shape of the kernel as TensorFlow has it: (height, width, C in, C out), for
            depthwise layers (height, width, C, 1).
    """

    name: str
    depthwise: bool
    stride: int
    kernel: tuple[int, int, int, int]

    @property
    def channels(self) -> int:
        """Channels that go out."""
        return self.kernel[2] if self.depthwise else self.kernel[3]


# A depthwise 3×3 and a pointwise 1×1 layer each: (stride of the first, channels of the second)
_BLOCKS = (
    (1, 64),
    (2, 128),
    (1, 128),
    (2, 256),
    (1, 256),
    (2, 512),
    *5 * ((1, 512),),
    (2, 1024),
    (1, FEATURES),
)


def _table() -> tuple[Layer, ...]:
    layers = [Layer("Conv2d_0", False, 2, (3, 3, 3, 32))]
    for number, (stride, out) in enumerate(_BLOCKS, start=1):
        channels = layers[-1].channels
        layers += [
            Layer(f"Conv2d_{number}_depthwise", True, stride, (3, 3, channels, 1)),
            Layer(f"Conv2d_{number}_pointwise", False, 1, (1, 1, channels, out)),
        ]
    return tuple(layers)


LAYERS = _table()
