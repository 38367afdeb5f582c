"""Memory for arrays of NumPy's that is used again."""

from collections import deque
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from jaxdedup.devices import ALIGNED
from jaxdedup.image import untouched
from jaxdedup.runtime import core_count

_MOST_BYTES = 16 * 2**20  # to keep, of each

_kept: deque[NDArray[np.uint8]] = deque(maxlen=core_count())


def from_kept_memory(program: Callable[[Any], Any]) -> Callable[[NDArray[Any]], Any]:
    """The same program, that is given a copy in memory which XLA reads in place.

    JAX copies what it can't read in place to new pages: clearing them takes as long as hashing.

    Args:
        program: of an array; its results are pytrees of jax.Arrays.

    Example:
        >>> from_kept_memory(jax.jit(lambda x: x + x))(np.arange(3)).tolist()
        [0, 2, 4]
    """

    def run(array: NDArray[Any]) -> Any:
        is_in_place = array.flags.c_contiguous and array.ctypes.data % ALIGNED == 0
        if is_in_place or not 0 < array.nbytes <= _MOST_BYTES:
            return program(array)
        memory = _memory(array.nbytes)
        copy = memory[: array.nbytes].view(array.dtype).reshape(array.shape)
        np.copyto(copy, array)
        results = jax.block_until_ready(program(copy))  # type: ignore[no-untyped-call]
        _kept.append(memory)
        return results

    return run


def _memory(size: int) -> NDArray[np.uint8]:
    try:
        memory = _kept.pop()
    except IndexError:  # none, or other threads have it
        return untouched((size,), np.uint8)
    return memory if len(memory) >= size else untouched((size,), np.uint8)
