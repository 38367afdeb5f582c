"""Networks for which each image is prepared on the host, in the thread that decoded it.

What is made of an image goes into the batch in the image's place, as bytes; all of a batch have one
layout, so that the batch is an array without a copy.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from queue import SimpleQueue
from typing import Any, NamedTuple, Self

import jax
import numpy as np
from numpy.typing import NDArray

from jaxdedup.image import Profile
from jaxdedup.loading import Batch, DecodeError, Pixels, Plan

from ._features import NetworkCalls
from ._host import Room
from ._method import Method
from ._turns import turned

_IMAGES = 64  # that a batch has room for


class Layout(NamedTuple):
    """Of the array of an image."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_tensor: bool = False  # PyTorch's

    def __str__(self) -> str:
        return f"{self.dtype}{list(self.shape)}"


@dataclass(frozen=True)
class Preparation:
    """What a transform makes of an image, as bytes.

    Attributes:
        transform: from ``uint8[H, W, 3]`` or ``uint8[H, W]`` and the profile to an array, of one
            shape and dtype for all images: NumPy's, JAX's or PyTorch's.
        turns: how many of an image's turns are prepared, side by side.
        layouts: that of the arrays, once it is known: the first image's.
    """

    transform: Callable[[Pixels, Profile], Any]
    turns: int = 1
    layouts: list[Layout] = field(default_factory=list, compare=False, repr=False)

    def oriented(self, turns: int) -> Self:
        """One that prepares so many turns."""
        return replace(self, turns=turns)

    def __call__(self, pixels: Pixels, profile: Profile) -> Pixels:
        """The bytes, ``uint8[B, 1]``.

        Raises:
            DecodeError: the transform raised an error.
            TypeError: it gave no array of numbers.
            ValueError: it gave an array of another layout than of the first image.
        """
        try:
            made = [self.transform(image, profile) for image in turned(pixels, self.turns)]
        except Exception as error:  # the user's, of this image
            raise DecodeError(f"can't be prepared: {error!r:.200}") from error
        arrays = [_as_array(one) for one in made]
        for one, array in zip(made, arrays, strict=True):
            self._check(Layout(array.shape, array.dtype, _is_tensor(one)))
        return np.concatenate([array.reshape(-1) for array in arrays]).view(np.uint8)[:, None]

    @property
    def size(self) -> int:
        """The bytes of an image, once there was one."""
        shape, dtype, _ = self.layouts[0]
        return self.turns * math.prod(shape) * dtype.itemsize

    @property
    def gives_tensors(self) -> bool:
        """Whether the arrays are PyTorch's."""
        return self.layouts[0].is_tensor

    def arrays(self, batch: Batch) -> NDArray[Any]:
        """What was made of a batch's images, ``[B · turns, …]``, as a view."""
        shape, dtype, _ = self.layouts[0]
        return batch.pixels[: batch.size].view(dtype).reshape(-1, *shape)

    def _check(self, layout: Layout) -> None:
        if not self.layouts:
            self.layouts.append(layout)  # of two threads, both are compared with the first
        if layout != self.layouts[0]:
            raise ValueError(
                f"expected {self.layouts[0]} from transform, as of the first image, got {layout}"
            )


def _as_array(made: Any) -> NDArray[Any]:
    array = np.asarray(made.detach().cpu() if _is_tensor(made) else made)
    if array.dtype.kind in "OSUMm" or not array.size:
        raise TypeError(f"expected an array of numbers from transform, got {type(made).__name__}")
    return array


def _is_tensor(made: Any) -> bool:
    return hasattr(made, "detach")


class PreparedFunction:
    """What a network makes of prepared images. It may be used from any threads at once.

    Args:
        method: whose network.
        profile: the Pillow whose pixels are reproduced.
    """

    def __init__(self, method: Method, profile: Profile) -> None:
        self._method = method
        self.prepare = partial(method.prepare, profile=profile)
        self._network = NetworkCalls(method)
        self._turns: SimpleQueue[jax.Device] = SimpleQueue()
        for device in jax.local_devices():
            self._turns.put(device)

    def plan(self, shape: tuple[int, ...] | None) -> Plan:
        """Room for some images, which are of one size."""
        return Room(_IMAGES * self._method.prepare.size)

    @jax.transfer_guard("allow")  # to a device and back on purpose
    def __call__(
        self, batch: Batch, *, work_to_come: float = 0, batch_size: int | None = None
    ) -> NDArray[Any]:
        """A row for each image of a batch."""
        images = self._method.prepare.arrays(batch)
        device = self._turns.get()
        try:
            rows = self._network(images, len(images), device, batch_size)
        finally:
            self._turns.put(device)
        return rows.reshape(len(batch.positions), -1)
