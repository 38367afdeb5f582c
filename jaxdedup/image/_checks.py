"""What an array of images has to be."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxdedup.runtime import refuse_fork


def checked_images(images: ArrayLike) -> tuple[Any, bool]:
    """Images as an array, and whether they are RGB; TypeError or ValueError if they are no images.

    NumPy's arrays stay NumPy's: they need not be copied.

    Example:
        >>> checked_images(np.zeros((2, 4, 4), np.int32))
        Traceback (most recent call last):
        ...
        TypeError: expected images of dtype uint8, got int32
    """
    refuse_fork()
    array: Any = images if isinstance(images, np.ndarray) else _as_array(images)
    if array.dtype != np.uint8:
        raise TypeError(f"expected images of dtype uint8, got {array.dtype}")
    if array.ndim < 2 or 0 in array.shape:
        raise ValueError(
            "expected images of shape [..., H, W, 3] or [..., H, W] without an empty axis, "
            f"got {list(array.shape)}"
        )
    return array, array.ndim >= 3 and array.shape[-1] == 3


def _as_array(images: Any) -> jax.Array:
    try:
        return jnp.asarray(images)
    except (TypeError, ValueError):  # in JAX's words
        raise TypeError(f"expected images as an array of uint8, got {images!r:.80}") from None
