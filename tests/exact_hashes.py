"""PHash and WHash by exact arithmetic on Python integers: the rule where floats see ties as noise.

A product of two cosines of the 32-point DCT is half the sum of two values cos(πj/64), so that a
coefficient is a sum of the 32 irrationals cos(πj/64), j < 32, with integer factors. These are
linearly independent over the rationals: two coefficients are equal just if their factors are. Where
they differ, the norm of the difference, a whole number, keeps them more than 10⁻¹⁹⁰ apart, and
cosines of 240 digits tell which is greater.
"""

from decimal import Decimal, localcontext
from functools import cache

import numpy as np
from numpy.typing import NDArray

_DIGITS = 240
_SIDE, _KEPT = 32, 8


@cache
def _cosines() -> list[int]:
    """``cos(πj/64)·10^240`` for j < 32."""
    with localcontext() as context:
        context.prec = _DIGITS + 10
        twice = Decimal(0)  # 2cos(π/2); 2cos(a/2) = √(2 + 2cos a)
        for _ in range(5):
            twice = (2 + twice).sqrt()
        cosines = [Decimal(1), twice / 2]
        while len(cosines) < _SIDE:
            cosines.append(twice * cosines[-1] - cosines[-2])
        return [int(c.scaleb(_DIGITS)) for c in cosines]


@cache
def _factors() -> NDArray[np.float64]:
    """``float64[64·32, 1024]``: of each pixel, in each coefficient (times two), for each cosine."""
    factors = np.zeros((_KEPT, _KEPT, _SIDE, _SIDE, _SIDE), np.int64)
    for k, m, y, x in np.ndindex(_KEPT, _KEPT, _SIDE, _SIDE):
        across, down = k * (2 * y + 1), m * (2 * x + 1)
        for angle in (across + down, across - down):  # cos(π·angle/64)
            angle = abs(angle) % 128
            angle = min(angle, 128 - angle)
            if angle != 32:
                factors[k, m, min(angle, 64 - angle), y, x] += 1 if angle < 32 else -1
    return factors.reshape(-1, _SIDE * _SIDE).astype(np.float64)


def phash_bits(lumas: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """``bool[2, N, 64]``: of each 32×32 luma its bits, and which of them compare equal numbers."""
    # Of whole numbers below 2²⁰: exact, and BLAS is fast.
    sums = lumas.reshape(len(lumas), -1).astype(np.float64) @ _factors().T
    factors = sums.astype(np.int64).reshape(-1, 64, _SIDE)
    return np.stack([_phash_bits(rows) for rows in factors.tolist()], axis=1)


def _phash_bits(factors: list[list[int]]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    coefficients = [sum(map(int.__mul__, row, _cosines())) for row in factors]
    median = sorted(coefficients[1:])[31]
    bits = np.array([c >= median for c in coefficients])
    tied = np.array([c == median for c in coefficients])
    return bits, tied & (coefficients[1:].count(median) > 1)


def whash_bits(luma: NDArray[np.uint8], n: int = 8) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The n² bits of a 256×256 luma, and which of them compare two equal numbers."""
    sums = luma.reshape(n, 256 // n, n, 256 // n).sum((1, 3), dtype=np.int64).reshape(-1)
    middle = np.sort(sums)[n * n // 2 - 1 : n * n // 2 + 1].sum()
    return 2 * sums >= middle, 2 * sums == middle
