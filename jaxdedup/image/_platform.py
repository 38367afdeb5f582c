"""Which form of a computation runs where."""

import os
from collections.abc import Callable
from typing import Any

import jax
from jax import lax

Form = Callable[..., Any]

# What JAXDEDUP_FORM may ask for, and whose form then runs on a CPU.
_FORMS = {"accelerator": "gpu", "gpu": "gpu", "tpu": "tpu"} | dict.fromkeys(
    ["", "host", "program"], "cpu"
)


def form_on_cpu() -> str:
    """Whose form runs on a CPU: ``"cpu"``, unless the user wants to see the bits of another one.

    The environment variable ``JAXDEDUP_FORM`` names it: ``gpu`` or ``accelerator``, or ``tpu``.

    Raises:
        ValueError: the variable is something else.

    Example:
        >>> form_on_cpu()
        'cpu'
    """
    asked = os.environ.get("JAXDEDUP_FORM", "")
    if asked not in _FORMS:
        known = ", ".join(filter(None, _FORMS))
        raise ValueError(f"expected JAXDEDUP_FORM among {known}, got {asked!r:.80}")
    return _FORMS[asked]


def by_platform(*operands: jax.Array, cpu: Form, gpu: Form, tpu: Form, on_cpu: str) -> Any:
    """Call the form of the platform that the program is lowered for.

    That is known when a program is lowered, not when it is traced: `jax.export` and ahead-of-time
    compilation lower for other platforms than the one that traces.

    Args:
        operands: of the forms.
        cpu, gpu, tpu: the forms, of one result.
        on_cpu: which of them runs on a CPU: :func:`form_on_cpu`.

    Example:
        >>> forms = {"cpu": lambda x: x, "gpu": lambda x: -x, "tpu": lambda x: 2 * x}
        >>> int(by_platform(jax.numpy.int32(3), **forms, on_cpu="tpu"))
        6
    """
    forms = {"cpu": cpu, "gpu": gpu, "tpu": tpu}
    return lax.platform_dependent(*operands, cpu=forms[on_cpu], tpu=tpu, default=gpu)
