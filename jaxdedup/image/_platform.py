"""Which form of a computation runs where."""

import os
from collections.abc import Callable

import jax
from jax import lax

Form = Callable[..., jax.Array]


def by_platform(*operands: jax.Array, cpu: Form, gpu: Form, tpu: Form) -> jax.Array:
    """Call the form of the platform that the program is lowered for.

    That is known when a program is lowered, not when it is traced: `jax.export` and ahead-of-time
    compilation lower for other platforms than the one that traces.

    The environment variable ``JAXDEDUP_FORM`` puts another platform's form on the CPU, for a look
    at its bits: ``gpu`` or ``accelerator``, and ``tpu``.
    """
    cpu = {"accelerator": gpu, "gpu": gpu, "tpu": tpu}.get(os.environ.get("JAXDEDUP_FORM", ""), cpu)
    return lax.platform_dependent(*operands, cpu=cpu, tpu=tpu, default=gpu)
