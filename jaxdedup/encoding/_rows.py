"""From a map of encodings, as users have them, to one array; what is wrong is told by its key.

A hash of 64 bits, say, may be 16 hex digits, 8 bytes, or 8 numbers from 0 to 255; features may be
an array or a list of shape ``(D,)`` or ``(1, D)``.
"""

from binascii import unhexlify
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


def packed_hashes(encodings: Mapping[Any, Any], bits: int) -> NDArray[np.uint8]:
    """The hashes of a map.

    Args:
        encodings: N of them, by any keys.
        bits: how many bits a hash has.

    Returns:
        ``uint8[N, ceil(bits / 8)]``, in the order of the map.

    Raises:
        ValueError: an encoding is not a hash of so many bits; higher ones are not looked at.

    Example:
        >>> packed_hashes({"a.png": "00000000000000ff", "b.png": bytes(8)}, 64).tolist()
        [[0, 0, 0, 0, 0, 0, 0, 255], [0, 0, 0, 0, 0, 0, 0, 0]]
    """
    values = list(encodings.values())
    digits, width = -(-bits // 4), -(-bits // 8)
    if all(isinstance(value, str) and len(value) == digits for value in values):
        zero = "0" * (digits % 2)  # in front of each: a byte is two digits
        try:
            packed = np.frombuffer(unhexlify("".join(zero + value for value in values)), np.uint8)
        except ValueError:
            pass  # one by one, to find out which
        else:
            return packed.reshape(-1, width)
    return np.stack([_hash(key, value, bits) for key, value in encodings.items()])


def refuse_higher_bits(rows: NDArray[np.uint8], bits: int, keys: Sequence[Hashable]) -> None:
    """ValueError where a hash of several side by side has a bit set beyond its bits."""
    if bits % 8 == 0:
        return
    too_high = rows[:, :: -(-bits // 8)] >> bits % 8
    if too_high.any():
        key = keys[int(too_high.any(axis=1).argmax())]
        raise ValueError(f"expected a hash of {bits} bits for {key!r:.200}, got a higher bit set")


def _hash(key: Hashable, value: Any, bits: int) -> NDArray[np.uint8]:
    digits, width = -(-bits // 4), -(-bits // 8)
    if isinstance(value, str):
        if len(value) != digits or not set(value) <= _HEX_DIGITS:
            raise ValueError(
                f"expected a hash of {digits} hex digits, got {value!r:.60} for {key!r:.200}"
            )
        return np.frombuffer(unhexlify(value.zfill(2 * width)), np.uint8)
    if isinstance(value, (bytes, bytearray)):
        value = np.frombuffer(value, np.uint8)
    numbers = _array(key, value)
    if numbers.dtype.kind not in "iu" or numbers.shape not in ((width,), (1, width)):
        raise ValueError(
            f"expected a hash of {digits} hex digits or {width} bytes for {key!r:.200}, "
            f"got {described(value)}"
        )
    if numbers.min() < 0 or numbers.max() > 255:
        raise ValueError(f"expected bytes from 0 to 255 for {key!r:.200}, got {numbers.tolist()}")
    return numbers.reshape(width).astype(np.uint8)


def feature_rows(encodings: Mapping[Any, Any]) -> NDArray[np.float32]:
    """The features of a map.

    Args:
        encodings: N of them, by any keys, with D numbers each.

    Returns:
        ``float32[N, D]``, in the order of the map.

    Raises:
        ValueError: an encoding is not a row of finite numbers, or not as long as the first one.

    Example:
        >>> feature_rows({"a.png": [1, 0], "b.png": np.array([[0.5, 2]])}).tolist()
        [[1.0, 0.0], [0.5, 2.0]]
    """
    rows: NDArray[np.float32] | None = None
    for number, (key, value) in enumerate(encodings.items()):
        row = _features(key, value)
        if rows is None:
            rows = np.empty((len(encodings), row.size), np.float32)
        if row.size != rows.shape[1]:
            raise ValueError(
                f"expected {rows.shape[1]} features for {key!r:.100}, as the first encoding has, "
                f"got {row.size}"
            )
        with np.errstate(over="ignore"):  # too large for float32 is infinite, and told below
            rows[number] = row
    if rows is None:
        return np.zeros((0, 0), np.float32)
    refuse_infinite(rows, list(encodings))
    return rows


def refuse_infinite(rows: NDArray[Any], keys: Sequence[Hashable]) -> None:
    """ValueError, with its key, for a row of features that are not all finite.

    Example:
        >>> refuse_infinite(np.float32([[1, 2], [0, np.nan]]), ["a.png", "b.png"])
        Traceback (most recent call last):
        ...
        ValueError: expected finite features for 'b.png', got NaN or infinity
    """
    if rows.dtype == np.uint8 or (finite := np.isfinite(rows).all(axis=1)).all():
        return
    key = keys[int(finite.argmin())]
    raise ValueError(f"expected finite features for {key!r:.100}, got NaN or infinity")


def _features(key: Hashable, value: Any) -> NDArray[Any]:
    row = _array(key, value)
    # bfloat16 and its like are of the kind V.
    is_real = row.dtype.kind in "iuf" or row.dtype.name.startswith(("bfloat", "float"))
    if not is_real or row.size == 0 or row.shape not in ((row.size,), (1, row.size)):
        raise ValueError(
            f"expected features of shape (D,) or (1, D) for {key!r:.100}, got {described(value)}"
        )
    return row.reshape(-1)


def _array(key: Hashable, value: Any) -> NDArray[Any]:
    try:
        return np.asarray(value)
    except ValueError:  # lists of unequal lengths
        raise ValueError(
            f"expected one encoding for {key!r:.100}, got {described(value)}"
        ) from None


def described(value: Any) -> str:
    if hasattr(value, "shape"):
        return f"{value.dtype}{list(value.shape)}"
    return f"{value!r:.60}"
