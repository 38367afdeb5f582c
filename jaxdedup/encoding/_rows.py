"""From a map of encodings, as users have them, to one array; what is wrong is told by its key.

A hash of 64 bits may be 16 hex digits, 8 bytes, or 8 numbers from 0 to 255; features may be an
array or a list of shape ``(D,)`` or ``(1, D)``.
"""

from binascii import unhexlify
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


def packed_hashes(encodings: Mapping[Any, Any], width: int) -> NDArray[np.uint8]:
    """The hashes of a map.

    Args:
        encodings: N of them, by any keys.
        width: b, the bytes of a hash.

    Returns:
        ``uint8[N, b]``, in the order of the map.

    Raises:
        ValueError: an encoding is not a hash of that width.

    Example:
        >>> packed_hashes({"a.png": "00000000000000ff", "b.png": bytes(8)}, 8).tolist()
        [[0, 0, 0, 0, 0, 0, 0, 255], [0, 0, 0, 0, 0, 0, 0, 0]]
    """
    values = list(encodings.values())
    if all(isinstance(value, str) and len(value) == 2 * width for value in values):
        try:
            packed = np.frombuffer(unhexlify("".join(values)), np.uint8)
            return packed.reshape(-1, width)
        except ValueError:
            pass  # one by one, to find out which
    return np.stack([_hash(key, value, width) for key, value in encodings.items()])


def _hash(key: Hashable, value: Any, width: int) -> NDArray[np.uint8]:
    if isinstance(value, str):
        if len(value) != 2 * width or not set(value) <= _HEX_DIGITS:
            raise ValueError(
                f"expected a hash of {2 * width} hex digits, got {value!r:.60} for {key!r:.200}"
            )
        return np.frombuffer(unhexlify(value), np.uint8)
    if isinstance(value, (bytes, bytearray)):
        value = np.frombuffer(value, np.uint8)
    numbers = _array(key, value)
    if numbers.dtype.kind not in "iu" or numbers.shape not in ((width,), (1, width)):
        raise ValueError(
            f"expected a hash of {2 * width} hex digits or {width} bytes for {key!r:.200}, "
            f"got {_described(value)}"
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
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        key = list(encodings)[int(finite.argmin())]
        raise ValueError(f"expected finite features for {key!r:.100}, got NaN or infinity")
    return rows


def _features(key: Hashable, value: Any) -> NDArray[Any]:
    row = _array(key, value)
    # bfloat16 and its like are of the kind V.
    is_real = row.dtype.kind in "iuf" or row.dtype.name.startswith(("bfloat", "float"))
    if not is_real or row.size == 0 or row.shape not in ((row.size,), (1, row.size)):
        raise ValueError(
            f"expected features of shape (D,) or (1, D) for {key!r:.100}, got {_described(value)}"
        )
    return row.reshape(-1)


def _array(key: Hashable, value: Any) -> NDArray[Any]:
    try:
        return np.asarray(value)
    except ValueError:  # lists of unequal lengths
        raise ValueError(
            f"expected one encoding for {key!r:.100}, got {_described(value)}"
        ) from None


def _described(value: Any) -> str:
    if hasattr(value, "shape"):
        return f"{value.dtype}{list(value.shape)}"
    return f"{value!r:.60}"
