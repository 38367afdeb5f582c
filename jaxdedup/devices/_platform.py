"""Which platform JAX runs programs on."""

import jax


def is_default(platform: str) -> bool:
    """Whether JAX's default devices are of a platform: ``"cpu"``, ``"gpu"`` or ``"tpu"``.

    For what happens around programs. Inside one, `lax.platform_dependent` asks: a program may be
    lowered for another platform.

    Example:
        >>> import jax
        >>> is_default(jax.devices()[0].platform)
        True
    """
    return jax.default_backend() == platform
