"""SSCD, a network made to find copies: ResNet-50, generalised mean, 512 features of length 1.

The layout is that of its authors' ``.torchvision.pt`` files, ``sscd_disc_mixup`` for one. Images
are squeezed to 320×320, which its authors recommend for batches.

Source: E. Pizzi et al., "A Self-Supervised Descriptor for Image Copy Detection", 2022.
"""

import re

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from ._layers import Sequential, conv, dense, norm
from ._network import Network

_EPSILON = 1e-5
_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))  # width, blocks, stride of the first
_WIDER = 4
_GEM = 3


class _SSCD(nnx.Module):
    """From ``[B, 320, 320, 3]`` to features ``[B, 512]``."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.backbone = _ResNet50(rngs)

    def __call__(self, images: Array) -> Array:
        x = self.backbone(images)
        return x / jnp.maximum(jnp.linalg.norm(x, axis=1, keepdims=True), 1e-12)


class _ResNet50(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv1 = conv(3, 64, 7, rngs, stride=2)
        self.bn1 = norm(64, _EPSILON, rngs)
        inputs = 64
        for number, (width, blocks, stride) in enumerate(_STAGES, start=1):
            stage = []
            for block in range(blocks):
                stage.append(_Bottleneck(inputs, width, 1 if block else stride, rngs))
                inputs = _WIDER * width
            setattr(self, f"layer{number}", Sequential(stage))
        self.fc = dense(inputs, 512, rngs)

    def __call__(self, images: Array) -> Array:
        x = jax.nn.relu(self.bn1(self.conv1(images)))
        x = nnx.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))  # type: ignore[no-untyped-call]
        for number in range(1, len(_STAGES) + 1):
            x = getattr(self, f"layer{number}")(x)
        mean = (jnp.maximum(x, 1e-6) ** _GEM).mean((1, 2))
        return self.fc(mean ** (1 / _GEM))


class _Bottleneck(nnx.Module):
    def __init__(self, inputs: int, width: int, stride: int, rngs: nnx.Rngs) -> None:
        outputs = _WIDER * width
        self.conv1, self.bn1 = conv(inputs, width, 1, rngs), norm(width, _EPSILON, rngs)
        self.conv2, self.bn2 = conv(width, width, 3, rngs, stride), norm(width, _EPSILON, rngs)
        self.conv3, self.bn3 = conv(width, outputs, 1, rngs), norm(outputs, _EPSILON, rngs)
        self.downsample = None
        if inputs != outputs:
            skip = [conv(inputs, outputs, 1, rngs, stride), norm(outputs, _EPSILON, rngs)]
            self.downsample = nnx.data(Sequential(skip))

    def __call__(self, x: Array) -> Array:
        kept = x if self.downsample is None else self.downsample(x)
        x = jax.nn.relu(self.bn1(self.conv1(x)))
        x = jax.nn.relu(self.bn2(self.conv2(x)))
        return jax.nn.relu(kept + self.bn3(self.conv3(x)))


SSCD = Network(
    "sscd",
    features=512,
    resized=(320, 320),
    seen=(320, 320),
    module=_SSCD,
    beside=re.compile(r"(?!)"),
)
