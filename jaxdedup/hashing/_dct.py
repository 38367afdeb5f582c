"""The low frequencies of an image, as exact numbers that can be ordered.

"Greater than the median" is a question about order, and order is decided exactly here: the DCT
basis is held in fixed point, in which equal numbers stay equal, and the sums over it are exact
integers. A floating-point DCT leaves noise where a symmetric image has coefficients of exactly
zero, and noise decides those bits.
"""

from functools import cache
from itertools import product, starmap
from math import prod
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax
from numpy.typing import NDArray

Array = Any  # JAX's, traced or not, or NumPy's

_FRACTION_BITS = 32
# 33 bits and a sign are five signed digits of 7 bits. A sum of 256 products of a folded pixel, at
# most 4·255, and such a digit stays below 2²⁴: float32 holds it exactly, whatever the order.
_DIGIT_BITS = 7
_DIGITS = 5
_TERMS = 256
# 33 bits, times such a pixel, four times as many, stay below 2⁵³: float64 holds the sum whole. That
# is for the host; few accelerators have it.
_WHOLE = 4
_SIDE_WORTH_TWO = 64  # foldings
_LOW_BITS = _DIGIT_BITS * (_DIGITS - 1)
#: Frequencies along an axis that XLA puts in order on a CPU as soon as NumPy does. Each is two
#: numbers to XLA, and one of 64 bits to NumPy.
FEW_FREQUENCIES = 10
_MOST_PRODUCTS = 2**18  # of a product of matrices that OpenBLAS leaves on one core
_MOST_BYTES = 2**27  # of a table of the basis; long before it, int32 would hold the sums


class _Split(NamedTuple):
    """Numbers ``high·2²⁸ + low`` with 0 <= low < 2²⁸, both ``int32[...]``."""

    high: Array
    low: Array


#: Exact numbers of up to 54 bits: where JAX computes, which seldom has int64, in two parts.
Numbers = NDArray[np.int64] | _Split


class Frequencies(NamedTuple):
    """Coefficients ``[..., n²]`` of a 2-D DCT, the DC first.

    Attributes:
        values: in the order of how often 2 divides their two frequencies.
        places: int64[n²]: where each of them, row by row, is among the values.
    """

    values: Numbers
    places: NDArray[np.int64]


def low_frequencies(luma: Array, count: int) -> Frequencies:
    """The 2-D DCT-II of ``uint8[..., N, N]``, its ``count`` lowest frequencies along each axis.

    A common factor apart, which no comparison sees.
    """
    is_on_host = isinstance(luma, np.ndarray)
    side = luma.shape[-1]
    # Products of more parts take a compiler longer, and a device's are short as it is. A sum is
    # folded again where its length is whole, and where each part has a frequency.
    is_worth_two = is_on_host and side % 2 == 0 and side >= _SIDE_WORTH_TWO and count >= 4
    folds = 2 if is_worth_two else 1
    pixels = luma.astype(np.int16 if is_on_host else np.float32)
    parts = [
        some.reshape(*luma.shape[:-2], -1)
        for rows in _folded(pixels, -2, folds)
        for some in _folded(rows, -1, folds)
    ]
    numbers = map(_multiply, parts, _folded_bases(side, count, folds))
    return Frequencies(jax.tree.map(_side_by_side, *numbers), _places(count, folds))


def row_frequencies(luma: Array, count: int) -> Numbers:
    """The DCT-II of each row, its frequencies 1 to n: ``uint8[..., R, N]`` to ``[..., R·n]``."""
    numbers = _multiply(luma, _row_basis(luma.shape[-1], count))
    return jax.tree.map(lambda x: x.reshape(*x.shape[:-2], -1), numbers)


def compare_to_median(values: Numbers, *, but_first: int = 0) -> tuple[Array, Array]:
    """Which of ``[..., V]`` are greater than their median, and which are equal to it.

    Args:
        values: the numbers. The median of an even number is the mean of the middle two.
        but_first: how many of them, at the beginning, the median is not of.

    Returns:
        Two of ``bool[..., V]``.
    """
    among = jax.tree.map(lambda x: x[..., but_first:], values)
    if not isinstance(values, _Split):
        ordered = np.sort(among, axis=-1)
        middle = (ordered.shape[-1] - 1) // 2, ordered.shape[-1] // 2
        median = ordered[..., middle].sum(axis=-1, keepdims=True)
        return 2 * values > median, 2 * values == median
    count = among.high.shape[-1]
    pairs = lax.sort((among.high, among.low), num_keys=2)
    lower, upper = (
        _Split(*(x[..., i : i + 1] for x in pairs)) for i in ((count - 1) // 2, count // 2)
    )
    half, twice = _added(lower, upper), _added(values, values)
    equal_high = twice.high == half.high
    greater = (twice.high > half.high) | (equal_high & (twice.low > half.low))
    return greater, equal_high & (twice.low == half.low)


def compare_to_mean(values: Numbers) -> Array:
    """Which of ``[..., V]`` are greater than their mean: ``bool[..., V]``."""
    if not isinstance(values, _Split):
        return values.shape[-1] * values > values.sum(axis=-1, keepdims=True)
    high, low = values
    count = high.shape[-1]
    # V·c − Σc, in two steps of 14 bits each for the low part.
    differences = [
        count * part - part.sum(axis=-1, keepdims=True, dtype=np.int32)
        for part in (low & 0x3FFF, low >> 14, high)
    ]
    rest = differences[1] + (differences[0] >> 14)
    high = differences[2] + (rest >> 14)
    low_bits = (differences[0] & 0x3FFF) | (rest & 0x3FFF)
    return (high > 0) | ((high == 0) & (low_bits > 0))


def refuse_large_basis(side: int, count: int) -> None:
    """ValueError where the tables of :func:`low_frequencies` would be too large."""
    if 5 * (side * count) ** 2 > _MOST_BYTES:
        raise ValueError(
            f"expected {count}×{count} frequencies of {side}×{side} pixels to have a table of at "
            f"most {_MOST_BYTES >> 20} MB, got {5 * (side * count) ** 2 >> 20} MB"
        )


def _side_by_side(*parts: Array) -> Array:
    return parts[0].__array_namespace__().concatenate(parts, axis=-1)


def _added(a: _Split, b: _Split) -> _Split:
    low = a.low + b.low
    return _Split(a.high + b.high + (low >> _LOW_BITS), low & ((1 << _LOW_BITS) - 1))


def _folded(x: Array, axis: int, folds: int) -> tuple[Array, ...]:
    """What each of the `_classes` of frequencies sees of an axis.

    Odd frequencies see the difference of an image and its mirror image; even ones the sum, which is
    half as long, and of which they are the DCT.
    """
    even, odd = _fold(x, axis)
    return (*_folded(even, axis, folds - 1), odd) if folds > 1 else (even, odd)


def _classes(folds: int) -> list[tuple[slice, int]]:
    """Frequencies that see an axis folded alike, and how often: those that 2 divides most first."""
    odd = [(slice(2 ** (n - 1), None, 2**n), n) for n in range(folds, 0, -1)]
    return [(slice(0, None, 2**folds), folds), *odd]


def _fold(x: Array, axis: int) -> tuple[Array, Array]:
    """The sum and the difference of the first half of an axis and the mirrored second half."""
    length = x.shape[axis]

    def part(some: slice) -> Array:
        return x[(..., some, *[slice(None)] * (-1 - axis))]

    first, second = part(slice(-(-length // 2))), part(slice(None, -(length // 2) - 1, -1))
    if length % 2:  # the middle stands alone
        space = x.__array_namespace__()
        second = space.concatenate([second, space.zeros_like(part(slice(1)))], axis=axis)
    return first + second, first - second


def _multiply(pixels: Array, basis: "_Basis") -> Numbers:
    """``[..., T] @ [T, M]``, exact."""
    if isinstance(pixels, np.ndarray):
        rows = pixels.reshape(-1, pixels.shape[-1])
        whole = _multiply_whole(rows, basis.whole, _WHOLE * basis.terms)
        return whole.reshape(*pixels.shape[:-1], -1)
    total: Any = 0
    with jax.default_matmul_precision("highest"):  # float32 in truth, on every device
        for t in range(0, len(basis.digits), basis.terms):
            some = pixels[..., t : t + basis.terms].astype(np.float32)
            total = total + (some @ basis.digits[t : t + basis.terms]).astype(np.int32)
    sums = total.reshape(*total.shape[:-1], _DIGITS, -1)
    low = carry = sums[..., 0, :] * 0
    for k in range(_DIGITS - 1):
        digit = sums[..., k, :] + carry
        low = low + ((digit & (2**_DIGIT_BITS - 1)) << (k * _DIGIT_BITS))
        carry = digit >> _DIGIT_BITS
    return _Split(sums[..., _DIGITS - 1, :] + carry, low)


def _multiply_whole(rows: NDArray[Any], basis: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """On one core: what OpenBLAS divides among threads leaves them spinning for 50 ms, on cores
    that have images to decode.
    """
    terms = min(len(basis), most)
    some = max(1, _MOST_PRODUCTS // (terms * basis.shape[1]))
    whole = np.zeros((len(rows), basis.shape[1]), np.int64)
    for start in range(0, len(rows), some):
        for t in range(0, len(basis), terms):
            numbers = rows[start : start + some, t : t + terms].astype(np.float64)
            whole[start : start + some] += (numbers @ basis[t : t + terms]).astype(np.int64)
    return whole


class _Basis(NamedTuple):
    """What columns of pixels are multiplied by, integers of 33 bits and a sign."""

    whole: NDArray[np.float64]  # [T, M]
    digits: NDArray[np.float32]  # [T, 5·M]: side by side, the least first
    terms: int  # whose sum of products with digits float32 holds


@cache
def _folded_bases(side: int, count: int, folds: int) -> tuple["_Basis", ...]:
    """By the classes of both frequencies: twice the 2-D basis, ``[pixels, M]``."""
    # 2 cos(a) cos(b) = cos(a + b) + cos(a − b), both a multiple of π/2N.
    cosines = _cosines(side)
    angle = np.outer(np.arange(count), 2 * np.arange(side) + 1)

    def basis(rows: tuple[slice, int], columns: tuple[slice, int]) -> _Basis:
        angles = (angle[some, : -(-side // 2**times)] for some, times in (rows, columns))
        a, b = next(angles).T[:, None, :, None], next(angles).T[None, :, None, :]
        products = cosines[(a + b) % (4 * side)] + cosines[(a - b) % (4 * side)]
        return _basis(products.reshape(a.shape[0] * b.shape[1], -1), rows[1] + columns[1])

    return tuple(starmap(basis, product(_classes(folds), repeat=2)))


@cache
def _places(count: int, folds: int) -> NDArray[np.int64]:
    number = np.arange(count**2).reshape(count, count)
    parts = [number[i, j].ravel() for (i, _), (j, _) in product(_classes(folds), repeat=2)]
    return np.argsort(np.concatenate(parts))


@cache
def _row_basis(side: int, count: int) -> _Basis:
    angle = np.outer(2 * np.arange(side) + 1, np.arange(1, count + 1))
    return _basis(_cosines(side)[angle % (4 * side)], 0)


def _basis(numbers: NDArray[np.int64], folds: int) -> _Basis:
    """Of ``int64[T, M]``, for pixels that are folded so often."""
    rest, half = numbers, 1 << (_DIGIT_BITS - 1)
    digits = []
    for _ in range(_DIGITS):
        digit = (rest + half) % (2 * half) - half
        rest = (rest - digit) >> _DIGIT_BITS
        digits.append(digit)
    if rest.any():
        raise ValueError("the DCT basis does not fit its digits")
    terms = 4 * _TERMS >> max(2, folds)
    return _Basis(
        numbers.astype(np.float64), np.concatenate(digits, axis=1).astype(np.float32), terms
    )


@cache
def _cosines(side: int) -> NDArray[np.int64]:
    """``cos(πj/2N)`` in fixed point, j < 4N: what is equal by any identity is so to the last bit.

    2cos(πj/2N) = ζʲ + ζ⁻ʲ, where ζ is a root of unity of order 4N. Up to half the degree of its
    minimal polynomial, the cyclotomic one, these are independent over the rationals: they are
    rounded. All others are sums and differences of them, by that polynomial.
    """
    polynomial = _cyclotomic(4 * side).tolist()
    half = len(polynomial) // 2
    rounded = np.rint(np.cos(np.pi * np.arange(half) / (2 * side)) * 2.0**_FRACTION_BITS)
    cosines = [int(value) for value in rounded]
    middle = sum(polynomial[half - k] * cosines[k] for k in range(1, half))
    cosines.append(-(2 * middle + polynomial[half] * cosines[0]) // 2)
    for j in range(half + 1, 2 * side + 1):
        terms = zip(polynomial[:-1], range(j - 2 * half, j), strict=True)
        cosines.append(-sum(factor * cosines[abs(k)] for factor, k in terms))
    return np.array(cosines + cosines[2 * side - 1 : 0 : -1])


def _cyclotomic(order: int) -> NDArray[np.int64]:
    """The coefficients of the cyclotomic polynomial, a palindrome."""
    primes = [p for p in range(2, order + 1) if order % p == 0 and all(p % q for q in range(2, p))]
    degree = order
    for p in primes:
        degree -= degree // p
    # The product of (1 − x^(order/d))^μ(d) over all products d of primes, as a power series.
    series = np.zeros(degree + 1, np.int64)
    series[0] = 1
    for chosen in product((False, True), repeat=len(primes)):
        step = order // prod(p for p, is_chosen in zip(primes, chosen, strict=True) if is_chosen)
        if sum(chosen) % 2:
            for k in range(step, degree + 1):
                series[k] += series[k - step]
        else:
            for k in range(degree, step - 1, -1):
                series[k] -= series[k - step]
    return series
