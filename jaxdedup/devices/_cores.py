"""Large batches on all cores of a CPU.

XLA runs a loop on one core, and an operation of its body, where it is large, on all of them: it
forks and joins for every single one. Parts of the batch, in a thread for each core, need one join.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdedup import runtime

# Calls that a core has begun and XLA has not: it wakes a thread of its own for each, which takes a
# tenth of the time of one, unless another waits behind it.
_AHEAD = 2


def is_default(platform: str) -> bool:
    """Whether JAX's default devices are of a platform: ``"cpu"``, ``"gpu"`` or ``"tpu"``.

    For what happens around programs. Inside one, `lax.platform_dependent` asks: a program may be
    lowered for another platform.

    Example:
        >>> is_default(jax.devices()[0].platform)
        True
    """
    return jax.default_backend() == platform


def is_on_one_cpu(tree: Any) -> bool:
    """Whether all leaves are arrays in memory, none traced, and the CPU is the only device.

    Example:
        >>> is_on_one_cpu([np.eye(3), 0.5])  # of a number, JAX makes the array
        False
    """
    if not is_default("cpu") or jax.device_count() > 1:
        return False
    return all(
        isinstance(leaf, (np.ndarray, jax.Array)) and not isinstance(leaf, jax.core.Tracer)
        for leaf in jax.tree.leaves(tree)
    )


def split_for_cores(
    batch: Any, least_bytes: int, per_core: int = 1, most_bytes: int | None = None
) -> list[Any]:
    """A large batch in a CPU's memory, in parts for each core.

    Everything else stays whole: what is traced, small, or on an accelerator, and where there are
    several devices, which share the cores already.

    Args:
        batch: an array with a leading batch axis.
        least_bytes: of a part, for it to be worth a call.
        per_core: how many parts there are for a core at most. With several, a core that is held
            up leaves some of its share to the others.
        most_bytes: of a part, whatever ``per_core`` says.

    Example:
        >>> [part.shape for part in split_for_cores(np.eye(3), least_bytes=2**16)]
        [(3, 3)]
    """
    if not is_on_one_cpu(batch):
        return [batch]
    cores = runtime.core_count()
    if most_bytes is not None:
        per_core = max(per_core, -(-batch.nbytes // (cores * most_bytes)))
    most = max(1, min(len(batch), batch.nbytes // least_bytes))
    count = min(per_core * cores, most)
    # Parts of one size share a program.
    equal = (n for n in range(count, min(2 * count, most) + 1, cores) if len(batch) % n == 0)
    count = next(equal, count)
    return list(np.array_split(np.asarray(batch), count)) if count > 1 else [batch]


def map_on_cores(program: Callable[[Any], Any], parts: Sequence[Any]) -> Any:
    """The program's results for all parts, side by side: an array, or a pytree of arrays.

    Example:
        >>> map_on_cores(jax.jit(jnp.square), [np.arange(3), np.arange(3, 5)])
        Array([ 0,  1,  4,  9, 16], dtype=int32)
    """
    if len(parts) == 1:
        return program(parts[0])
    results: list[Any] = [None] * len(parts)
    left = enumerate(parts)  # of which each core takes the next

    def compute() -> None:
        begun: deque[Any] = deque()
        for number, part in left:
            if len(begun) > _AHEAD:
                jax.block_until_ready(begun.popleft())  # type: ignore[no-untyped-call]
            results[number] = program(part)
            begun.append(results[number])
        jax.block_until_ready(list(begun))  # type: ignore[no-untyped-call]

    cores = runtime.core_count()
    computing = [_threads(cores).submit(compute) for _ in range(min(len(parts), cores))]
    try:
        for future in computing:
            future.result()
    finally:
        deque(left, maxlen=0)  # where one failed, or was interrupted, no more is begun
        wait(computing)
    return jax.tree.map(lambda *results: jnp.concatenate(results), *results)


@lru_cache(maxsize=1)
def _threads(count: int) -> ThreadPoolExecutor:
    """They stay, idle: to start them takes as long as hashing an image or two."""
    return ThreadPoolExecutor(count, thread_name_prefix="arrays-of-jaxdedup")
