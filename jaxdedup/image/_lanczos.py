"""LANCZOS weights, planned on the host in float64 and held as 22-bit fixed-point integers.

Everything here depends on sizes alone, and the shapes of the arrays on the bucket and the target
size alone: images of many true sizes share one compiled program, with their weights as data.

Source: Pillow, ``src/libImaging/Resample.c``; C. E. Duchon, "Lanczos Filtering in One and Two
Dimensions", 1979.
"""

import functools
from typing import NamedTuple

import jax
import numpy as np

from ._profiles import Profile, rules

PRECISION_BITS = 22
_SUPPORT = 3.0  # LANCZOS reaches three inputs (or, where it shrinks, outputs) to either side
_MOST_TERMS = 25  # of a sum that the compiler of XLA's CPU back end writes out: it does 32


class AxisWeights(NamedTuple):
    """The weights of one pass: output o sums ``taps[o, t] · input[starts[o] + t]`` over t."""

    taps: np.ndarray | jax.Array  # int32[O, T]
    starts: np.ndarray | jax.Array  # int32[O]
    length: np.ndarray | jax.Array  # int32[], the true number of inputs


class ResizeWeights(NamedTuple):
    """The weights of both passes: a pytree, to be stacked along a batch axis as needed."""

    vertical: AxisWeights
    horizontal: AxisWeights


def bucket_shape(height: int, width: int) -> tuple[int, int]:
    """The padded size that an image shares with others of about its size.

    A side is rounded up to 4, 5, 6 or 8 times a power of two, and to 256 at least: 19 steps up to
    16,384 pixels. On the CPU, where padding is passed over, a bucket is square, and images of up
    to that size fall into 19 buckets at most; sides of 2,048 and more are 64 pixels longer, as
    rows that are a large power of two apart compete for the same lines of a cache. Elsewhere,
    where padding is moved and multiplied, and where a square would have 2³¹ bytes, each side is
    rounded by itself, and they fall into 361.

    Args:
        height, width: the true size in pixels.

    Returns:
        ``(Hb, Wb)``, each at least as large as the true side.

    Example:
        >>> bucket_shape(480, 640)
        (640, 640)
    """
    if jax.default_backend() == "cpu":
        side = _round_up(max(height, width))
        side += 64 if side >= 2048 else 0
        if 3 * side**2 < 2**31:
            return side, side
    return _round_up(height), _round_up(width)


def _round_up(side: int) -> int:
    octave = max(64, (1 << (side - 1).bit_length()) >> 3)
    return next(octave * step for step in (4, 5, 6, 8) if octave * step >= side)


def vertical_first(
    height: int, width: int, size: tuple[int, int], *, profile: Profile = "pillow13"
) -> bool:
    """Whether the profile's Pillow resizes the vertical axis first, which shows in the rounding.

    Args:
        height, width: the true size in pixels.
        size: the target ``(h, w)``.
        profile: the version of Pillow to equal.

    Example:
        >>> vertical_first(4000, 1000, (32, 32)), vertical_first(480, 640, (32, 32))
        (True, False)
    """
    fewer_rows, fewer_columns = height - size[0], width - size[1]
    return rules(profile).may_go_vertical_first and fewer_rows > max(0, 2 * fewer_columns)


def plan_resize(
    height: int,
    width: int,
    size: tuple[int, int],
    *,
    bucket: tuple[int, int] | None = None,
    profile: Profile = "pillow13",
) -> ResizeWeights:
    """The weights that resize an image, as NumPy arrays; the plan of each axis is cached.

    Args:
        height, width: the true size in pixels.
        size: the target ``(h, w)``.
        bucket: the padded size ``(Hb, Wb)``; the true size by default.
        profile: the version of Pillow to equal. None of them has changed the weights.

    Returns:
        Weights whose shapes depend on `bucket` and `size` only.

    Example:
        >>> plan_resize(480, 640, (32, 32), bucket=(640, 640)).vertical.starts.shape
        (32,)
    """
    rules(profile)
    padded = bucket or (height, width)
    return ResizeWeights(
        vertical=_plan_axis(height, size[0], padded[0]),
        horizontal=_plan_axis(width, size[1], padded[1]),
    )


def term_count(slice_length: int) -> int:
    """How many products of a slice are summed in one step: all of a short one, parts of others."""
    return -(-slice_length // -(-slice_length // _MOST_TERMS))


@functools.lru_cache(maxsize=512)
def _plan_axis(length: int, out_length: int, padded_length: int) -> AxisWeights:
    first, stop, fixed = _lanczos(length, out_length)
    slice_length = _slice_length(padded_length / out_length, padded_length)
    # A slice ends within the array, which the device pads to the length of one slice if need be.
    starts = np.minimum(first, max(padded_length - slice_length, 0)).astype(np.int32)
    taps = np.zeros((out_length, slice_length), np.int32)
    output, tap = np.nonzero(np.arange(fixed.shape[1]) < (stop - first)[:, None])
    taps[output, first[output] + tap - starts[output]] = fixed[output, tap]
    # One bound keeps int32 sums from overflowing and the highest limb within 8 bits: 1.98, where
    # a sum is 1. LANCZOS comes to 1.3 at most (the rest is negative), whatever the lengths.
    if np.maximum(taps, 0).sum(axis=1).max() >= 127 << 16:
        raise OverflowError(f"weights from {length} to {out_length} pixels exceed their bound")
    true_length = np.array(length, np.int32)
    for array in (taps, starts, true_length):
        array.setflags(write=False)
    return AxisWeights(taps, starts, true_length)


def _slice_length(scale: float, padded_length: int) -> int:
    """Inputs that an output may touch, for any true length up to the padded one."""
    span = min(int(2 * _SUPPORT * max(scale, 1.0)) + 2, padded_length)
    return -(-span // term_count(span)) * term_count(span)


def _lanczos(length: int, out_length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First input, end of inputs and fixed-point weights of every output, as Pillow has them."""
    scale = length / out_length
    filter_scale = max(scale, 1.0)
    support = _SUPPORT * filter_scale
    center = (np.arange(out_length) + 0.5) * scale
    first = np.maximum((center - support + 0.5).astype(np.int64), 0)
    stop = np.minimum((center + support + 0.5).astype(np.int64), length)
    x = first[:, None] + np.arange((stop - first).max())
    weights = _kernel((x - center[:, None] + 0.5) * (1.0 / filter_scale))
    weights[x >= stop[:, None]] = 0.0
    weights /= np.cumsum(weights, axis=1)[:, -1:]  # cumsum adds from left to right, as Pillow does
    fixed = np.trunc(weights * 2**PRECISION_BITS + np.copysign(0.5, weights)).astype(np.int32)
    return first, stop, fixed


def _kernel(x: np.ndarray) -> np.ndarray:
    window = np.sinc(x) * np.sinc(x / _SUPPORT)  # np.sinc(x) is sin(πx) / (πx)
    return np.where((x >= -_SUPPORT) & (x < _SUPPORT), window, 0.0)
