"""Programs of a device, compiled when they are worth it, and what serves until then.

Compiling for the CPU takes as long as resizing some hundred images with Pillow. So a job begins
on the host, where the pixels are the same, and the program is compiled, in a thread, once as much
is done, or known to come, as it costs; what knows of much to come waits for it.
"""

import logging
import math
import os
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxdedup.devices import ON_ONE_CORE, compile_wide
from jaxdedup.hashing import pack_bits
from jaxdedup.image import (
    LONGEST,
    Profile,
    luma_on_host,
    packed_form,
    pillow_resizes_as_planned,
    resize_on_host,
    untouched,
)
from jaxdedup.loading import Batch, DecodeError, Plan
from jaxdedup.runtime import core_count

from ._features import NetworkCalls
from ._host import HostFunction, Room
from ._method import Method
from ._once import once_a_method
from ._prepared import PreparedFunction
from ._turns import mirrored

Rows = NDArray[Any]

# What the program saves on so many pixels, compiling it costs; and what an image counts for
# beside its pixels.
_WORTH_COMPILING = 150_000_000
_IMAGE = 100_000
WAITING = 1  # thread, beside one a core, that may wait for a device or a disk
_LEAST_TURNS = 2  # of a device: one batch that it works on, and one on its way
_LEAST_BYTES = 1 << 20  # of a call: what has no room for these has room for nothing

logger = logging.getLogger("jaxdedup")


def work_of(batch: Batch) -> int:
    """What a batch takes on the host, in pixels."""
    return batch.pixel_count + _IMAGE * len(batch.positions)


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
        self._method, self._profile = method, profile
        self._size: tuple[int, int] = method.size
        devices = jax.local_devices()
        platform = devices[0].platform
        self._form = packed_form(platform, method.size, devices[0], method.luma_first)
        #: What of a decoded image goes into a batch; None where all of it does.
        self.prepare = None
        if method.luma_first and not self._form.luma_first:
            self.prepare = partial(luma_on_host, profile=profile)
        self._asked = os.environ.get("JAXDEDUP_FORM", "")
        # Whether images may be resized on the host, which is then the way to begin.
        self._pillow = self._asked in ("", "host") and pillow_resizes_as_planned()
        self._most_bytes = math.inf  # of a call, as far as the devices have room
        # Each image is followed by its transpose where that is encoded too.
        self._each = 2 if method.orientations == "all" else 1
        self._network = NetworkCalls(method) if method.load is not None else None
        self._programs: dict[Any, _Program] = {}
        self._lock = Lock()
        turns = (core_count() + WAITING) // len(devices) if platform == "cpu" else 0
        self._turns: SimpleQueue[jax.Device] = SimpleQueue()
        for device in devices * max(turns, _LEAST_TURNS):
            self._turns.put(device)

    def plan(self, shape: tuple[int, ...] | None) -> Plan:
        """A plan for most images, or for a larger one of this shape, without any in it."""
        form = self._form
        if shape is None:
            return self._planner(self._with_room(form.capacities[form.common]))
        if self._pillow and (max(shape[:2]) > LONGEST or math.prod(shape) > self._most_bytes):
            return Room(math.prod(shape))
        for capacity in map(self._with_room, form.capacities):
            planner = self._planner(capacity)
            if planner.add(0, *shape[:2], 3 if len(shape) == 3 else 1):
                planner.clear()
                return planner
        raise DecodeError(f"has {shape[0]}×{shape[1]} pixels, more than can be resized")

    def __call__(
        self, batch: Batch, *, work_to_come: float = 0, batch_size: int | None = None
    ) -> Rows:
        """A row for each image of a batch. One that a device has no room for is cut into halves.

        Args:
            batch: of a plan of :meth:`plan`.
            work_to_come: how much is expected after these, as far as is known: :func:`work_of`.
            batch_size: the most images in a call of a network.
        """
        try:
            with self._turn() as device:
                program = self._ready(batch, work_to_come, device)
                if program is not None or device.platform == "cpu":
                    return self._rows(program, batch, device, batch_size)
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error) or not self._halve(batch.plan):
                raise
            parts = self._parts(batch)
            return np.concatenate([self(part, batch_size=batch_size) for part in parts])
        return self._rows(None, batch, device, batch_size)  # while the device has its programs

    @contextmanager
    def _turn(self) -> Generator[jax.Device]:
        device = self._turns.get()
        try:
            yield device
        finally:
            self._turns.put(device)

    @jax.transfer_guard("allow")  # to a device and back on purpose
    def _rows(
        self,
        program: Callable[..., jax.Array] | None,
        batch: Batch,
        device: jax.Device,
        batch_size: int | None,
    ) -> Rows:
        count = len(batch.positions)
        if program is None:
            results = self._finish(self._resize_on_host(batch))
        else:
            results = self._run(program, batch)
        if self._network is not None:
            turned = results.reshape(-1, *self._size, 3)  # all turns of an image together
            rows = self._network(turned, count * self._method.row.rows, device, batch_size)
        else:
            rows = np.asarray(results)[: self._each * count]
        return rows.reshape(count, -1)

    def _with_room(self, capacity: Any) -> Any:
        """This capacity, or what the devices have room for of it."""
        while self._form.halved is not None and capacity[0] > self._most_bytes:
            capacity = self._form.halved(capacity)
        return capacity

    def _halve(self, plan: Plan) -> bool:
        """Whether calls may be half as large as one that a device had no room for; told once."""
        if self._form.halved is None or isinstance(plan, Room):  # where the host resizes
            return False
        capacity = plan.capacity
        if capacity[0] < 2 * _LEAST_BYTES:
            return False
        with self._lock:
            if self._most_bytes >= capacity[0]:
                self._most_bytes = capacity[0] // 2
                logger.warning(
                    "The device has no room for calls of %.0f MB of pixels: they are halved.",
                    capacity[0] / 2**20,
                )
        return True

    def _parts(self, batch: Batch) -> Generator[Batch]:
        """The images of a batch in smaller ones."""
        part = Batch(self.plan(None))
        for image in map(batch.image, range(len(batch.positions))):
            place = part.reserve(0, image.shape)
            if place is None:
                if part.positions:
                    yield part
                part = Batch(self.plan(None))
                place = part.reserve(0, image.shape)
            if place is None:
                part = Batch(self.plan(image.shape))
                place = part.reserve(0, image.shape)
            assert place is not None
            place[...] = image
        yield part

    def _ready(
        self, batch: Batch, work_to_come: float, device: jax.Device
    ) -> Callable[..., jax.Array] | None:
        """The program for a batch; None where the host serves."""
        if isinstance(batch.plan, Room):
            return None
        on_cpu = device.platform == "cpu"
        if self._pillow and on_cpu and batch.has_only(self._size):  # there is nothing to resize
            return None
        work = work_of(batch)
        if self._asked == "host":
            work = work_to_come = 0
        program = self._program(batch.plan.capacity, device)
        return program.get(work, work_to_come, wait=not self._pillow)

    def _program(self, capacity: Any, device: jax.Device) -> "_Program":
        with self._lock:
            key = capacity, device
            if key not in self._programs:
                self._programs[key] = _Program(lambda: self._compile(capacity, device))
            return self._programs[key]

    @jax.disable_jit(False)
    def _compile(self, capacity: Any, device: jax.Device) -> Callable[..., jax.Array]:
        planner = self._form.planner(self._size, self._profile, capacity)
        arguments = self._form.arguments(untouched((planner.buffer_size,), np.uint8), planner)
        sharding = jax.sharding.SingleDeviceSharding(device)
        shapes = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),  # type: ignore[no-untyped-call]
            arguments,
        )

        def run(*arguments: Any) -> Any:
            luma = self._profile if self._network is None else None
            images = self._form.resize(self._size, capacity, luma, *arguments)
            return images if self._form.arrange else self._finish(images)

        lowered = jax.jit(run).lower(*shapes)
        return compile_wide(lowered, ON_ONE_CORE) if device.platform == "cpu" else lowered.compile()

    def _planner(self, capacity: Any) -> Any:
        new = partial(self._form.planner, self._size, self._profile)
        if self._each == 1:
            return new(capacity)
        if not self._form.turns:
            return _TwoCalls(lambda: new(capacity))
        return new(capacity._replace(images=max(2, capacity.images)), turned=True)

    @jax.disable_jit(False)  # which compiled programs refuse
    def _run(self, program: Callable[..., jax.Array], batch: Batch) -> Any:
        """The program's results of each image, and of its transpose where that is encoded too."""
        plan, arguments = batch.plan, self._form.arguments
        if self._form.arrange:
            results = np.asarray(program(*arguments(batch.pixels, plan)))
            count = self._each * len(batch.positions)
            return self._finish(self._form.arrange(results[:count], plan, self._size))
        if not isinstance(plan, _TwoCalls):
            return program(*arguments(batch.pixels, plan))
        upright = program(*arguments(batch.pixels, plan.upright))
        turned = program(*arguments(_transposes(batch), plan.turned))
        return jnp.stack([upright, turned], axis=1).reshape(-1, *upright.shape[1:])

    def _finish(self, images: Any) -> Any:
        """Of resized images, NumPy's or JAX's: hashes of luma, or what a network takes."""
        if self._network is None:
            return pack_bits(self._method.compute(images))
        if self._method.orientations == "none":
            return images
        flips = mirrored(images.transpose(0, 3, 1, 2))
        return images.__array_namespace__().stack(flips, axis=1).transpose(0, 1, 3, 4, 2)

    def _resize_on_host(self, batch: Batch) -> NDArray[np.uint8]:
        """As the program does: to luma for a hash, else to three channels."""
        channels = () if self._network is None else (3,)
        resized = np.empty((self._each * len(batch.positions), *self._size, *channels), np.uint8)
        for number in range(len(batch.positions)):
            image = batch.image(number)
            for turn, turned in enumerate((image, image.swapaxes(0, 1))[: self._each]):
                small = self._resize_one_on_host(np.ascontiguousarray(turned))
                resized[self._each * number + turn] = small
        return resized

    def _resize_one_on_host(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        luma_first = self._method.luma_first
        small = resize_on_host(image, self._size, self._profile, luma_first=luma_first)
        if self._network is None:
            return luma_on_host(small, self._profile)
        return small if small.ndim == 3 else small[..., None]


class _TwoCalls:
    """Plans images, and their transposes for another call of the same program.

    Args:
        new: makes the planner of a call.
    """

    def __init__(self, new: Callable[[], Any]) -> None:
        self.upright, self.turned = new(), new()
        self.capacity, self.buffer_size = self.upright.capacity, self.upright.buffer_size
        self.clear()

    def clear(self) -> None:
        self.upright.clear()
        self.turned.clear()
        self._is_full = False

    def add(self, offset: int, height: int, width: int, channels: int) -> bool:
        # What one of them had no room for, the other may hold: nothing can follow it.
        self._is_full = self._is_full or not (
            self.upright.add(offset, height, width, channels)
            and self.turned.add(offset, width, height, channels)
        )
        return not self._is_full


def _transposes(batch: Batch) -> NDArray[np.uint8]:
    """A flat buffer of each image's transpose, where the image is."""
    pixels, offset = untouched(batch.pixels.shape, np.uint8), 0
    for number in range(len(batch.positions)):
        turned = batch.image(number).swapaxes(0, 1)
        pixels[offset : offset + turned.size].reshape(turned.shape)[...] = turned
        offset += turned.size
    return pixels


class _Program:
    """A program that is compiled once it is worth it, in a thread of its own."""

    def __init__(self, compile_it: Callable[[], Callable[..., jax.Array]]) -> None:
        self._compile = compile_it
        self._lock = Lock()
        self._work = 0.0
        self._compiled: Future[Callable[..., jax.Array]] | None = None

    def get(self, work: int, work_to_come: float, *, wait: bool) -> Callable[..., jax.Array] | None:
        """The program, if it is there; waited for if so asked, or if most is still to come."""
        with self._lock:
            self._work += work
            # Half done and half to come is not enough: compiling would only come on top.
            worth_it = wait or max(self._work, work_to_come) >= _WORTH_COMPILING
            is_first = self._compiled is None and worth_it
            if is_first:
                self._compiled = Future()
        if is_first:
            self._start()
        if self._compiled is None:
            return None
        # Beside workers that go on decoding, compiling would take as long as the job.
        wait = wait or work_to_come >= _WORTH_COMPILING / 4
        if not (wait or self._compiled.done()):
            return None
        return self._compiled.result()

    def _start(self) -> None:
        try:
            Thread(target=self._run, name="jaxdedup-compile", daemon=False).start()
        except RuntimeError:  # there can be no more threads
            self._run()

    def _run(self) -> None:
        assert self._compiled is not None
        try:
            self._compiled.set_result(self._compile())
        except BaseException as error:
            self._compiled.set_exception(error)


@once_a_method(most=32)
def device_function(
    method: Method, profile: Profile
) -> DeviceFunction | HostFunction | PreparedFunction:
    """The one of a method and profile: what is compiled is shared by all who encode."""
    if method.prepare is not None:
        return PreparedFunction(method, profile)
    return DeviceFunction(method, profile) if method.size else HostFunction(method, profile)
