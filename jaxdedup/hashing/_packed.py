"""Packed hashes ``uint8[..., b]`` as hex digits, as bits, and the distance between them.

A hash of n bits fills ⌈n/8⌉ bytes, the most significant bit first. Where n is no multiple of 8, it
is right-aligned: the first bits of its first byte are zero, as in a number that is written out.
"""

from binascii import hexlify
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from jaxdedup.runtime import refuse_fork

Hex = str | Sequence[str] | NDArray[np.str_]


def to_hex(hashes: ArrayLike, *, bits: int | None = None) -> Any:
    """Hex digits of packed hashes. Host function: strings don't live on devices.

    Args:
        hashes: ``uint8[..., b]``, b of at least 1.
        bits: how many bits a hash has, if not all 8·b.

    Returns:
        A ``str`` of ⌈bits/4⌉ lower-case hex digits for one hash, ``str[...]`` (NumPy) for more.

    Raises:
        TypeError: the hashes are not uint8.
        ValueError: ``bits`` do not fill b bytes, or a bit in front of them is set.

    Example:
        >>> import numpy as np
        >>> to_hex(np.arange(8, dtype=np.uint8))
        '0001020304050607'
        >>> to_hex(np.arange(6, dtype=np.uint8), bits=42)
        '00102030405'
    """
    packed = np.asarray(hashes)
    width = _check_packed(packed.dtype, packed.shape, bits)
    _check_leading_bits(packed, width)
    digits = 2 * packed.shape[-1]
    text = np.frombuffer(hexlify(packed.tobytes()), np.uint8).reshape(*packed.shape[:-1], digits)
    text = np.ascontiguousarray(text[..., digits - -(-width // 4) :])
    strings = text.view(f"S{text.shape[-1]}")[..., 0].astype(np.str_)
    return strings if strings.ndim else str(strings)


def from_hex(digits: Hex, *, bits: int | None = None) -> NDArray[np.uint8]:
    """Packed hashes of hex digits, the inverse of :func:`to_hex`. Host function.

    Args:
        digits: a string of hex digits, or an array or nested sequence of strings of one length.
        bits: how many bits a hash has; by default 4 for each digit, or 64 where there is no hash.

    Returns:
        ``uint8[..., b]`` (NumPy), b = ⌈bits/8⌉.

    Raises:
        TypeError: something else than strings is given.
        ValueError: a string is not ⌈bits/4⌉ hex digits, or a bit in front of the ``bits`` is set.

    Example:
        >>> from_hex(["00000000000000ff", "8000000000000000"])
        array([[  0,   0,   0,   0,   0,   0,   0, 255],
               [128,   0,   0,   0,   0,   0,   0,   0]], dtype=uint8)
        >>> from_hex("00102030405", bits=42)
        array([0, 1, 2, 3, 4, 5], dtype=uint8)
    """
    strings = np.asarray(digits)
    if strings.size == 0:
        return np.zeros((*strings.shape, -(-(64 if bits is None else bits) // 8)), np.uint8)
    if strings.dtype.kind != "U":
        raise TypeError(f"expected hex strings, got {digits!r:.80}")
    count = len(strings.flat[0]) if bits is None else -(-bits // 4)
    values = _digit_values(strings, count)
    values = np.pad(values, [(0, 0)] * strings.ndim + [(count % 2, 0)])
    packed = values[..., ::2] << np.uint8(4) | values[..., 1::2]
    _check_leading_bits(packed, 4 * count if bits is None else bits)
    return packed


def to_bits(hashes: ArrayLike, *, bits: int | None = None) -> jax.Array:
    """The bits of packed hashes, as an array.

    Equals the last ``bits`` of ``np.unpackbits(hashes, axis=-1)``.

    Args:
        hashes: ``uint8[..., b]``, b of at least 1.
        bits: how many bits a hash has, if not all 8·b.

    Returns:
        ``bool[..., bits]``, in the order in which the hash compares: row by row.

    Raises:
        TypeError: the hashes are not uint8.
        ValueError: ``bits`` do not fill b bytes.

    Example:
        >>> import numpy as np
        >>> int(to_bits(np.full(8, 3, np.uint8)).sum())
        16
    """
    refuse_fork()
    packed = jnp.asarray(hashes)
    width = _check_packed(packed.dtype, packed.shape, bits)
    if not packed.size:  # which jnp.unpackbits can't take
        return jnp.zeros((*packed.shape[:-1], width), bool)
    return jnp.unpackbits(packed, axis=-1)[..., -width:].astype(bool)


def hamming_distance(a: ArrayLike | Hex, b: ArrayLike | Hex) -> Any:
    """How many bits differ between hashes.

    Equals ``imagededup.methods.PHash.hamming_distance`` for two strings. Broadcasts: distances
    between all pairs are ``hamming_distance(hashes[:, None], hashes[None, :])``.

    Args:
        a: ``uint8[..., b]``, a string of hex digits, or an array or sequence of such strings.
        b: likewise, of the same width; its leading axes broadcast with those of ``a``.

    Returns:
        ``int32[...]``, 0 to 8·b; an ``int`` where both are single strings.

    Raises:
        TypeError: an array is not uint8.
        ValueError: the two are not equally wide, or a string is not made of hex digits.

    Example:
        >>> hamming_distance("00000000000000ff", "000000000000000f")
        4
    """
    if isinstance(a, str) and isinstance(b, str):
        if len(a) != len(b):
            raise ValueError(f"expected hashes of one width, got {a!r:.100} and {b!r:.100}")
        return int(hamming_distance(from_hex(a), from_hex(b)))
    first, second = _packed(a), _packed(b)
    if first.shape[-1] != second.shape[-1]:
        raise ValueError(
            f"expected hashes of one width, got {first.shape[-1]} and {second.shape[-1]} bytes"
        )
    if first.ndim != second.ndim:  # said aloud, for callers whose rank promotion is strict
        ndim = max(first.ndim, second.ndim)
        first, second = (x.reshape((1,) * (ndim - x.ndim) + x.shape) for x in (first, second))
    return _distance(first, second)


@jax.jit  # so that what is summed is never in memory
def _distance(first: jax.Array, second: jax.Array) -> jax.Array:
    return jnp.sum(jax.lax.population_count(first ^ second), axis=-1, dtype=jnp.int32)


_NO_DIGIT = 255
_VALUES = np.full(128, _NO_DIGIT, np.uint8)  # of the hex digits, by their ASCII code
for _digits in ("0123456789abcdef", "0123456789ABCDEF"):
    _VALUES[[ord(digit) for digit in _digits]] = range(16)


def _digit_values(strings: NDArray[np.str_], count: int) -> NDArray[np.uint8]:
    """uint8[..., count], the value of each digit; ValueError unless there are just so many."""
    lengths = np.strings.str_len(strings)
    wrong = lengths != count
    if count and not wrong.all():
        codes = np.ascontiguousarray(strings.astype(f"U{count}")[..., None]).view(np.uint32)
        values = _VALUES[np.minimum(codes, 127)]
        wrong |= (values == _NO_DIGIT).any(axis=-1)
    if wrong.any() or not count:
        string = str(strings[np.unravel_index(wrong.argmax(), strings.shape)])
        raise ValueError(f"expected a hash of {count or 'some'} hex digits, got {string!r:.100}")
    return values


def _packed(hashes: ArrayLike | Hex) -> jax.Array:
    if not isinstance(hashes, jax.Array):
        array = np.asarray(hashes)
        hashes = from_hex(array) if array.dtype.kind == "U" else array
    _check_packed(hashes.dtype, hashes.shape)
    refuse_fork()
    return jnp.asarray(hashes)


def _check_packed(dtype: Any, shape: tuple[int, ...], bits: int | None = None) -> int:
    """How many bits a hash has; raises unless they fill the last axis of uint8."""
    if dtype != np.uint8:
        raise TypeError(f"expected packed hashes of dtype uint8, got {dtype}")
    if not shape or shape[-1] == 0:
        raise ValueError(f"expected packed hashes of shape (..., b), b > 0, got {shape}")
    if bits is None:
        return 8 * shape[-1]
    if -(-bits // 8) != shape[-1]:
        raise ValueError(
            f"expected packed hashes of shape (..., {-(-bits // 8)}) for {bits} bits, got {shape}"
        )
    return bits


def _check_leading_bits(packed: NDArray[np.uint8], bits: int) -> None:
    """Raises unless the bits in front of the last ``bits`` are zero."""
    if np.any(packed[..., 0] >> (bits - 1) % 8 > 1):
        raise ValueError(f"expected hashes of {bits} bits, got one with a higher bit set")
