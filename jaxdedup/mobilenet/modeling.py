"""MobileNet V1 without its classifier, as a function of weights.

Images are `(B, 224, 224, 3)`; features are float32 `(B, 1024)`, the mean of the last layer over all
pixels. BatchNorm is a scale and a bias (see `params`).
"""

from collections.abc import Callable, Sequence
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.lax import Precision
from jax.typing import ArrayLike, DTypeLike

from jaxdedup.devices import (
    EIGEN_PRODUCTS,
    WideProgram,
    is_on_one_cpu,
    map_on_cores,
    program_of_products,
    split_for_cores,
)
from jaxdedup.runtime import refuse_fork

from . import forms as platforms
from .architecture import IMAGE_SIZE, LAYERS
from .params import Weights

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
    return _looked_up(pixels)


@jax.jit  # one program for a shape, where there is none around it, in place of nine
def _looked_up(pixels: Array) -> Array:
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
        >>> from jaxdedup.mobilenet import load_params
        >>> images = jnp.zeros((2, 224, 224, 3), jnp.uint8)
        >>> features(load_params(), images).shape
        (2, 1024)
    """
    refuse_fork()
    images = _checked(images)
    if jnp.dtype(dtype) not in (jnp.float32, jnp.bfloat16):
        raise TypeError(f"expected dtype float32 or bfloat16, got {jnp.dtype(dtype)}")
    if any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves((params, images))):
        return _features(params, images, dtype=dtype, precision=precision)
    if not is_on_one_cpu((params, images)):
        return _anywhere(jnp.dtype(dtype).name, precision)(params, images)
    program = _cpu_program(jnp.dtype(dtype).name, precision)
    least_bytes = _LEAST_IMAGES * IMAGE_SIZE**2 * 3 * images.dtype.itemsize
    parts = split_for_cores(images, least_bytes, per_core=2)

    def run(part: ArrayLike) -> Array:
        placed = jax.device_put(part)  # where it is already; a program would copy it
        return program(params, placed, jax.device_put(np.uint32(len(placed))))

    return map_on_cores(run, parts)


def features_on_cpu(
    params: Sequence[Weights], images: ArrayLike, count: ArrayLike, *, dtype: DTypeLike = "float32"
) -> Array:
    """Computes `features` of the first images, in a CPU's form.

    One program serves any number of images, and spends no time on most of those that are not
    wanted.

    Args:
        params: see `features`.
        images: see `features`.
        count: how many of the images are wanted.
        dtype: see `features`.

    Returns:
        `(B, 1024)` float32. From `count` on, rows hold anything.

    Example:
        >>> from jaxdedup.mobilenet import load_params
        >>> images = jnp.zeros((16, 224, 224, 3), jnp.uint8)
        >>> jax.jit(features_on_cpu)(load_params(), images, 2)[:2].shape
        (2, 1024)
    """
    return _forward(
        params,
        _checked(images),
        count=jnp.asarray(count).astype(jnp.uint32),  # an index that can't be negative
        dtype=dtype,
        precision=Precision.HIGHEST,
        forms=platforms.CPU,
    )


@cache
def _cpu_program(dtype: str, precision: Precision) -> WideProgram:
    def forward(params: Sequence[Weights], images: Array, count: Array) -> Array:
        forms = platforms.CPU
        return _forward(params, images, count=count, dtype=dtype, precision=precision, forms=forms)

    return WideProgram(jax.jit(forward), EIGEN_PRODUCTS)


@cache
def _anywhere(dtype: str, precision: Precision) -> Callable[..., Array]:
    return program_of_products(partial(_features, dtype=dtype, precision=precision))


@partial(jax.jit, static_argnames=("dtype", "precision"))
def _features(
    params: Sequence[Weights], images: Array, *, dtype: DTypeLike, precision: Precision
) -> Array:
    forward = partial(_forward, params, dtype=dtype, precision=precision)
    return lax.platform_dependent(
        images,
        cpu=partial(forward, forms=platforms.CPU),
        tpu=partial(forward, forms=platforms.TPU),
        default=partial(forward, forms=platforms.GPU),
    )


def _checked(images: ArrayLike) -> Array:
    images = jnp.asarray(images)
    if images.dtype != jnp.uint8 and not jnp.issubdtype(images.dtype, jnp.floating):
        raise TypeError(f"expected floating-point or uint8 images, got {images.dtype}")
    if images.ndim != 4 or images.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE, 3):
        raise ValueError(f"expected images (B, {IMAGE_SIZE}, {IMAGE_SIZE}, 3), got {images.shape}")
    return images


def _forward(
    params: Sequence[Weights],
    images: Array,
    *,
    count: Array | None = None,
    dtype: DTypeLike,
    precision: Precision,
    forms: platforms.Forms,
) -> Array:
    """Runs the layers of the table in the given forms."""
    x, first = images, 0
    for last, some in forms.stages:

        def stage(x: Array, layers: slice = slice(first, last)) -> Array:
            if layers.start == 0:
                x = _pixel_values(x, forms)
            for layer, weights in zip(LAYERS[layers], params[layers], strict=True):
                inputs = dtype if layer.name in ROUNDED else "float32"
                form = forms.of(layer)
                x = _layer(x, weights, form, forms.activated, layer.stride, inputs, precision)
            return x.mean(axis=(1, 2)) if layers.stop == len(LAYERS) else x

        x = stage(x) if some is None else _in_rounds(stage, x, some, count)
        first = last
    return x


def _pixel_values(images: Array, forms: platforms.Forms) -> Array:
    if images.dtype != jnp.uint8:
        return images.astype(jnp.float32)
    if forms.looks_up:
        return preprocess(images)
    return images.astype(jnp.float32) * jnp.float32(2 / 255) - 1


# Jitted, as equal layers are then traced and lowered once.
@partial(jax.jit, static_argnames=("form", "activated", "stride", "inputs", "precision"))
def _layer(
    x: Array,
    weights: Weights,
    form: platforms.Form,
    activated: platforms.Activation,
    stride: int,
    inputs: DTypeLike,
    precision: Precision,
) -> Array:
    kernel = weights.kernel.astype(inputs)
    x = form(x.astype(inputs), kernel, stride=stride, precision=precision)
    return activated(x, weights.scale, weights.bias)


def _in_rounds(
    function: Callable[[Array], Array], images: Array, size: int, count: Array | None
) -> Array:
    """Runs a function on `size` images at a time, in as many rounds as `count` asks for."""
    size = max(1, min(size, len(images)))
    rounds = max(1, -(-len(images) // size))
    spare = rounds * size - len(images)
    x = jnp.pad(images, ((0, spare), *3 * ((0, 0),)))
    if count is None:  # a loop that can be differentiated
        rows = lax.map(function, x.reshape(rounds, size, *x.shape[1:]))
        return rows.reshape(len(x), *rows.shape[2:])[: len(images)]
    some = jax.eval_shape(function, x[:size])
    empty = lax.empty((len(x), *some.shape[1:]), some.dtype)  # type: ignore[no-untyped-call]

    def add(i: Array, rows: Array) -> Array:
        now = function(lax.dynamic_slice_in_dim(x, i * size, size))
        return lax.dynamic_update_slice_in_dim(rows, now, i * size, axis=0)

    rows = lax.fori_loop(jnp.uint32(0), (count + (size - 1)) // size, add, empty)
    return rows[: len(images)]
