"""LANCZOS weights, planned on the host in float64 and held as 22-bit fixed-point integers.

Everything here depends on sizes alone. The arrays' shapes depend on the bucket and the target size
only, so that images of many true sizes share one compiled program.
"""

import functools
from typing import NamedTuple

import numpy as np

from ._profiles import Profile, rules

PRECISION_BITS = 22
_SUPPORT = 3.0


class AxisWeights(NamedTuple):
    """The weights of one pass, in blocks of outputs which read a slice of the inputs each.

    Output ``g·q + j`` is the sum over ``t`` of ``taps[g, t, j] · input[starts[g] + t]``.
    """

    taps: np.ndarray  # int32[G, T, q]
    starts: np.ndarray  # int32[G]


class ResizeWeights(NamedTuple):
    """The weights of both passes: a pytree, which can be stacked along a batch axis."""

    vertical: AxisWeights
    horizontal: AxisWeights


def bucket_shape(height: int, width: int) -> tuple[int, int]:
    """The padded size which an image of this size shares with others."""
    return _round_up(height), _round_up(width)


def _round_up(side: int) -> int:
    unit = 1
    while 7 * unit < side:
        unit *= 2
    return unit * max(4, -(-side // unit))


def vertical_first(
    height: int, width: int, size: tuple[int, int], *, profile: Profile = "pillow13"
) -> bool:
    """Whether the profile's Pillow resizes the vertical axis first."""
    fewer_rows, fewer_columns = height - size[0], width - size[1]
    return rules(profile).may_go_vertical_first and fewer_rows > max(0, 2 * fewer_columns)


@functools.lru_cache(maxsize=1024)
def plan_resize(
    height: int,
    width: int,
    size: tuple[int, int],
    *,
    bucket: tuple[int, int] | None = None,
    profile: Profile = "pillow13",
) -> ResizeWeights:
    """The weights that resize an image of this true size, padded to ``bucket``, to ``size``."""
    padded_height, padded_width = bucket or (height, width)
    return ResizeWeights(
        vertical=_plan_axis(height, size[0], padded_height),
        horizontal=_plan_axis(width, size[1], padded_width),
    )


@functools.lru_cache(maxsize=1024)
def _plan_axis(length: int, out_length: int, padded_length: int) -> AxisWeights:
    first, taps = _lanczos(length, out_length)
    dense = np.zeros((padded_length, out_length), np.int32)
    for i, (start, row) in enumerate(zip(first, taps, strict=True)):
        row = row[: length - start]
        dense[start : start + len(row), i] = row
    return AxisWeights(dense[None], np.zeros(1, np.int32))


def _lanczos(length: int, out_length: int) -> tuple[np.ndarray, np.ndarray]:
    """First input and fixed-point weights of every output, exactly as Pillow computes them."""
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
    return first, fixed


def _kernel(x: np.ndarray) -> np.ndarray:
    # np.sinc(x) is sin(πx)/(πx)
    return np.where((x >= -_SUPPORT) & (x < _SUPPORT), np.sinc(x) * np.sinc(x / _SUPPORT), 0.0)
