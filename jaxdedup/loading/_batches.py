"""Decode in threads, ahead of the consumer, straight into padded batches.

Each worker takes the next source, learns its size, reserves a place in the open batch of its
layout, and decodes into that place. Who completes a batch processes it and hands on the result.
What bounds the memory:

- open batches: at most ``_MAX_OPEN``; one more, and the oldest leaves as it is;
- batches that are processed: at most one a worker;
- results that wait for the consumer: at most ``_MAX_READY``, then the workers wait;
- what the consumer holds, until it calls :meth:`Batch.release`.

Buffers are used again, as fresh memory costs a page fault every 4 KiB.
"""

import math
import queue
import threading
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np

from jaxdedup.runtime import core_count

from ._decode import Allocate, DecodeError, Item, Pixels, decode

T = TypeVar("T")

_MAX_OPEN = 16
_MAX_READY = 2
_WORKER_ENDED = object()
_ALIGNMENT = 64  # bytes; XLA reads a buffer so aligned without a copy


class Layout(NamedTuple):
    """How images of one kind are batched. Images of equal layouts share a batch.

    Attributes:
        shape: ``(H, W, 3)`` or ``(H, W)``, the padded shape of an image.
        capacity: the number of places in a batch.
        program: whatever else the consumer must know to process the batch.
    """

    shape: tuple[int, ...]
    capacity: int
    program: Any = None


class Failure(NamedTuple):
    """A source that could not be loaded: its position among the sources, and why."""

    position: int
    reason: str


@dataclass(eq=False)
class Batch:
    """Decoded images of one layout.

    Attributes:
        layout: the layout.
        pixels: ``uint8[B, H, W(, 3)]``, ``B`` being the capacity. An image is packed: it lies at
            the start of its place, its rows one after another. The rest of the place, and places
            not taken, hold stale bytes.
        positions: for each place taken, the position of its image among the sources; None where an
            image turned out to be damaged.
        shapes: for each place taken, the true ``(height, width)``.
    """

    layout: Layout
    pixels: Pixels
    positions: list[int | None] = field(default_factory=list)
    shapes: list[tuple[int, int]] = field(default_factory=list)
    _pending: int = 0
    _closed: bool = False
    _buffers: "_Buffers | None" = None

    def image(self, place: int, shape: tuple[int, ...]) -> Pixels:
        """Where the image of a place lies: a view of the pixels in its true shape."""
        return cast(Pixels, self.pixels[place].reshape(-1)[: math.prod(shape)].reshape(shape))

    def release(self) -> None:
        """Give the memory back for the next batch: the pixels are no longer needed."""
        if self._buffers is not None:
            self._buffers.give(self.pixels)
            self._buffers = None


class _Buffers:
    """Memory for batches, used again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: list[Pixels] = []

    def take(self, shape: tuple[int, ...]) -> Pixels:
        with self._lock:
            for i, buffer in enumerate(self._free):
                if buffer.shape == shape:
                    return self._free.pop(i)
        size = int(np.prod(shape))
        memory = np.empty(size + _ALIGNMENT, np.uint8)
        start = -memory.ctypes.data % _ALIGNMENT
        return memory[start : start + size].reshape(shape)

    def give(self, buffer: Pixels) -> None:
        with self._lock:
            self._free.append(buffer)
            del self._free[: -_MAX_READY - 2]


class _Loader:
    """The state that the workers share."""

    def __init__(
        self,
        sources: Iterable[Item],
        layout_of: Callable[[tuple[int, ...]], Layout],
        decode_into: Callable[[Item, Allocate], Pixels],
        process: Callable[[Batch], Any],
    ) -> None:
        self._sources = enumerate(sources)
        self._sources_lock = threading.Lock()
        self._layout_of = lru_cache(maxsize=1024)(layout_of)  # most images have few sizes
        self._decode_into = decode_into
        self._process = process
        self._buffers = _Buffers()
        self._open: dict[Layout, Batch] = {}
        self._open_lock = threading.Lock()
        self._stop = threading.Event()
        # Results, failures, an error of the sources themselves, and the workers' ends.
        self._output: queue.Queue[Any] = queue.Queue(_MAX_READY)

    def run(self, num_workers: int) -> Generator[Any]:
        workers = [
            threading.Thread(target=self._work, name=f"jaxdedup-decode-{i}", daemon=True)
            for i in range(num_workers)
        ]
        for worker in workers:
            worker.start()
        try:
            running = num_workers
            while running:
                item = self._output.get()
                if item is _WORKER_ENDED:
                    running -= 1
                elif isinstance(item, BaseException):
                    raise item
                else:
                    yield item
        finally:
            self._stop.set()
            for worker in workers:
                while worker.is_alive():
                    self._drain()
                    worker.join(0.01)

    def _drain(self) -> None:
        try:
            while True:
                self._output.get_nowait()
        except queue.Empty:
            pass

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                with self._sources_lock:
                    entry = next(self._sources, None)
                if entry is None:
                    self._send_open()
                    break
                position, source = entry
                self._load(position, source)
        except BaseException as error:
            # Not a bad image: the iterable of sources failed, or we did. The consumer raises it.
            self._output.put(error)
        finally:
            self._output.put(_WORKER_ENDED)

    def _load(self, position: int, source: Item) -> None:
        batch: Batch | None = None
        place = -1

        def allocate(shape: tuple[int, ...]) -> Pixels:
            nonlocal batch, place
            batch, place = self._reserve(position, shape)
            return batch.image(place, shape)

        try:
            self._decode_into(source, allocate)
        except DecodeError as error:
            if batch is not None:
                batch.positions[place] = None
            self._output.put(Failure(position, str(error)))
        if batch is not None:
            self._finish(batch)

    def _reserve(self, position: int, shape: tuple[int, ...]) -> tuple[Batch, int]:
        """A place in the open batch of the image's layout."""
        layout = self._layout_of(shape)
        oldest = None
        with self._open_lock:
            batch = self._open.get(layout)
            if batch is None:
                if len(self._open) == _MAX_OPEN:
                    oldest = self._open.pop(next(iter(self._open)))
                    oldest._closed = True
                    if oldest._pending:  # its last worker sends it off
                        oldest = None
                pixels = self._buffers.take((layout.capacity, *layout.shape))
                batch = self._open[layout] = Batch(layout, pixels, _buffers=self._buffers)
            place = len(batch.positions)
            batch.positions.append(position)
            batch.shapes.append((shape[0], shape[1]))
            batch._pending += 1
            if place + 1 == layout.capacity:
                del self._open[layout]
                batch._closed = True
        if oldest is not None:
            self._send(oldest)
        return batch, place

    def _finish(self, batch: Batch) -> None:
        with self._open_lock:
            batch._pending -= 1
            complete = batch._closed and not batch._pending
        if complete:
            self._send(batch)

    def _send_open(self) -> None:
        """Send off what will not be filled any more."""
        while not self._stop.is_set():
            with self._open_lock:
                if not self._open:
                    return
                batch = self._open.pop(next(iter(self._open)))
                batch._closed = True
                if batch._pending:  # its last worker sends it off
                    continue
            self._send(batch)

    def _send(self, batch: Batch) -> None:
        self._output.put(self._process(batch))


def _as_it_is(batch: Batch) -> Any:
    return batch


def load_batches(
    sources: Iterable[Item],
    layout_of: Callable[[tuple[int, ...]], Layout],
    *,
    num_workers: int | None = None,
    decode_into: Callable[[Item, Allocate], Pixels] = decode,
    process: Callable[[Batch], T] = _as_it_is,
) -> Generator[T | Failure]:
    """Decode images in threads, into batches of equal layout.

    Args:
        sources: the images, as :func:`decode` takes them. A lazy iterable is consumed lazily, by
            the workers, one at a time.
        layout_of: from the shape of an image, ``(H, W, 3)`` or ``(H, W)``, to its layout, which is
            remembered. It may raise `DecodeError` for a shape that can't be processed.
        num_workers: the number of threads; None for one a core.
        decode_into: :func:`decode`, or a function like it with options of its own.
        process: called with each batch in the thread that completed it, whose cache still holds
            some of the pixels.

    Yields:
        What `process` returns (the batches themselves by default), in the order in which batches
        fill up, and failures. Every source is in exactly one of them. An error raised by the
        iterable of sources, or by `process`, is raised here.

    Example:
        >>> images = [np.zeros((4, 5), np.uint8)] * 3 + [b"no image"]
        >>> sizes = lambda shape: Layout(shape=(8, 8), capacity=2)
        >>> for item in load_batches(images, sizes, num_workers=1):
        ...     print(item.positions if isinstance(item, Batch) else item.reason)
        [0, 1]
        is not an image of a known format
        [2]
    """
    loader = _Loader(sources, layout_of, decode_into, process)
    return loader.run(num_workers or core_count())
