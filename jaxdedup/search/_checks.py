"""What the searches accept, and what they say about anything else."""

import math

import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from jaxdedup.runtime import refuse_fork

_MOST_BYTES = 4095  # so that a distance fits 15 bits


def check_hashes(hashes: ArrayLike, corpus: ArrayLike | None) -> int:
    """How many bits hashes have; raises unless both are packed, uint8[N, b], and equally wide.

    Looks at dtype and shape only. Raises in a forked process too, where no device answers.
    """
    wanted = "(N, b), 0 < b < 4096"
    return 8 * _check_rows({"hashes": hashes, "corpus": corpus}, np.uint8, wanted, _MOST_BYTES)


def check_features(features: ArrayLike, corpus: ArrayLike | None) -> None:
    """Raises unless both are float32[N, D], D > 0, with the same D.

    Looks at dtype and shape only. Raises in a forked process too, where no device answers.
    """
    _check_rows({"features": features, "corpus": corpus}, np.float32, "(N, D), D > 0")


def check_finite(features: NDArray[np.float32], name: str, first: int) -> None:
    """Raises if rows ``first`` and on hold NaN or infinity, and says which."""
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        row = first + int(finite.argmin())
        raise ValueError(f"expected finite {name}, got NaN or infinity in row {row}")


def _check_rows(
    sides: dict[str, ArrayLike | None], dtype: type[np.generic], wanted: str, most: float = math.inf
) -> int:
    """How wide the rows of the sides are, which may be one."""
    refuse_fork()
    shapes = {}
    for name, rows in sides.items():
        if rows is None:
            continue
        _check_dtype(rows, dtype, name)
        shape = shapes[name] = np.shape(rows)
        if len(shape) != 2 or not 0 < shape[1] <= most:
            raise ValueError(f"expected {name} of shape {wanted}, got {shape}")
    if len({width for _, width in shapes.values()}) > 1:
        names, told = " and ".join(shapes), " and ".join(map(str, shapes.values()))
        raise ValueError(f"expected {names} with rows of one length, got {told}")
    return int(next(iter(shapes.values()))[1])


def _check_dtype(array: ArrayLike, dtype: type[np.generic], name: str) -> None:
    got = array.dtype if hasattr(array, "dtype") else np.asarray(array).dtype
    if got != dtype:
        raise TypeError(f"expected {name} of dtype {np.dtype(dtype)}, got {got}")
