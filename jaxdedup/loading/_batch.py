"""Decoded images of any sizes in one buffer, and the plan of what is to be done with them."""

import math
import mmap
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from ._colours import Pixels


class Plan(Protocol):
    """What is to be done with the images of a batch, planned image by image."""

    @property
    def capacity(self) -> Any:
        """What such plans have room for; hashable."""

    @property
    def buffer_size(self) -> int:
        """The bytes of a batch's pixels."""

    def add(self, offset: int, height: int, width: int, channels: int) -> bool:
        """Plan an image whose pixels begin at an offset; False where it does not fit any more."""

    def clear(self) -> None:
        """Begin anew."""


class Batch:
    """Decoded images of any sizes, one after another, without padding.

    Attributes:
        plan: what is to be done with them.
        pixels: ``uint8[P]``. What lies beyond the images is stale.
        positions: of each image, its position among the items; None where it turned out damaged.
        waited: how many seconds they have waited for more of them.

    Args:
        plan: the plan of a batch without images.
        most: the most images that it may take; None for as many as the plan has room for.
    """

    def __init__(self, plan: Plan, most: int | None = None) -> None:
        self.plan = plan
        self._most = most
        self.clear()

    @cached_property
    def pixels(self) -> Pixels:
        # Aligned, so that XLA reads it in place; and what is never written to is never there.
        return np.frombuffer(mmap.mmap(-1, self.plan.buffer_size), np.uint8)

    def clear(self) -> None:
        """Make room for other images."""
        self.plan.clear()
        self.waited = 0.0
        self.positions: list[int | None] = []
        self._places: list[tuple[int, tuple[int, ...]]] = []
        self._end = 0

    def reserve(self, position: int, shape: tuple[int, ...]) -> Pixels | None:
        """The place of one more image, ``(H, W, 3)`` or ``(H, W)``; None where it does not fit."""
        height, width, *channels = shape
        if self.is_full or not self.plan.add(self._end, height, width, math.prod(channels)):
            return None
        self.positions.append(position)
        self._places.append((self._end, shape))
        self._end += math.prod(shape)
        return self.image(-1)

    @property
    def is_full(self) -> bool:
        """Whether it has as many images as it may take; its plan may have had room for fewer."""
        return len(self.positions) == self._most

    @property
    def size(self) -> int:
        """The bytes that the images take."""
        return self._end

    @property
    def pixel_count(self) -> int:
        """How many pixels the images have."""
        return sum(shape[0] * shape[1] for _, shape in self._places)

    def has_only(self, size: tuple[int, int]) -> bool:
        """Whether all images are of this ``(height, width)``."""
        return all(shape[:2] == size for _, shape in self._places)

    def image(self, number: int) -> Pixels:
        """The pixels of an image, as a view: ``uint8[H, W, 3]`` or ``uint8[H, W]``."""
        start, shape = self._places[number]
        return self.pixels[start : start + math.prod(shape)].reshape(shape)


class BatchOfOne(Batch):
    """One image, which is copied only where the buffer is asked for; none where it doesn't fit.

    Args:
        plan: the plan of a batch without images.
        image: ``uint8[H, W, 3]`` or ``uint8[H, W]``.
    """

    def __init__(self, plan: Plan, image: Pixels) -> None:
        self._image = image
        super().__init__(plan)
        self.reserve(0, image.shape)

    @cached_property
    def pixels(self) -> Pixels:
        pixels = super().pixels
        pixels[: self._image.size].reshape(self._image.shape)[...] = self._image
        return pixels

    def image(self, number: int) -> Pixels:
        return self._image
