"""Where a search runs, in which form, and how tiles stream through the devices."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

_AHEAD = 2  # tiles in flight on each device: one computes while the host reads the other

TileT = TypeVar("TileT")
ResultT = TypeVar("ResultT")


def is_accelerator(device: jax.Device) -> bool:
    """Whether the device isn't the host: then its matrix products outrun it, and transfers cost."""
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


def rows_of(array: jax.Array, rows: NDArray[np.intp]) -> NDArray[Any]:
    """``array[rows]`` on the host, without the other rows where that is not the device."""
    if not any(map(is_accelerator, array.devices())):
        return np.asarray(array)[rows]
    # A power of two, so that few programs are compiled.
    some = np.pad(rows.astype(np.int32), (0, power_of_two(len(rows)) - len(rows)))
    chosen = jnp.take(array, jax.device_put(some, *array.devices()), axis=0)
    return np.asarray(chosen)[: len(rows)]


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
