"""Weights are integers at 2²², and a pass is ``clip((Σ weight·pixel + 2²¹) >> 22, 0, 255)``."""

import jax
import jax.numpy as jnp

PRECISION_BITS = 22


def round_sums(sums: jax.Array) -> jax.Array:
    """Sums of pixels times weights, int32, as pixels, uint8."""
    half = 1 << (PRECISION_BITS - 1)
    return jnp.clip((sums + half) >> PRECISION_BITS, 0, 255).astype(jnp.uint8)
