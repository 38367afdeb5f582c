"""load_batches: every item comes out exactly once, in bounded memory, whatever happens."""

import itertools
import threading
import time
import types
from collections.abc import Iterator

import numpy as np
import pytest

from jaxdedup.loading import Allocate, Batch, DecodeError, Failure, load_batches
from tests.pictures import Pixels

READY = 2  # results that wait for the consumer


class Plan:
    """Room for four images, and for 64 bytes."""

    buffer_size = 64
    most = 4

    def __init__(self, shape: tuple[int, ...] | None = None) -> None:
        if shape is not None:
            self.buffer_size = int(np.prod(shape))
        self.clear()

    def add(self, offset: int, height: int, width: int, channels: int) -> bool:
        fits = offset + height * width * channels <= self.buffer_size
        self.count += fits
        return fits and self.count <= self.most

    def clear(self) -> None:
        self.count = 0


def image(number: int, height: int = 3, width: int = 4) -> Pixels:
    return np.full((height, width), number % 256, np.uint8)


def contents(batch: Batch) -> list[tuple[int | None, Pixels]]:
    return [(p, batch.image(i).copy()) for i, p in enumerate(batch.positions)]


def positions(batch: Batch) -> list[int | None]:
    return batch.positions


def workers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("jaxdedup")]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert not workers()


@pytest.fixture(autouse=True)
def _batches_wait_until_they_are_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the thread that reads is held up by others on the machine."""
    monkeypatch.setattr("jaxdedup.loading._batches._LULL", 3600)


@pytest.mark.parametrize("num_workers", [1, 3, 8])
@pytest.mark.parametrize("count", [0, 1, 4, 5, 50])
def test_each_item_exactly_once(count: int, num_workers: int) -> None:
    """Grey and RGB, of sizes that share a batch, fill one, or need one of their own."""
    shapes = [(1, 1), (3, 4), (2, 2, 3), (8, 8), (1, 70), (40, 3, 3)]
    random = np.random.default_rng(count)
    items: list = [random.integers(0, 256, shapes[i % 6], np.uint8) for i in range(count)]
    items[2::7] = [b"no image"] * len(items[2::7])
    seen = []
    for result in load_batches(items, Plan, contents, num_workers=num_workers):
        if isinstance(result, Failure):
            assert items[result.position] == b"no image"
            assert result.reason == "is not an image of a known format"
            seen.append(result.position)
            continue
        assert len(result) <= Plan.most
        for position, pixels in result:
            np.testing.assert_array_equal(pixels, items[position])
            seen.append(position)
    assert sorted(seen) == list(range(count))


def test_damaged_image_leaves_its_place() -> None:
    """A place that was reserved when the size was known, and then could not be filled."""

    def decode_into(item, allocate, admit) -> Pixels:
        pixels = allocate(item.shape)
        if item[0, 0] == 1:
            raise DecodeError("breaks off")
        pixels[...] = item
        return pixels

    items = [image(i) for i in range(4)]
    found = list(load_batches(items, Plan, positions, num_workers=1, decode_into=decode_into))
    assert found == [Failure(1, "breaks off"), [0, None, 2, 3]]


def test_batch_of_damaged_images_alone_is_not_processed() -> None:
    def decode_into(item, allocate, admit) -> Pixels:
        allocate((9, 9))
        raise DecodeError("breaks off")

    found = list(load_batches([b""] * 3, Plan, positions, num_workers=1, decode_into=decode_into))
    assert [failure.position for failure in found] == [0, 1, 2]


def test_order_of_one_worker() -> None:
    batches = load_batches([image(i) for i in range(10)], Plan, positions, num_workers=1)
    assert list(batches) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_batch_size_is_a_bound() -> None:
    items = [image(i) for i in range(7)]
    batches = load_batches(items, Plan, positions, batch_size=3, num_workers=1)
    assert list(batches) == [[0, 1, 2], [3, 4, 5], [6]]


def test_a_batch_is_sent_once_it_is_full() -> None:
    """Not when the next image has no room in it."""
    sent = threading.Event()

    def waiting() -> Iterator[Pixels]:
        for number in range(6):
            yield image(number)
            if number % 3 == 2:
                assert sent.wait(timeout=60)
                sent.clear()

    found = []
    for batch in load_batches(waiting(), Plan, positions, batch_size=3, num_workers=1):
        found.append(batch)
        sent.set()
    assert found == [[0, 1, 2], [3, 4, 5]]


def test_memory_is_used_again() -> None:
    def address(batch: Batch) -> int:
        return batch.pixels.ctypes.data

    items = (image(i, 3, 4 if i % 2 else 40) for i in range(400))
    # A worker has a batch, and memory for images that are larger.
    assert len(set(load_batches(items, Plan, address, num_workers=3))) <= 2 * 3


def test_consumption_is_bounded() -> None:
    """An endless iterable is read no further than the batches that may wait."""
    last = 0

    def endless() -> Iterator[Pixels]:
        nonlocal last
        for last in itertools.count():
            yield image(last)

    loaded = load_batches(endless(), Plan, positions, num_workers=2)
    for consumed in range(1, 20):
        next(loaded)
        # Those delivered, those ready, and in each worker's hands a finished one and an open one.
        assert last <= 4 * (consumed + READY + 2 * 2) + 2
    loaded.close()


@pytest.mark.parametrize("num_workers", [1, 4])
@pytest.mark.parametrize("after", [0, 1, 10])
def test_error_of_the_iterable_is_raised(after: int, num_workers: int) -> None:
    def failing() -> Iterator[Pixels]:
        for i in range(after):
            yield image(i)
        raise LookupError("the list ends here")

    with pytest.raises(LookupError, match="the list ends here"):
        list(load_batches(failing(), Plan, positions, num_workers=num_workers))


def test_image_that_no_plan_has_room_for_is_a_failure() -> None:
    def new_plan(shape: tuple[int, ...] | None) -> Plan:
        if shape is not None:
            raise DecodeError("has too many pixels")
        return Plan()

    items = [image(0), image(1, 100), image(2)]
    found = list(load_batches(items, new_plan, positions, num_workers=1))
    assert found == [Failure(1, "has too many pixels"), [0, 2]]


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_closing_early_ends_the_threads(taken: int) -> None:
    loaded = load_batches((image(i) for i in itertools.count()), Plan, positions, num_workers=4)
    for _ in range(taken):
        next(loaded)
    loaded.close()
    assert not workers()


def test_items_are_not_read_by_two_threads_at_once() -> None:
    def slow() -> Iterator[Pixels]:  # a generator refuses to be entered twice
        for i in range(100):
            time.sleep(0.0005)
            yield image(i)

    assert sum(map(len, load_batches(slow(), Plan, positions, num_workers=8))) == 100


def test_batches_are_processed_by_the_workers() -> None:
    def thread(batch: Batch) -> threading.Thread:
        return threading.current_thread()

    threads = set(load_batches([image(i) for i in range(50)], Plan, thread, num_workers=3))
    assert threads
    assert threading.main_thread() not in threads


@pytest.mark.parametrize("count", [1, 50])
def test_error_of_process_is_raised(count: int) -> None:
    """And is not taken for one of the image that found the batch full."""

    def fail(batch: Batch) -> None:
        raise ZeroDivisionError(f"{len(batch.positions)} images")

    with pytest.raises(ZeroDivisionError, match="images"):
        list(load_batches([image(i) for i in range(count)], Plan, fail))


def test_the_reader_sleeps_where_a_worker_tells_of_room_too_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker is preempted before it sets the event, and sets it when there is no room again."""
    waits = []

    class Late(threading.Event):
        def set(self) -> None:
            time.sleep(0.02)
            super().set()

        def wait(self, timeout: float | None = None) -> bool:
            waits.append(self.is_set())
            assert len(waits) < 500
            return super().wait(timeout)

    module = types.SimpleNamespace(Event=Late, Thread=threading.Thread)
    monkeypatch.setattr("jaxdedup.loading._batches.threading", module)

    def slow(item: object, allocate: Allocate, **_: object) -> Pixels:
        time.sleep(0.02)
        return allocate((1, 1))

    results = load_batches([b""] * 150, Plan, positions, num_workers=8, decode_into=slow)
    assert sum(len(result) for result in results) == 150


def test_a_thread_that_cannot_be_started_leaves_none_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = threading.Thread.start

    def start_two(thread: threading.Thread) -> None:
        if len(workers()) == 2:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_two)
    with pytest.raises(RuntimeError, match="can't start"):
        list(load_batches([image(0)], Plan, positions, num_workers=4))
    assert not workers()
