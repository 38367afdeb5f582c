"""Where a search runs, in which form, and how tiles stream through the devices."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import jax
from jax.typing import ArrayLike

_AHEAD = 2  # tiles in flight on each device: one computes while the host reads the other

TileT = TypeVar("TileT")
ResultT = TypeVar("ResultT")


def has_fast_matrix_products(device: jax.Device) -> bool:
    """Whether int8 and bfloat16 matrix products outrun the vector units: not on CPUs."""
    return device.platform != "cpu"


def devices_for(array: ArrayLike) -> Sequence[jax.Device]:
    """The devices that hold a jax.Array; for anything else all local devices.

    The library makes no mesh: it computes where the data already is, and deals the tiles out.
    """
    if isinstance(array, jax.Array):
        return sorted(array.addressable_data(0).devices() | array.devices(), key=lambda d: d.id)
    return jax.local_devices()


def power_of_two(number: int) -> int:
    """The next one: in sizes of that kind, data of many sizes shares one compiled program."""
    return 1 << max(0, number - 1).bit_length()


def stream(
    tiles: Iterable[TileT],
    launch: Callable[[TileT, jax.Device], ResultT],
    devices: Sequence[jax.Device],
) -> Iterator[tuple[TileT, ResultT]]:
    """Runs ``launch`` on every tile, dealt out to the devices; yields the results in order."""
    running: deque[tuple[TileT, ResultT]] = deque()
    for number, tile in enumerate(tiles):
        running.append((tile, launch(tile, devices[number % len(devices)])))
        if len(running) == _AHEAD * len(devices):
            yield running.popleft()
    yield from running
