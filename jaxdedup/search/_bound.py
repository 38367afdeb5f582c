"""Matrix products on a device, and how far they may be off: what rules pairs of rows out."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike


@partial(jax.jit, static_argnames="low_precision")
def bound(a: ArrayLike, b: ArrayLike, *, low_precision: bool) -> tuple[jax.Array, jax.Array]:
    """Products of all rows of two sketches, and the highest one of each row."""
    dtype = jnp.bfloat16 if low_precision else jnp.float32
    products = lax.dot_general(
        jnp.asarray(a, dtype),
        jnp.asarray(b, dtype),
        (((1,), (1,)), ((), ())),
        precision=None if low_precision else lax.Precision.HIGHEST,
        preferred_element_type=jnp.float32,
    )
    return products, products.max(axis=1)


def margin(columns: int, low_precision: bool) -> np.float32:
    """How far a product of sketches can fall short of the similarity they bound.

    The products of the elements add up to at most 1 in absolute value. Each carries the rounding
    of two elements (2⁻²⁴, or 2⁻⁸ in bfloat16) and of a float32 sum of columns + 1 terms; four
    times that, as matrix units may truncate where IEEE 754 rounds.
    """
    rounding = 4 * (columns + 16) * 2.0**-24
    return np.float32(rounding + 2.0**-7 + 2.0**-15 if low_precision else rounding)
