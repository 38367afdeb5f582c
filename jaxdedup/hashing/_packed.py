"""Packed hashes ``uint8[..., 8]`` as hex digits, as bits, and the distance between them."""

from binascii import hexlify, unhexlify
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

Hex = str | Sequence[str] | NDArray[np.str_]


def to_hex(hashes: ArrayLike) -> Any:
    """Hex digits of packed hashes. Host function: strings don't live on devices.

    Args:
        hashes: ``uint8[..., 8]``.

    Returns:
        A ``str`` of 16 lower-case hex digits for one hash, ``str[...]`` (NumPy) for more.

    Raises:
        TypeError: the hashes are not uint8.
        ValueError: the last axis is not 8 bytes.

    Example:
        >>> import numpy as np
        >>> to_hex(np.arange(8, dtype=np.uint8))
        '0001020304050607'
    """
    packed = np.asarray(hashes)
    _check_packed(packed.dtype, packed.shape)
    digits = np.frombuffer(hexlify(packed.tobytes()), dtype="S16").astype("U16")
    digits = digits.reshape(packed.shape[:-1])
    return digits if digits.ndim else str(digits)


def from_hex(digits: Hex) -> NDArray[np.uint8]:
    """Packed hashes of hex digits, the inverse of :func:`to_hex`. Host function.

    Args:
        digits: a string of 16 hex digits, or an array or nested sequence of such strings.

    Returns:
        ``uint8[..., 8]`` (NumPy).

    Raises:
        TypeError: something else than strings is given.
        ValueError: a string is not 16 hex digits.

    Example:
        >>> from_hex(["00000000000000ff", "8000000000000000"])
        array([[  0,   0,   0,   0,   0,   0,   0, 255],
               [128,   0,   0,   0,   0,   0,   0,   0]], dtype=uint8)
    """
    strings = np.asarray(digits)
    if strings.size == 0:
        return np.zeros((*strings.shape, 8), np.uint8)
    if strings.dtype.kind != "U":
        raise TypeError(f"expected hex strings, got {digits!r:.80}")
    for string in strings.flat:
        if len(string) != 16 or not set(string) <= _HEX_DIGITS:
            raise ValueError(f"expected a hash of 16 hex digits, got {str(string)!r}")
    packed = np.frombuffer(unhexlify("".join(strings.flat)), dtype=np.uint8)
    return packed.reshape(*strings.shape, 8).copy()


def to_bits(hashes: ArrayLike) -> jax.Array:
    """The 64 bits of packed hashes, as an array.

    Equals ``np.unpackbits(hashes, axis=-1)``.

    Args:
        hashes: ``uint8[..., 8]``.

    Returns:
        ``bool[..., 64]``, in the order in which the hash compares: row by row.

    Raises:
        TypeError: the hashes are not uint8.
        ValueError: the last axis is not 8 bytes.

    Example:
        >>> import numpy as np
        >>> int(to_bits(np.full(8, 3, np.uint8)).sum())
        16
    """
    packed = jnp.asarray(hashes)
    _check_packed(packed.dtype, packed.shape)
    if not packed.size:  # which jnp.unpackbits can't take
        return jnp.zeros((*packed.shape[:-1], 64), bool)
    return jnp.unpackbits(packed, axis=-1).astype(bool)


def hamming_distance(a: ArrayLike | Hex, b: ArrayLike | Hex) -> Any:
    """How many bits differ between hashes.

    Equals ``imagededup.methods.PHash.hamming_distance`` for two strings. Broadcasts: distances
    between all pairs are ``hamming_distance(hashes[:, None], hashes[None, :])``.

    Args:
        a: ``uint8[..., 8]``, a string of 16 hex digits, or an array or sequence of such strings.
        b: likewise; its leading axes broadcast with those of ``a``.

    Returns:
        ``int32[...]``, 0 to 64; an ``int`` where both are single strings.

    Raises:
        TypeError: an array is not uint8.
        ValueError: the last axis is not 8 bytes, or a string is not 16 hex digits.

    Example:
        >>> hamming_distance("00000000000000ff", "000000000000000f")
        4
    """
    if isinstance(a, str) and isinstance(b, str):
        return int(hamming_distance(from_hex(a), from_hex(b)))
    first, second = _packed(a), _packed(b)
    if first.ndim != second.ndim:  # said aloud, for callers whose rank promotion is strict
        ndim = max(first.ndim, second.ndim)
        first, second = (x.reshape((1,) * (ndim - x.ndim) + x.shape) for x in (first, second))
    return jnp.sum(jax.lax.population_count(first ^ second), axis=-1, dtype=jnp.int32)


_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


def _packed(hashes: ArrayLike | Hex) -> jax.Array:
    if not isinstance(hashes, jax.Array):
        array = np.asarray(hashes)
        hashes = from_hex(array) if array.dtype.kind == "U" else array
    packed = jnp.asarray(hashes)
    _check_packed(packed.dtype, packed.shape)
    return packed


def _check_packed(dtype: Any, shape: tuple[int, ...]) -> None:
    if dtype != np.uint8:
        raise TypeError(f"expected packed hashes of dtype uint8, got {dtype}")
    if not shape or shape[-1] != 8:
        raise ValueError(f"expected packed hashes of shape (..., 8), got {shape}")
