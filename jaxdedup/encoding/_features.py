"""A network's calls: few sizes of them, on one device or another."""

from threading import Lock
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from jaxdedup.devices import EIGEN_PRODUCTS, WideProgram, program_of_products

from ._method import Method
from ._recipe import parameters

_BATCH = 64  # images that a network takes at once
_CPU_BATCH, _CPU_MICRO_BATCH = 16, 2


class NetworkCalls:
    """The features of images that are ready for a network, computed where they are or on a device.

    Args:
        method: whose network.
    """

    def __init__(self, method: Method) -> None:
        self._method = method
        self._lock = Lock()
        self._parameters: dict[jax.Device, Any] = {}
        self._on_cpu = None
        if jax.local_devices()[0].platform == "cpu":
            self._on_cpu = method.on_cpu
        if self._on_cpu is not None:  # there are as many calls at once as there are cores
            self._run = WideProgram(jax.jit(self._on_cpu), EIGEN_PRODUCTS)
        else:
            self._run = program_of_products(self._some_at_once)

    def __call__(
        self, images: Any, count: int, device: jax.Device, most: int | None
    ) -> NDArray[np.float32]:
        """Rows of the first images, in calls of few sizes, so that it is compiled for few."""
        if device.platform == "cpu":
            images = np.asarray(images)[:count]
        size = self._together(images, count, device)
        size = size if most is None else min(size, most)
        parts = []
        for start in range(0, count, size):
            some = images[start : start + size]
            if len(some) < size:
                free = np.zeros((size - len(some), *some.shape[1:]), some.dtype)
                some = np.concatenate([some, free])
            rows = self._rows(some, min(size, count - start), device)
            if rows.ndim != 2 or len(rows) != size:
                raise ValueError(
                    f"expected feature rows of shape ({size}, D) from the model, got {rows.shape}"
                )
            parts.append(np.array(rows, np.float32)[: count - start])
        return np.concatenate(parts)

    def _together(self, images: Any, count: int, device: jax.Device) -> int:
        """How many images a call takes: a user's function, powers of two of them."""
        if not self._method.traced:
            return min(1 << (count - 1).bit_length(), _BATCH)
        if device.platform != "cpu":
            # Of images that it resized there is room for so many in each call, and a round for
            # each turn; those of the host are as many as there happened to be.
            on_host = self._method.prepare is not None or not isinstance(images, jax.Array)
            return _BATCH if on_host else len(images) // self._method.row.rows
        return 1 if count == 1 and self._on_cpu is None else _CPU_BATCH

    def _rows(self, images: Any, count: int, device: jax.Device) -> jax.Array:
        params = self._on(device)
        if self._method.traced:
            return self._run(params, images, np.int32(count))
        return jnp.asarray(self._method.compute(params, images))  # a user's function, as it is

    def _on(self, device: jax.Device) -> Any:
        with self._lock:
            if device not in self._parameters:
                values = parameters(self._method).values
                traced = self._method.traced
                self._parameters[device] = jax.device_put(values, device) if traced else values
            return self._parameters[device]

    def _some_at_once(self, params: Any, images: jax.Array, count: jax.Array) -> jax.Array:
        """On a CPU a few images at a time, whose activations stay in the cache, and no more rounds
        than there are images for."""

        def whole(images: jax.Array) -> jax.Array:
            return self._method.compute(params, images)

        def in_rounds(images: jax.Array) -> jax.Array:
            def add(i: jax.Array, rows: jax.Array) -> jax.Array:
                some = lax.dynamic_slice_in_dim(images, i * _CPU_MICRO_BATCH, _CPU_MICRO_BATCH)
                return lax.dynamic_update_slice_in_dim(rows, whole(some), i * _CPU_MICRO_BATCH, 0)

            out = jax.eval_shape(whole, images)
            rounds = (count + _CPU_MICRO_BATCH - 1) // _CPU_MICRO_BATCH
            return lax.fori_loop(jnp.int32(0), rounds, add, jnp.zeros(out.shape, out.dtype))

        if len(images) % _CPU_MICRO_BATCH:
            return whole(images)
        return lax.platform_dependent(images, cpu=in_rounds, default=whole)
