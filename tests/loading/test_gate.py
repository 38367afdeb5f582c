"""Several huge images at once stay within a bound."""

import threading
import time
from collections.abc import Callable

import pytest

from jaxdedup.loading import Batch, DecodeError, _gate, default_pixels_in_flight, load_batches
from jaxdedup.loading._gate import PixelGate
from tests.pictures import Pixels


class Plan:
    buffer_size = 2**20

    def __init__(self, shape: tuple[int, ...] | None = None) -> None:
        pass

    def add(self, offset: int, height: int, width: int, channels: int) -> bool:
        return True

    def clear(self) -> None:
        pass


@pytest.mark.parametrize(("most", "sizes"), [(100, [30] * 40), (100, [250, 30, 99, 2, 101] * 6)])
def test_no_more_pixels_than_the_bound(most: int, sizes: list[int]) -> None:
    """But that a larger image is decoded alone."""
    inside: list[int] = []
    seen: list[list[int]] = []
    lock = threading.Lock()

    def decode_into(item: int, allocate: Callable, admit: Callable[[int], None]) -> Pixels:
        admit(item)
        admit(item)  # a second decoder of the same image
        with lock:
            inside.append(item)
            seen.append(list(inside))
        time.sleep(0.002)
        with lock:
            inside.remove(item)
        return allocate((1, 1))

    def count(batch: Batch) -> int:
        return len(batch.positions)

    found = load_batches(
        sizes,  # type: ignore[arg-type]
        Plan,
        count,
        num_workers=6,
        max_pixels_in_flight=most,
        decode_into=decode_into,  # type: ignore[arg-type]
    )
    assert sum(found) == len(sizes)  # type: ignore[arg-type]
    assert all(sum(pixels) <= most or len(pixels) == 1 for pixels in seen)
    assert max(map(len, seen)) > 1


def test_whoever_waits_is_let_go() -> None:
    gate = PixelGate(10)
    told = []

    def wait() -> None:
        with gate.admission() as admit, pytest.raises(DecodeError):
            admit(10)
        told.append(True)

    with gate.admission() as admit:
        admit(10)
        thread = threading.Thread(target=wait)
        thread.start()
        gate.close()
        thread.join(10)
    assert told
    assert gate.inside == 0


def test_the_bound_is_a_quarter_of_the_memory_granted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_gate, "granted_memory", lambda: 2**30)
    assert default_pixels_in_flight() == 2**30 // 4 // 16
