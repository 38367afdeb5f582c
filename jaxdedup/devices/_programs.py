"""Programs with options of the compiler."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

import jax

from ._cores import is_default

# XLA leaves half of a 512-bit vector unused where a processor has them; the resize gains 15 %. Such
# options change speed alone: an XLA that doesn't know one of them goes without.
_OPTIONS = {"xla_cpu_prefer_vector_width": 512}

#: Options for a program of which each core runs a call of its own: without the pass by which XLA
#: divides large operations among the cores, for every single one of which they'd meet.
ON_ONE_CORE = {"xla_disable_hlo_passes": "cpu-parallel-task-assigner"}

#: For a network of which each core runs a call: Eigen's matrix products outrun YNNPACK's there.
EIGEN_PRODUCTS = {"xla_cpu_experimental_ynn_fusion_type": ""}

ALIGNED = 64  #: bytes, of which an address is a multiple where XLA reads memory in place

# On an H200 MobileNet is compiled in 1.3 s, not 24, without the kernels that XLA makes and tries
# for each product, and is a tenth slower: it takes 22,000 images a second.
_WITHOUT_TRIALS = {"xla_gpu_enable_triton_gemm": False}


def program_of_products(function: Callable[..., Any]) -> Any:
    """``jax.jit`` of a function of matrix products, which a GPU has compiled soon.

    It must be one that no other jitted function calls.

    Example:
        >>> program_of_products(lambda x: x + x)(1)
        Array(2, dtype=int32, weak_type=True)
    """
    options = _WITHOUT_TRIALS if is_default("gpu") else None
    return jax.jit(function, compiler_options=options)


def compile_wide(lowered: Any, options: Mapping[str, Any] | None = None) -> Callable[..., Any]:
    """Compiles for a CPU what ``jax.jit(…).lower(…)`` gives, with vectors of 512 bits.

    Args:
        lowered: the program.
        options: of the compiler, beside those.

    Example:
        >>> int(compile_wide(jax.jit(lambda x: x + x).lower(1))(3))
        6
    """
    try:
        return lowered.compile(compiler_options=_OPTIONS | dict(options or {}))
    except jax.errors.JaxRuntimeError:
        return lowered.compile()


class WideProgram:
    """A jitted function, which on the CPU is compiled for vectors of 512 bits.

    ``jax.jit`` takes options of the compiler only for a function that no other jitted one calls,
    and compiles it anew in every thread that is first to call it. This is for calls that come from
    Python and from several threads, and compiles once for each kind of arguments.

    Args:
        function: the jitted function, of positional pytrees of arrays.
        options: of the compiler, beside those.

    Example:
        >>> import numpy as np
        >>> WideProgram(jax.jit(lambda x: x + x))(np.arange(3))
        Array([0, 2, 4], dtype=int32)
    """

    def __init__(self, function: Any, options: Mapping[str, Any] | None = None) -> None:
        self.__wrapped__ = function
        self._options = options
        self._compiled: dict[Any, Future[Callable[..., Any]]] = {}
        self._lock = threading.Lock()

    def __call__(self, *arguments: Any) -> Any:
        is_compiled = not jax.config.jax_disable_jit  # type: ignore[attr-defined]
        if not is_default("cpu") or not is_compiled:
            return self.__wrapped__(*arguments)
        return self._compiled_for(arguments)(*arguments)

    def _compiled_for(self, arguments: tuple[Any, ...]) -> Callable[..., Any]:
        leaves, structure = jax.tree.flatten(arguments)
        # A program is compiled for the device that holds its arguments.
        placed = (leaf.devices() for leaf in leaves if isinstance(leaf, jax.Array))
        devices = frozenset().union(*placed) or frozenset(jax.local_devices()[:1])
        kind = (devices, structure, *((leaf.shape, leaf.dtype) for leaf in leaves))
        with self._lock:
            is_first = kind not in self._compiled
            compiled = self._compiled.setdefault(kind, Future())
        if is_first:
            try:
                compiled.set_result(compile_wide(self.__wrapped__.lower(*arguments), self._options))
            except BaseException as error:
                del self._compiled[kind]
                compiled.set_exception(error)
        return compiled.result()
