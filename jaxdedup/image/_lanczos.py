"""LANCZOS weights, planned on the host in float64 and held as 22-bit fixed-point integers.

Everything here depends on sizes alone: images of many sizes share one compiled program, with their
weights as data.

Source: Pillow, ``src/libImaging/Resample.c``; C. E. Duchon, "Lanczos Filtering in One and Two
Dimensions", 1979.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._fixed_point import PRECISION_BITS
from ._profiles import Profile, rules

_SUPPORT = 3.0  # LANCZOS reaches three inputs (or, where it shrinks, outputs) to either side
_CACHED_LENGTH = 16_384  # longer axes are rare, and their weights large
# One bound keeps int32 sums from overflowing and the limbs of matrix products exact: 1.98, where a
# sum is 1. LANCZOS comes to 1.3 at most (the rest is negative), whatever the lengths.
_MOST_WEIGHT = 127 << 16


class Windows(NamedTuple):
    """The weights of one axis: output o sums ``taps[o, t] · input[first[o] + t]`` over t.

    `first` and `stop` don't decrease from one output to the next.
    """

    first: NDArray[np.int32]  # int32[O]
    stop: NDArray[np.int32]  # int32[O], the end of the inputs that an output looks at
    taps: NDArray[np.int32]  # int32[O, T], zero from `stop` on


LinearMap = Callable[[int, int], Windows]  # from the length of an axis and its number of outputs


def windows(length: int, out_length: int) -> Windows:
    """The windows of LANCZOS, as Pillow has them, as NumPy arrays; they are cached.

    Args:
        length: the number of inputs.
        out_length: the number of outputs.

    Returns:
        What each output sums, with weights times 2²².

    Example:
        >>> windows(2, 1).taps / 2**22
        array([[0.5, 0.5]])
    """
    plan = _cached_windows if length <= _CACHED_LENGTH else _plan_windows
    return plan(length, out_length)


def _plan_windows(length: int, out_length: int) -> Windows:
    scale = length / out_length
    filter_scale = max(scale, 1.0)
    support = _SUPPORT * filter_scale
    center = (np.arange(out_length) + 0.5) * scale
    first = np.maximum((center - support + 0.5).astype(np.int64), 0)
    stop = np.minimum((center + support + 0.5).astype(np.int64), length)
    taps = np.zeros((out_length, (stop - first).max()), np.int32)
    # As many outputs at once as stay in the cache: an axis may have ten million inputs.
    together = max(1, _CACHED_LENGTH // taps.shape[1])
    for o in range(0, out_length, together):
        some = slice(o, o + together)
        taps[some] = _fixed(first[some], stop[some], center[some], filter_scale, taps.shape[1])
    if np.maximum(taps, 0).sum(axis=1).max() >= _MOST_WEIGHT:
        raise OverflowError(f"weights from {length} to {out_length} pixels exceed their bound")
    planned = Windows(first.astype(np.int32), stop.astype(np.int32), taps)
    for array in planned:
        array.setflags(write=False)
    return planned


_cached_windows: Callable[[int, int], Windows] = functools.lru_cache(maxsize=1024)(_plan_windows)


def _fixed(
    first: NDArray[np.int64],
    stop: NDArray[np.int64],
    center: NDArray[np.floating],
    filter_scale: float,
    count: int,
) -> NDArray[np.int32]:
    """Fixed-point weights of a few outputs."""
    x = first[:, None] + np.arange(count)
    weights = _kernel((x - center[:, None] + 0.5) * (1.0 / filter_scale))
    weights[x >= stop[:, None]] = 0.0
    weights /= np.cumsum(weights, axis=1)[:, -1:]  # cumsum adds from left to right, as Pillow does
    return np.trunc(weights * 2**PRECISION_BITS + np.copysign(0.5, weights)).astype(np.int32)


def _kernel(x: NDArray[np.float64]) -> NDArray[np.float64]:
    window = np.sinc(x) * np.sinc(x / _SUPPORT)  # np.sinc(x) is sin(πx) / (πx)
    return np.where((x >= -_SUPPORT) & (x < _SUPPORT), window, 0.0)


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
