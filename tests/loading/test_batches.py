"""load_batches: every source comes out exactly once, in bounded memory, whatever happens."""

import itertools
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from jaxdedup.loading import Batch, Failure, Layout, _batches, load_batches
from tests.pictures import Pixels


def image(number: int, height: int = 3, width: int = 4) -> Pixels:
    return np.full((height, width), number % 256, np.uint8)


def one_layout(shape: tuple[int, ...]) -> Layout:
    return Layout((8, 8), 4)


def by_height(shape: tuple[int, ...]) -> Layout:
    return Layout((shape[0], 8), 4)


def workers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("jaxdedup")]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert not workers()


def mixed(count: int) -> list:
    """Every third source is bad."""
    return [b"no image" if i % 3 == 2 else image(i, 1 + i % 5) for i in range(count)]


@pytest.mark.parametrize("num_workers", [1, 3, 8])
@pytest.mark.parametrize("layout_of", [one_layout, by_height])
@pytest.mark.parametrize("count", [0, 1, 4, 5, 50])
def test_each_source_exactly_once(count: int, layout_of, num_workers: int) -> None:
    sources = mixed(count)
    seen = []
    for item in load_batches(sources, layout_of, num_workers=num_workers):
        if isinstance(item, Failure):
            assert sources[item.position] == b"no image"
            assert item.reason == "is not an image of a known format"
            seen.append(item.position)
            continue
        assert item.pixels.shape == (item.layout.capacity, *item.layout.shape)
        assert len(item.positions) == len(item.shapes) <= item.layout.capacity
        for place, position in enumerate(item.positions):
            assert item.shapes[place] == sources[position].shape[:2]
            np.testing.assert_array_equal(
                item.image(place, sources[position].shape), sources[position]
            )
            seen.append(position)
        item.release()
    assert sorted(seen) == list(range(count))


def test_damaged_image_leaves_its_place_empty() -> None:
    """A place that was reserved when the size was known, and then could not be filled."""

    def decode_into(source, allocate) -> Pixels:
        pixels = allocate(source.shape)
        if source[0, 0] == 1:
            raise _batches.DecodeError("breaks off")
        pixels[...] = source
        return pixels

    sources = [image(i) for i in range(4)]
    items = list(load_batches(sources, one_layout, num_workers=1, decode_into=decode_into))
    failures = [item for item in items if isinstance(item, Failure)]
    (batch,) = (item for item in items if isinstance(item, Batch))
    assert failures == [Failure(1, "breaks off")]
    assert batch.positions == [0, None, 2, 3]


def test_order_of_one_worker() -> None:
    batches = load_batches([image(i) for i in range(10)], one_layout, num_workers=1)
    assert [batch.positions for batch in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_released_buffers_are_used_again() -> None:
    buffers = set()
    for batch in load_batches((image(i) for i in range(400)), one_layout, num_workers=3):
        buffers.add(batch.pixels.ctypes.data)
        batch.release()
        batch.release()  # a second time changes nothing
    # One open, those that wait, one with the consumer, one with each worker that is finishing.
    assert len(buffers) <= 1 + _batches._MAX_READY + 1 + 3


def test_held_batches_keep_their_pixels() -> None:
    batches = list(load_batches((image(i) for i in range(40)), one_layout, num_workers=2))
    for batch in batches:
        for place, position in enumerate(batch.positions):
            np.testing.assert_array_equal(batch.image(place, (3, 4)), image(position))


def test_consumption_is_bounded() -> None:
    """An endless iterable is read no further than the batches that may wait."""
    taken = itertools.count()
    last = 0

    def endless() -> Iterator[Pixels]:
        nonlocal last
        for last in taken:
            yield image(last)

    loaded = load_batches(endless(), one_layout, num_workers=2)
    for consumed in range(1, 20):
        next(loaded).release()
        # Those delivered, those ready, one open, and in each worker's hands a finished one.
        assert last <= 4 * (consumed + _batches._MAX_READY + 1 + 2) + 2
    loaded.close()


def test_open_batches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """More layouts than may be open: the oldest leaves unfilled."""
    monkeypatch.setattr(_batches, "_MAX_OPEN", 3)
    sources = [image(i, 1 + i % 7) for i in range(70)]
    most = 0
    positions = []
    loaded = load_batches(sources, by_height, num_workers=2)
    loader = loaded.gi_frame.f_locals["self"]
    for batch in loaded:
        most = max(most, len(loader._open))
        positions += batch.positions
    assert sorted(positions) == list(range(70))
    assert most <= 3


@pytest.mark.parametrize("num_workers", [1, 4])
@pytest.mark.parametrize("after", [0, 1, 10])
def test_error_of_the_iterable_is_raised(after: int, num_workers: int) -> None:
    def failing() -> Iterator[Pixels]:
        for i in range(after):
            yield image(i)
        raise LookupError("the list ends here")

    with pytest.raises(LookupError, match="the list ends here"):
        list(load_batches(failing(), one_layout, num_workers=num_workers))


def test_error_of_the_layout_is_raised() -> None:
    def wrong(shape: tuple[int, ...]) -> Layout:
        raise ArithmeticError("no layout")

    # As the image's: a layout which can't be had is no reason to stop.
    items = list(load_batches([image(0)], wrong, num_workers=2))
    assert [item.reason for item in items] == ["ArithmeticError: no layout"]


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_closing_early_ends_the_threads(taken: int) -> None:
    loaded = load_batches((image(i) for i in itertools.count()), one_layout, num_workers=4)
    for _ in range(taken):
        next(loaded)
    loaded.close()
    assert not workers()


def test_sources_are_not_read_by_two_threads_at_once() -> None:
    def slow() -> Iterator[Pixels]:  # a generator refuses to be entered twice
        for i in range(100):
            time.sleep(0.0005)
            yield image(i)

    assert sum(len(b.positions) for b in load_batches(slow(), one_layout, num_workers=8)) == 100


@pytest.mark.parametrize("num_workers", [1, 3])
def test_batches_are_processed_by_the_workers(num_workers: int) -> None:
    threads = set()

    def process(batch: Batch) -> list[int | None]:
        threads.add(threading.current_thread())
        return batch.positions

    sources = [image(i) for i in range(50)] + [b"no image"]
    found = list(load_batches(sources, one_layout, num_workers=num_workers, process=process))
    failures = [item for item in found if isinstance(item, Failure)]
    assert [failure.position for failure in failures] == [50]
    positions = sorted(i for item in found if not isinstance(item, Failure) for i in item)
    assert positions == list(range(50))
    assert threading.main_thread() not in threads


def test_error_of_process_is_raised() -> None:
    def fail(batch: Batch) -> None:
        raise ZeroDivisionError(f"{len(batch.positions)} images")

    with pytest.raises(ZeroDivisionError, match="images"):
        list(load_batches([image(i) for i in range(50)], one_layout, process=fail))
