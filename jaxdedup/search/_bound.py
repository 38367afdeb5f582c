"""Matrix products on a device, and how far they may be off: what rules pairs of rows out."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from jaxdedup.devices import program_of_products


def bound(
    a: ArrayLike, b: ArrayLike, *, same: bool = False, low_precision: bool
) -> tuple[jax.Array, jax.Array]:
    """Products of all rows of two sketches, and the highest one of each row.

    Where both are the same, that is of the later rows: no row is near for being paired with itself.
    """
    found: tuple[jax.Array, jax.Array] = _program(same, low_precision)(a, b)
    return found


@cache
def _program(same: bool, low_precision: bool) -> Any:
    dtype = jnp.bfloat16 if low_precision else jnp.float32

    def run(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
        products = lax.dot_general(
            a.astype(dtype),
            b.astype(dtype),
            (((1,), (1,)), ((), ())),
            precision=None if low_precision else lax.Precision.HIGHEST,
            preferred_element_type=jnp.float32,
        )
        if not same:
            return products, products.max(axis=1)
        row, column = (lax.broadcasted_iota(jnp.int32, products.shape, axis) for axis in (0, 1))
        return products, jnp.where(row < column, products, -jnp.inf).max(axis=1)

    return program_of_products(run)


def margin(columns: int, low_precision: bool) -> np.float32:
    """How far a product of sketches can fall short of the similarity they bound.

    The products of the elements add up to at most 1 in absolute value. Each carries the rounding
    of two elements (2⁻²⁴, or 2⁻⁸ in bfloat16) and of a float32 sum of columns + 1 terms; four
    times that, as matrix units may truncate where IEEE 754 rounds.
    """
    rounding = 4 * (columns + 16) * 2.0**-24
    return np.float32(rounding + 2.0**-7 + 2.0**-15 if low_precision else rounding)
