"""How 24-bit weights and 8-bit pixels go through products of int8, exactly.

A weight is cut into three balanced limbs, ``w = l₀ + l₁·2⁸ + l₂·2¹⁶`` with ``-128 <= lₖ < 128``,
the highest too, as weights are below 127·2¹⁶. From a pixel 128 is subtracted, and 128 times the sum
of the weights added back to the sum of the products. All sums are of int32, and no order matters.
"""

import jax
import numpy as np
from numpy.typing import NDArray

LIMBS = 3
BITS = 8
ZERO_POINT = 128


def limbs(weights: jax.Array | NDArray[np.int32]) -> list[jax.Array | NDArray[np.int32]]:
    """The limbs, the lowest first, each as int32."""
    half = 1 << (BITS - 1)
    lower = []
    for _ in range(LIMBS - 1):
        low = ((weights + half) & (2 * half - 1)) - half
        lower.append(low)
        weights = (weights - low) >> BITS
    return [*lower, weights]


def join(products: list[jax.Array]) -> jax.Array:
    """The sum that the limbs' sums, int32, are parts of; what overflows on the way comes back."""
    low, middle, high = products
    return low + (middle << BITS) + (high << 2 * BITS)
