"""Which form of a computation runs where."""

import os
from collections.abc import Callable

import jax
from jax import lax

Form = Callable[..., jax.Array]


def form_on_cpu() -> str:
    """Whose form runs on a CPU: ``"cpu"``, unless the user wants to see the bits of another one.

    The environment variable ``JAXDEDUP_FORM`` names it: ``gpu`` or ``accelerator``, or ``tpu``.
    """
    return {"accelerator": "gpu", "gpu": "gpu", "tpu": "tpu"}.get(
        os.environ.get("JAXDEDUP_FORM", ""), "cpu"
    )


def by_platform(*operands: jax.Array, cpu: Form, gpu: Form, tpu: Form, on_cpu: str) -> jax.Array:
    """Call the form of the platform that the program is lowered for.

    That is known when a program is lowered, not when it is traced: `jax.export` and ahead-of-time
    compilation lower for other platforms than the one that traces.
    """
    forms = {"cpu": cpu, "gpu": gpu, "tpu": tpu}
    return lax.platform_dependent(*operands, cpu=forms[on_cpu], tpu=tpu, default=gpu)
