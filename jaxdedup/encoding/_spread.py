"""Batches over all local devices: each runs the same program on an equal share."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxdedup._programs import WideProgram

_BATCH: P = P("batch")  # type: ignore[no-untyped-call]
_WHOLE: P = P()  # type: ignore[no-untyped-call]


@cache
def _mesh() -> Mesh:
    return Mesh(np.array(jax.local_devices()), ("batch",))


def replicate(tree: Any) -> Any:
    """A pytree of arrays with a copy on every local device: what ``spread`` calls ``shared``."""
    return jax.device_put(tree, NamedSharding(_mesh(), _WHOLE))


def spread(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """A batch function that uses every local device.

    Args:
        function: a jitted ``function(shared, *batched) -> array``. ``shared`` is a pytree that
            every image needs, such as the weights of a network, placed by :func:`replicate`;
            ``batched`` are pytrees of arrays with a leading batch axis, as the result has. No
            image may look at another.

    Returns:
        The same function. Where the batch divides evenly among the devices, each takes an equal
        part of it; otherwise one device takes the whole.
    """
    count = jax.local_device_count()
    on_one = WideProgram(function)
    if count == 1:
        return on_one
    on_all = WideProgram(
        jax.jit(
            jax.shard_map(
                lambda shared, batched: function(shared, *batched),
                mesh=_mesh(),
                in_specs=(_WHOLE, _BATCH),
                out_specs=_BATCH,
                check_vma=False,
            )
        )
    )

    def run(shared: Any, *batched: Any) -> jax.Array:
        if len(jax.tree.leaves(batched)[0]) % count:
            return on_one(shared, *batched)
        return on_all(shared, jax.device_put(batched, NamedSharding(_mesh(), _BATCH)))

    return run
