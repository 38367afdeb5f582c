"""Programs of a device, compiled when they are worth it, and what serves until then.

Compiling for the CPU takes as long as resizing some hundred images with Pillow. So a job begins
on the host, where the pixels are the same, and the program is compiled meanwhile, in a thread, if
there is enough to do for it. An accelerator's program serves from the first image.
"""

import os
from collections.abc import Callable
from concurrent.futures import Future
from functools import lru_cache
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from jaxdedup.hashing import HashMethod, hash_resized
from jaxdedup.image import (
    Profile,
    packed_form,
    pillow_resizes_as_planned,
    resize_on_host,
)
from jaxdedup.loading import Batch, DecodeError, Plan
from jaxdedup.runtime import core_count

from ._host import HostFunction
from ._method import Method
from ._turns import mirrored

Rows = NDArray[Any]

# What the program saves on so many pixels, compiling it costs.
_WORTH_COMPILING = 250_000_000
_LEAST_TURNS = 2  # of a device: one batch that it works on, and one on its way


class DeviceFunction:
    """What a method makes of images of any sizes, before a network sees them: hashes, or resized.

    It may be used from any threads at once. Every local device takes whole batches.

    Args:
        method: what is computed.
        profile: the Pillow whose pixels are reproduced.
    """

    def __init__(self, method: Method, profile: Profile) -> None:
        if not method.size:
            raise ValueError(f"expected a method that resizes images, got {method.name}")
        self._method, self._profile, self._size = method, profile, method.size
        devices = jax.local_devices()
        self._form = packed_form(devices[0].platform)
        self._on_host = devices[0].platform == "cpu" and _host_may_serve()
        # Each image is followed by its transpose where that is encoded too.
        self._each = 2 if method.orientations == "all" else 1
        self._programs: dict[Any, _Program] = {}
        self._lock = Lock()
        turns = core_count() // len(devices) if devices[0].platform == "cpu" else 0
        self._turns: SimpleQueue[jax.Device] = SimpleQueue()
        for device in devices * max(turns, _LEAST_TURNS):
            self._turns.put(device)

    def plan(self, shape: tuple[int, ...] | None) -> Plan:
        """A plan for most images, or for a larger one of this shape, without any in it."""
        for capacity in self._form.capacities:
            if shape is None or capacity.pixels >= int(np.prod(shape)):
                planner = self._planner(capacity)
                if shape is None or planner.add(0, *shape[:2], 3 if len(shape) == 3 else 1):
                    planner.clear()
                    return planner
        raise DecodeError(f"has {shape[0]}×{shape[1]} pixels, more than can be resized")

    def __call__(self, batch: Batch, pixels_to_come: float = 0) -> Rows:
        """A row for each image of a batch.

        Args:
            batch: of a plan of :meth:`plan`.
            pixels_to_come: how many are expected after these, as far as is known.
        """
        device = self._turns.get()
        try:
            capacity = batch.plan.capacity
            program = self._program(capacity, device).get(
                batch.pixel_count, pixels_to_come, wait=not self._on_host
            )
            if program is None:
                return self._rows_on_host(batch)
            arguments = self._form.arguments(batch.pixels, batch.plan)
            count = self._each * len(batch.positions)
            return self._joined(np.asarray(program(*arguments))[:count])
        finally:
            self._turns.put(device)

    def _program(self, capacity: Any, device: jax.Device) -> "_Program":
        with self._lock:
            key = capacity, device
            if key not in self._programs:
                self._programs[key] = _Program(lambda: self._compile(capacity, device))
            return self._programs[key]

    def _compile(self, capacity: Any, device: jax.Device) -> Callable[..., jax.Array]:
        planner = self._planner(capacity)
        pixels = jax.ShapeDtypeStruct((planner.buffer_size,), np.uint8)
        arguments = self._form.arguments(pixels, planner)
        sharding = jax.sharding.SingleDeviceSharding(device)
        shapes = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), arguments
        )

        def run(*arguments: Any) -> jax.Array:
            return self._form.map_resized(self._finish, *arguments, self._size)

        return jax.jit(run).lower(*shapes).compile()

    def _planner(self, capacity: Any) -> Any:
        if self._each == 1:
            return self._form.planner(self._size, self._profile, capacity)
        capacity = capacity._replace(images=max(2, capacity.images))
        return self._form.planner(self._size, self._profile, capacity, turned=True)

    def _joined(self, rows: Rows) -> Rows:
        """The rows of all turns of an image, side by side."""
        if self._method.orientations == "none":
            return rows
        if self._method.load is None:
            return rows.reshape(len(rows) // self._each, -1)
        turns = self._method.row.rows
        return rows.reshape(len(rows) // self._each, turns, *self._size, 3)

    def _finish(self, images: Any) -> Any:
        """Of resized images, ``uint8[K, h, w, 3]``, NumPy's or JAX's."""
        method = self._method
        if method.load is not None:
            if method.orientations == "none":
                return images
            flips = mirrored(images.transpose(0, 3, 1, 2))
            return images.__array_namespace__().stack(flips, axis=1).transpose(0, 1, 3, 4, 2)
        count = method.row.count or 0
        hashed = HashMethod(method.name, method.size, count, method.compute)
        return hash_resized(images, hashed, self._profile)

    def _rows_on_host(self, batch: Batch) -> Rows:
        images = map(batch.image, range(len(batch.positions)))
        resized = np.empty((self._each * len(batch.positions), *self._size, 3), np.uint8)
        for number, image in enumerate(images):
            for turn, turned in enumerate((image, image.swapaxes(0, 1))[: self._each]):
                pixels = np.ascontiguousarray(turned)
                small = resize_on_host(pixels, self._size, self._profile)
                resized[self._each * number + turn] = small if small.ndim == 3 else small[..., None]
        return self._joined(self._finish(resized))


class _Program:
    """A program that is compiled once it is worth it, in a thread of its own."""

    def __init__(self, compile_it: Callable[[], Callable[..., jax.Array]]) -> None:
        self._compile = compile_it
        self._lock = Lock()
        self._pixels = 0.0
        self._compiled: Future[Callable[..., jax.Array]] | None = None

    def get(
        self, pixels: int, pixels_to_come: float, *, wait: bool
    ) -> Callable[..., jax.Array] | None:
        """The program, if it is there; it is waited for only if so asked."""
        with self._lock:
            self._pixels += pixels
            worth_it = wait or self._pixels + pixels_to_come >= _WORTH_COMPILING
            if self._compiled is None and worth_it:
                self._compiled = Future()
                Thread(target=self._run, name="jaxdedup-compile").start()
        if self._compiled is None or not (wait or self._compiled.done()):
            return None
        return self._compiled.result()

    def _run(self) -> None:
        assert self._compiled is not None
        try:
            self._compiled.set_result(self._compile())
        except BaseException as error:
            self._compiled.set_exception(error)


def _host_may_serve() -> bool:
    """Whether Pillow may serve until the program is there."""
    return os.environ.get("JAXDEDUP_FORM", "") == "" and pillow_resizes_as_planned()


@lru_cache(maxsize=32)
def device_function(method: Method, profile: Profile) -> DeviceFunction | HostFunction:
    """The one of a method and profile: what is compiled is shared by all who encode."""
    return DeviceFunction(method, profile) if method.size else HostFunction(method, profile)
