"""How images of any sizes are resized together, on each platform."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from . import _packed, _plan, _steps, _tiles
from ._plan import LONGEST
from ._platform import form_on_cpu
from ._profiles import Profile

Size = tuple[int, int]
_ACCELERATOR_CAPACITIES = (  # bytes and images
    (4 << 20, 16),
    (64 << 20, 128),
    (512 << 20, 16),
    (2**31 - 1, 1),
)
_SMALL = 64  # a side that images are resized to; where it is larger, a call has fewer of them


class PackedForm(NamedTuple):
    """How images of any sizes are resized on a platform.

    Attributes:
        capacities: of a call, ascending; a program each.
        common: which of them is for most images; others are for single ones.
        halved: from a capacity to one of half its bytes, its first number; None on a CPU, where
            memory is the host's.
        planner: from ``(size, profile, capacity)`` to what plans the calls.
        turns: whether that takes ``turned`` too, for each image to be followed by its transpose.
        luma_first: whether RGB images become grey before they are resized.
        arguments: from a flat buffer and its planner to what the program takes.
        resize: from the target size, the planner's capacity, the profile of luma or None, and those
            arguments, to the images: luma ``uint8[B, h, w]``, or ``uint8[B, h, w, 3]`` without a
            profile; or to what `arrange` makes them of.
        arrange: on a CPU, from the results of the first images, their planner and the size to the
            images: NumPy's arrays, which the host goes on with. Elsewhere None.
    """

    capacities: tuple[Any, ...]
    common: int
    halved: Callable[[Any], Any] | None
    planner: Callable[..., Any]
    turns: bool
    luma_first: bool
    arguments: Callable[[NDArray[np.uint8], Any], tuple[Any, ...]]
    resize: Callable[..., Any]
    arrange: Callable[[NDArray[np.uint8], Any, Size], NDArray[np.uint8]] | None


class _Planner:
    """Plans call after call, each with a planner of its own."""

    def __init__(self, capacity: tuple[int, int], new: Callable[[], Any]) -> None:
        self.capacity = capacity
        self._new = new
        self.clear()

    @property
    def buffer_size(self) -> int:
        return self.capacity[0]

    def clear(self) -> None:
        self.call = self._new()

    def add(self, offset: int, height: int, width: int, channels: int) -> bool:
        if max(height, width) > LONGEST and self.capacity != _ACCELERATOR_CAPACITIES[-1]:
            return False
        return bool(self.call.add(offset, height, width, channels))


def _cpu(size: Size, luma_first: bool) -> PackedForm:
    common = _plan.COMMON
    if max(size) > _SMALL:  # the room for results is cleared by each call
        common = common._replace(images=common.images // 4)

    def resize(
        size: Size,
        capacity: _plan.Capacity,
        luma: Profile | None,
        pixels: Any,
        tables: _plan.Tables,
    ) -> jax.Array:
        before = luma if luma_first else None
        return _packed.resize_packed(pixels, tables, size, capacity.images, luma, luma_first=before)

    def arrange(
        results: NDArray[np.uint8], planner: _plan.Planner, size: Size
    ) -> NDArray[np.uint8]:
        return _packed.arranged(results, planner.vertical_first, size)

    return PackedForm(
        (common, _plan.LARGE),
        0,
        None,
        partial(_plan.Planner, luma_first=luma_first),
        True,
        luma_first,
        lambda pixels, planner: (pixels, planner.tables()),
        resize,
        arrange,
    )


def _fewer(capacity: tuple[int, int], size: Size) -> tuple[int, int]:
    """Where images are resized to something large, a call has room for half as many."""
    pixels, images = capacity
    return pixels, max(1, images // 2) if max(size) > _SMALL else images


def _accelerator(
    new_planner: Callable[..., Any],
    room_of: Callable[[tuple[int, int], Size], Any],
    resize: Callable[..., Any],
    arguments: Callable[[NDArray[np.uint8], Any], tuple[Any, ...]],
) -> PackedForm:
    def planner(size: Size, profile: Profile, capacity: tuple[int, int]) -> _Planner:
        room = room_of(capacity, size)
        return _Planner(capacity, lambda: new_planner(size, room, profile=profile))

    def resize_call(
        size: Size, capacity: tuple[int, int], luma: Profile | None, pixels: Any, tables: Any
    ) -> Any:
        return resize(pixels, tables, size, room_of(capacity, size), luma=luma)

    def halved(capacity: tuple[int, int]) -> tuple[int, int]:
        pixels, images = capacity
        return pixels // 2, max(1, images // 2)

    return PackedForm(
        _ACCELERATOR_CAPACITIES, 1, halved, planner, False, False, arguments, resize_call, None
    )


def _gpu() -> PackedForm:
    def room_of(capacity: tuple[int, int], size: Size) -> _steps.Capacity:
        share = 24 if capacity != _ACCELERATOR_CAPACITIES[-1] else 8  # strips need more weights
        return _steps.capacity(*_fewer(capacity, size), size, share)

    def arguments(pixels: NDArray[np.uint8], planner: _Planner) -> tuple[Any, ...]:
        return pixels, planner.call.tables()

    return _accelerator(_steps.Planner, room_of, _steps.resize_flat, arguments)


def _tpu(resize_tiles: Callable[..., Any]) -> PackedForm:
    def room_of(capacity: tuple[int, int], size: Size) -> _tiles.Capacity:
        slabs = 128 if capacity != _ACCELERATOR_CAPACITIES[-1] else 320  # strips need more weights
        return _tiles.capacity(*_fewer(capacity, size), slabs)

    def arguments(pixels: NDArray[np.uint8], planner: _Planner) -> tuple[Any, ...]:
        room = room_of(planner.capacity, (1, 1))
        tiles = _plan.untouched((room.chunks * room.tiles, 32, 128, 3), np.uint8)
        _tiles.write_tiles(pixels, planner.call.placements(), tiles)
        return tiles, planner.call.tables()

    return _accelerator(_tiles.Planner, room_of, resize_tiles, arguments)


def packed_form(
    platform: str,
    size: Size = (1, 1),
    device: jax.Device | None = None,
    luma_first: bool = False,
) -> PackedForm:
    """The form of a platform, as JAX names it, for a target size; and of a device of it.

    With ``luma_first``, images shall become grey before they are resized: where the form that is
    returned does not see to that, it takes grey images.

    The environment variable ``JAXDEDUP_FORM`` puts another platform's form on the CPU, slowly, for
    a look at its bits: see :func:`form_on_cpu`.
    """
    on_cpu = form_on_cpu()
    platform = on_cpu if platform == "cpu" else platform
    if platform == "tpu" and max(size) <= _tiles.MOST_OUTPUTS:
        from . import _walk  # Pallas takes a while to import, and only TPUs need it

        if device is None or device.platform == "cpu" or _walk.runs_on(device):
            return _tpu(_walk.resize_tiles)
    return _cpu(size, luma_first) if platform == "cpu" else _gpu()
