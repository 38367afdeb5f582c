"""Methods that take images as they are, on the host: what has no size is no program of a device."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxdedup.hashing import pack_bits
from jaxdedup.image import Profile, luma_on_host
from jaxdedup.loading import Batch, DecodeError, Plan

from ._method import Method

_COMMON_BYTES = 12 << 20  # of a batch; a larger image has one for itself
_MOST_BYTES = 2**31 - 1


class HostFunction:
    """What a method makes of images as they are. It may be used from any threads at once.

    Args:
        method: what is computed.
        profile: the Pillow whose pixels are reproduced.
    """

    def __init__(self, method: Method, profile: Profile) -> None:
        self._method, self._profile = method, profile
        self.prepare = partial(luma_on_host, profile=profile) if method.luma_first else None

    def plan(self, shape: tuple[int, ...] | None) -> Plan:
        """A plan for most images, or for a larger one of this shape, without any in it."""
        size = _COMMON_BYTES if shape is None else max(_COMMON_BYTES, int(np.prod(shape)))
        if size > _MOST_BYTES:
            raise DecodeError(f"has {size} bytes, more than can be hashed")
        return Room(size)

    def __call__(
        self, batch: Batch, *, work_to_come: float = 0, batch_size: int | None = None
    ) -> NDArray[Any]:
        """A row for each image of a batch."""
        images = map(batch.image, range(len(batch.positions)))
        bits = [self._method.compute(image, self._profile) for image in images]
        return np.asarray(pack_bits(np.stack(bits))).reshape(len(bits), -1)


class Room:
    """Room for so many bytes: nothing is to be planned."""

    def __init__(self, buffer_size: int) -> None:
        self.capacity = self.buffer_size = buffer_size

    def add(self, offset: int, height: int, width: int, channels: int) -> bool:
        return offset + height * width * channels <= self.buffer_size

    def clear(self) -> None:
        pass
