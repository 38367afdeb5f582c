"""Decode in threads, ahead of the consumer, straight into batches of images of any sizes.

One thread reads the items, which may be bound to a thread or share something, a little ahead. Each
worker has a batch of its own: a flat buffer, into which it decodes one image after another.
When the next one doesn't fit, the worker processes the batch, hands on the result, and fills the
same memory again. An image that is larger than a batch gets memory for itself, and gives it back.
What has waited for more images for ``_LULL`` in all is processed as it is: the items come slowly,
or the next one comes once this one's result is there.
What bounds the memory: a batch and a large image a worker, the pixels that are being decoded, and
``_MAX_READY`` results that wait for the consumer, then the workers wait.
"""

import math
import os
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable
from typing import Any, NamedTuple, TypeVar

from jaxdedup.runtime import core_count

from ._batch import Batch, Plan
from ._colours import Pixels
from ._decode import Admit, Content, DecodeError, Item, decode
from ._gate import PixelGate

T = TypeVar("T")

_AHEAD = 4  # items a worker, that are read
_NAMES_AHEAD = 64  # of those that are only the name of something
_MAX_READY = 2
_MAX_KEPT = 256 * 2**20  # bytes of a large image whose memory is used again
_LULL = 0.05  # seconds that a batch waits for images, in all
_LOOK_UP = 0.1  # seconds after which a worker that waits looks whether it is still waited for
_PATIENCE = 1.0  # seconds that workers get to finish what nobody waits for any more
_WORKER_ENDED = object()


class Failure(NamedTuple):
    """An item that could not be loaded: its position among the items, and why."""

    position: int
    reason: str


class _ProcessError(BaseException):
    """An error of `process`, which decoders that catch every exception let through."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class _Worker:
    """What one thread does with the items that it takes."""

    def __init__(
        self,
        new_plan: Callable[[tuple[int, ...] | None], Plan],
        decode_into: Callable[..., Pixels],
        process: Callable[[Batch], Any],
        most: int | None,
        output: "_Output",
        gate: PixelGate,
    ) -> None:
        self._new_plan = new_plan
        self._most = most
        self._decode_into = decode_into
        self._process = process
        self._output = output
        self._gate = gate
        self._batch: Batch | None = None
        self._large: Batch | None = None
        self._filled: Batch | None = None  # where the item in hand is

    def next(self, read: "queue.SimpleQueue[T]") -> T:
        """The next that is read, after what waits too long for it is sent."""
        batch = self._batch
        if batch is None or not batch.positions:
            return read.get()
        began = time.monotonic()
        try:
            entry = read.get(timeout=max(0, _LULL - batch.waited))
        except queue.Empty:
            self._send(batch)
            return read.get()
        batch.waited += time.monotonic() - began
        return entry

    def load(self, position: int, item: Item) -> None:
        with self._gate.admission() as admit:
            self._load(position, item, admit)

    def _load(self, position: int, item: Item, admit: Admit) -> None:
        try:
            self._decode_into(item, lambda shape: self._reserve(position, shape), admit=admit)
        except DecodeError as error:
            if self._filled is not None:
                self._filled.positions[-1] = None
            self._output.put(Failure(position, str(error)))
        if self._filled is not None:
            is_large = self._filled is self._large
            if is_large and self._filled.size > _MAX_KEPT:
                self._large = None
            if is_large or self._filled.is_full:
                self._send(self._filled)
        self._filled = None

    def finish(self) -> None:
        """Send off what will not be filled any more."""
        if self._batch is not None:
            self._send(self._batch)

    def _reserve(self, position: int, shape: tuple[int, ...]) -> Pixels:
        if self._batch is None:
            self._batch = Batch(self._new_plan(None), self._most)
        if math.prod(shape) <= self._batch.plan.buffer_size:
            if (pixels := self._place(self._batch, position, shape)) is not None:
                return pixels
            self._send(self._batch)
            if (pixels := self._place(self._batch, position, shape)) is not None:
                return pixels
        # It needs memory for itself.
        if (
            self._large is not None
            and (pixels := self._place(self._large, position, shape)) is not None
        ):
            return pixels
        self._large = Batch(self._new_plan(shape))
        if (pixels := self._place(self._large, position, shape)) is not None:
            return pixels
        raise DecodeError(f"has {shape[0]}×{shape[1]} pixels, more than can be resized")

    def _place(self, batch: Batch, position: int, shape: tuple[int, ...]) -> Pixels | None:
        pixels = batch.reserve(position, shape)
        self._filled = None if pixels is None else batch
        return pixels

    def _send(self, batch: Batch) -> None:
        if any(position is not None for position in batch.positions):
            try:
                self._output.put(self._process(batch))
            except Exception as error:
                raise _ProcessError(error) from error
        batch.clear()


class _Output:
    """What the workers hand on: results, failures, an error of the items themselves, their ends.

    Once it is closed, nobody waits for a place in it.
    """

    def __init__(self) -> None:
        self._queue: queue.Queue[Any] = queue.Queue(_MAX_READY)
        self.is_closed = False

    def get(self) -> Any:
        return self._queue.get()

    def put(self, result: Any) -> None:
        while not self.is_closed:
            try:
                return self._queue.put(result, timeout=_LOOK_UP)
            except queue.Full:
                pass


class _Loader:
    """The state that the workers share."""

    def __init__(
        self,
        items: Iterable[Item],
        new_worker: Callable[..., _Worker],
        gate: PixelGate,
        num_workers: int,
    ) -> None:
        self._items = items
        self._new_worker = new_worker
        self._gate = gate
        self._num_workers = num_workers
        self._read: queue.SimpleQueue[tuple[int, Item] | None] = queue.SimpleQueue()
        self._most_read = 0  # of these
        self._has_room = threading.Event()  # for items that are read
        self._output = _Output()

    def run(self) -> Generator[Any]:
        threads = [
            threading.Thread(target=self._work, name=f"jaxdedup-decode-{i}", daemon=True)
            for i in range(self._num_workers)
        ]
        threads.append(threading.Thread(target=self._feed, name="jaxdedup-read", daemon=True))
        started = []
        try:
            for thread in threads:
                thread.start()
                started.append(thread)
            running = self._num_workers
            while running:
                item = self._output.get()
                if item is _WORKER_ENDED:
                    running -= 1
                elif isinstance(item, BaseException):
                    raise item
                else:
                    yield item
        finally:
            self._output.is_closed = True
            self._gate.close()
            self._has_room.set()
            self._end_workers()
            give_up = time.monotonic() + _PATIENCE
            for thread in started:  # that of an endless image ends by itself, with the image
                thread.join(max(0, give_up - time.monotonic()))

    def _feed(self) -> None:
        """Read the items, as there is room for them."""
        try:
            for entry in enumerate(self._items):
                self._read.put(entry)
                is_name = isinstance(entry[1], (str, os.PathLike, Content))
                self._most_read = self._num_workers * (_NAMES_AHEAD if is_name else _AHEAD)
                if not self._wait_for_room():
                    break
        except BaseException as error:  # of the iterable of items: the consumer raises it
            self._output.put(error)
        finally:
            self._end_workers()

    def _wait_for_room(self) -> bool:
        """Whether anybody still wants items, once there is room for one more.

        Where it was full, half of it is waited for: to sleep and to be woken for each item would
        cost the workers more than the items.
        """
        if self._read.qsize() >= self._most_read:
            while True:
                self._has_room.clear()  # before each look: it may have been set for an earlier one
                if self._is_half_empty() or self._output.is_closed:
                    break
                self._has_room.wait()
        return not self._output.is_closed

    def _take(self, worker: _Worker) -> tuple[int, Item] | None:
        entry = worker.next(self._read)
        if not self._has_room.is_set() and self._is_half_empty():
            self._has_room.set()
        return entry

    def _is_half_empty(self) -> bool:
        return self._read.qsize() <= self._most_read // 2

    def _end_workers(self) -> None:
        for _ in range(self._num_workers):
            self._read.put(None)

    def _work(self) -> None:
        try:
            worker = self._new_worker(output=self._output)
            while (entry := self._take(worker)) is not None and not self._output.is_closed:
                worker.load(*entry)
            if not self._output.is_closed:
                worker.finish()
        except _ProcessError as failed:
            self._output.put(failed.error)
        except BaseException as error:  # ours
            self._output.put(error)
        finally:
            self._output.put(_WORKER_ENDED)


def load_batches(
    items: Iterable[Item],
    new_plan: Callable[[tuple[int, ...] | None], Plan],
    process: Callable[[Batch], T],
    *,
    batch_size: int | None = None,
    num_workers: int | None = None,
    max_pixels_in_flight: int | None = None,
    decode_into: Callable[..., Pixels] = decode,
) -> Generator[T | Failure]:
    """Decode images in threads, into batches of any sizes.

    Args:
        items: the images, as :func:`decode` takes them. A lazy iterable is consumed lazily, by
            one thread.
        new_plan: the plan of a batch for most images, or, given its shape, for one that does not
            fit into such a batch. It may raise `DecodeError` for a shape that can't be processed.
        process: called with each batch in the thread that filled it, whose cache still holds some
            of the pixels. The batch is filled again when it returns.
        batch_size: the most images in a batch; None for as many as its plan has room for.
        num_workers: the number of threads; None for one a core.
        max_pixels_in_flight: the most pixels that are decoded at the same time, but that a larger
            image is decoded alone; None for a quarter of the memory granted, at 16 bytes a pixel.
        decode_into: :func:`decode`, or a function like it with options of its own.

    Yields:
        What `process` returns, in the order in which batches fill up, or have waited for more
        images, and failures. Every item is in exactly one of them. An error raised by the iterable
        of items, or by `process`, is raised here.

    Example:
        >>> import numpy as np
        >>> class Pairs:
        ...     capacity, buffer_size, count = 2, 4096, 0
        ...     def add(self, offset, height, width, channels):
        ...         self.count += 1
        ...         return self.count <= 2
        ...     def clear(self):
        ...         self.count = 0
        >>> images = [np.zeros((4, 5), np.uint8)] * 3 + [b"no image"]
        >>> positions = lambda batch: batch.positions
        >>> for result in load_batches(images, lambda _: Pairs(), positions, num_workers=1):
        ...     print(result.reason if isinstance(result, Failure) else result)
        [0, 1]
        is not an image of a known format
        [2]
    """

    gate = PixelGate(max_pixels_in_flight)

    def new_worker(output: _Output) -> _Worker:
        return _Worker(new_plan, decode_into, process, batch_size, output, gate)

    return _Loader(items, new_worker, gate, num_workers or core_count()).run()
