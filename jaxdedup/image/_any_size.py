"""How images of any sizes are resized together, on each platform."""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from . import _packed, _steps
from ._profiles import Profile

Size = tuple[int, int]
_ACCELERATOR_CAPACITIES = (  # bytes and images
    (4 << 20, 16),
    (64 << 20, 256),
    (512 << 20, 16),
    (2**31 - 1, 1),
)
_OLD_TPUS = ("v2", "v3", "v4")  # the kernel's products of int8 can't be lowered for them
_MOST_TILED = 256  # outputs an axis, of the kernel


class PackedForm(NamedTuple):
    """How images of any sizes are resized on a platform.

    Attributes:
        capacities: of a call, ascending; a program each.
        common: which of them is for most images; others are for single ones.
        planner: from ``(size, profile, capacity)`` to what plans the calls.
        arguments: from a flat buffer and its planner to what the program takes.
        map_resized: from a function, the planner's size and capacity, and those arguments to the
            function's results of all images, resized to ``uint8[K, h, w, 3]``.
    """

    capacities: tuple[Any, ...]
    common: int
    planner: Callable[[Size, Profile, Any], Any]
    arguments: Callable[[NDArray[np.uint8], Any], tuple[Any, ...]]
    map_resized: Callable[..., Any]


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
        return bool(self.call.add(offset, height, width, channels))


def _cpu() -> PackedForm:
    def map_resized(
        function: Any, size: Size, capacity: Any, pixels: Any, tables: _packed.Tables
    ) -> jax.Array:
        return _packed.map_resized(function, pixels, tables, size)

    return PackedForm(
        (_packed.COMMON, _packed.LARGE),
        0,
        _packed.Planner,
        lambda pixels, planner: (pixels, planner.tables()),
        map_resized,
    )


def _fewer(capacity: tuple[int, int], size: Size) -> tuple[int, int]:
    """Where images are resized to something large, a call has room for a quarter as many."""
    pixels, images = capacity
    return pixels, max(1, images // 4) if max(size) > 64 else images


def _gpu() -> PackedForm:
    def planner(size: Size, profile: Profile, capacity: tuple[int, int]) -> _Planner:
        room = _steps.capacity(*_fewer(capacity, size), size)
        return _Planner(capacity, lambda: _steps.Planner(size, room, profile=profile))

    def map_resized(
        function: Any, size: Size, capacity: tuple[int, int], pixels: Any, tables: Any
    ) -> Any:
        room = _steps.capacity(*_fewer(capacity, size), size)
        return function(_steps.resize_flat(pixels, tables, size, room))

    def arguments(pixels: NDArray[np.uint8], planner: _Planner) -> tuple[Any, ...]:
        return pixels, planner.call.tables()

    return PackedForm(_ACCELERATOR_CAPACITIES, 1, planner, arguments, map_resized)


def _tpu() -> PackedForm:
    from . import _walk  # Pallas takes a while to import, and only TPUs need it

    def planner(size: Size, profile: Profile, capacity: tuple[int, int]) -> _Planner:
        room = _walk.capacity(*_fewer(capacity, size))
        return _Planner(capacity, lambda: _walk.Planner(size, room, profile=profile))

    def map_resized(
        function: Any, size: Size, capacity: tuple[int, int], tiles: Any, tables: Any
    ) -> Any:
        room = _walk.capacity(*_fewer(capacity, size))
        return function(_walk.resize_tiles(tiles, tables, size, room))

    def arguments(pixels: NDArray[np.uint8], planner: _Planner) -> tuple[Any, ...]:
        room = _walk.capacity(*planner.capacity)
        tiles = _packed.untouched((room.chunks * room.tiles, 32, 128, 3), np.uint8)
        _walk.write_tiles(pixels, planner.call.placements(), tiles)
        return tiles, planner.call.tables()

    return PackedForm(_ACCELERATOR_CAPACITIES, 1, planner, arguments, map_resized)


def packed_form(platform: str, kind: str = "", size: Size = (1, 1)) -> PackedForm:
    """The form of a device's platform and kind, as JAX names them, for a target size.

    The environment variable ``JAXDEDUP_FORM`` puts another platform's form on the CPU, slowly, for
    a look at its bits: ``gpu`` or ``accelerator``, and ``tpu``.
    """
    if platform == "cpu":
        asked = os.environ.get("JAXDEDUP_FORM", "")
        platform = {"accelerator": "gpu", "gpu": "gpu", "tpu": "tpu"}.get(asked, platform)
    has_kernel = not any(old in kind for old in _OLD_TPUS) and max(size) <= _MOST_TILED
    if platform == "tpu" and has_kernel:
        return _tpu()
    return _cpu() if platform == "cpu" else _gpu()
