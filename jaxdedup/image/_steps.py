"""One program that resizes images of any sizes: gathers from a flat buffer, in plain XLA.

The images of a call lie one after another in a flat buffer. Each pass of a resize is cut on the
host into *steps* of one shape, whatever the image: a step contracts up to `taps` inputs of some
lines with their weights, for every output. What the steps of an output come to is summed. So no
width or height is in a shape, and images of any sizes, RGB and grey, in either order of the passes,
share one program. It suits a GPU, whose compiler makes one kernel of a pass: index, gather,
product and sum, with nothing in between in memory.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from ._fixed_point import round_sums
from ._lanczos import LinearMap, vertical_first
from ._lanczos import windows as lanczos
from ._luma import rgb_to_luma
from ._profiles import Profile

_LINES = 64  # of a band: the lines that a step of the first pass contracts
_LENGTH = 800  # of a common axis, by which tables are measured out


class Capacity(NamedTuple):
    """What a call has room for. It is all that the shapes of a program depend on, beside a size."""

    pixels: int  # bytes of the flat buffer
    images: int
    bands: int  # of 64 lines
    first_steps: int
    second_steps: int
    groups: int  # of weights: up to `taps` for each output of an axis
    taps: int


class Tables(NamedTuple):
    """How the images of a call are resized: NumPy arrays of shapes that the capacity fixes."""

    first: np.ndarray | jax.Array  # int32[S, 6]: offset, three strides (of line, input, channel),
    #                                group of weights, band of lines that it adds to
    second: np.ndarray | jax.Array  # int32[T, 3]: first band that it reads, group, image
    inputs: np.ndarray | jax.Array  # int32[G, O]: the first input of each output
    taps: np.ndarray | jax.Array  # int32[G, O, K]: the weights from there on
    swapped: np.ndarray | jax.Array  # bool[B]: the vertical pass goes first


def capacity(pixels: int, images: int, size: tuple[int, int], weights_share: int = 24) -> Capacity:
    """Room for some bytes of pixels, and for tables that images of common sizes fill as fast.

    Args:
        pixels: the length of the flat buffer, below 2³¹.
        images: the most images in a call.
        size: the target ``(h, w)``.
        weights_share: bytes of pixels for each byte of weights. Both sides of an image have
            weights, which its pixels outnumber unless it is a strip.

    Example:
        >>> capacity(64 << 20, 64, (32, 32)).bands
        511
    """
    outputs = max(size)
    taps = 128 if outputs < 16 else 64 if outputs <= 64 else 16
    bands = images + pixels // 150_000
    inputs = outputs * taps / 6  # that one group covers: outputs look at six times their distance
    return Capacity(
        pixels=pixels,
        images=images,
        bands=bands,
        first_steps=int(bands * (1 + _LENGTH / inputs)),
        second_steps=int(images * (1 + _LENGTH / inputs) + bands * _LINES / inputs),
        groups=1 + max(2, pixels // (weights_share * 4 * outputs * (taps + 1))),
        taps=taps,
    )


class _Axis(NamedTuple):
    length: int
    outputs: int
    stride: int  # bytes from one input to the next


class _Used(NamedTuple):
    """How much of a capacity is used, in its order. The first group has weights of zero."""

    images: int = 0
    bands: int = 0
    first_steps: int = 0
    second_steps: int = 0
    groups: int = 1


class Planner:
    """Plans one call, image by image, on the host.

    Args:
        size: the target ``(h, w)``.
        capacity: of the call.
        profile: the version of Pillow to equal.
        windows: the linear map of an axis, from its length and its number of outputs.

    Example:
        >>> planner = Planner((8, 8), capacity(1 << 20, 16, (8, 8)))
        >>> planner.add(0, 480, 640, 3), planner.add(480 * 640 * 3, 480, 640, 1)
        (True, False)
    """

    def __init__(
        self,
        size: tuple[int, int],
        capacity: Capacity,
        *,
        profile: Profile = "pillow13",
        windows: LinearMap = lanczos,
    ) -> None:
        outputs = max(size)
        self._size, self._profile, self._windows = size, profile, windows
        self._capacity = capacity
        # What is not used adds weights of zero, the first group's, to the last band and image.
        self._tables = Tables(
            first=np.zeros((capacity.first_steps, 6), np.int32),
            second=np.zeros((capacity.second_steps, 3), np.int32),
            inputs=np.zeros((capacity.groups, outputs), np.int32),
            taps=np.zeros((capacity.groups, outputs, capacity.taps), np.int32),
            swapped=np.zeros(capacity.images, np.bool_),
        )
        self._tables.first[:, 5] = capacity.bands - 1
        self._tables.second[:, 2] = capacity.images - 1
        self._groups: dict[tuple[int, int], NDArray[np.int32]] = {}  # those of each axis
        self._used = _Used()

    def add(self, offset: int, height: int, width: int, channels: int) -> bool:
        """Plan one more image, unless the call is full: then nothing changes, and it gives False.

        Args:
            offset: of the image's first byte in the flat buffer, where its rows stand one after
                another without padding.
            height, width: in pixels.
            channels: 3, or 1 for a grey image, which comes out as three equal channels.
        """
        if offset + height * width * channels > self._capacity.pixels:
            return False
        rows = _Axis(height, self._size[0], width * channels)
        columns = _Axis(width, self._size[1], channels)
        swapped = vertical_first(height, width, self._size, profile=self._profile)
        inner, outer = (rows, columns) if swapped else (columns, rows)

        chunks = {axis[:2]: self._chunks(axis) for axis in (inner, outer)}
        new = {key: count for key, count in chunks.items() if key not in self._groups}
        bands = -(-outer.length // _LINES)
        used = _Used(
            self._used.images + 1,
            self._used.bands + bands,
            self._used.first_steps + bands * chunks[inner[:2]],
            self._used.second_steps + chunks[outer[:2]],
            self._used.groups + sum(new.values()),
        )
        if any(have > room for have, room in zip(used, self._capacity[1:6], strict=True)):
            return False

        for key, count in new.items():
            self._add_weights(key, count)
        band = np.arange(bands)[:, None]
        first = self._tables.first[self._used.first_steps : used.first_steps]
        first = first.reshape(bands, -1, 6)  # for each band all groups of the axis
        first[..., 0] = offset + band * (_LINES * outer.stride)
        first[..., 1:4] = outer.stride, inner.stride, int(channels == 3)
        first[..., 4] = self._groups[inner[:2]]
        first[..., 5] = self._used.bands + band
        second = self._tables.second[self._used.second_steps : used.second_steps]
        second[:, 0] = self._used.bands
        second[:, 1] = self._groups[outer[:2]]
        second[:, 2] = self._used.images
        self._tables.swapped[self._used.images] = swapped
        self._used = used
        return True

    def tables(self) -> Tables:
        """The plan of the images that were added, in their order."""
        return self._tables

    def _chunks(self, axis: _Axis) -> int:
        first, stop, _ = self._windows(axis.length, axis.outputs)
        return -(-int((stop - first).max()) // self._capacity.taps)

    def _add_weights(self, axis: tuple[int, int], count: int) -> None:
        """Cut the windows of an axis into chunks, a group for each."""
        start, taps = self._used.groups, self._capacity.taps
        groups = np.arange(start, start + count, dtype=np.int32)
        first, _, fixed = self._windows(*axis)
        for chunk, group in enumerate(groups):
            part = fixed[:, chunk * taps : (chunk + 1) * taps]
            self._tables.inputs[group, : axis[1]] = first + chunk * taps
            self._tables.taps[group, : axis[1], : part.shape[1]] = part
        self._groups[axis] = groups
        self._used = self._used._replace(groups=start + count)


@functools.partial(jax.jit, static_argnames=("size", "capacity", "luma"))
def resize_flat(
    pixels: jax.Array,
    tables: Tables,
    size: tuple[int, int],
    capacity: Capacity,
    *,
    luma: Profile | None = None,
) -> jax.Array:
    """Resize the images of a flat buffer as planned.

    Args:
        pixels: ``uint8[N]``. What no image covers may be anything.
        tables: of a `Planner` for `size` and `capacity`.
        size: the target ``(h, w)``.
        capacity: of the call.
        luma: give grey images, with the luma of that version of Pillow.

    Returns:
        ``uint8[B, h, w, 3]``, or ``uint8[B, h, w]`` with `luma`; zeros where there is no image.
    """
    outputs = max(size)
    steps = _Steps(outputs, jnp.asarray(tables.inputs), jnp.asarray(tables.taps))
    sums = _first_pass(pixels, tables.first, steps, capacity.bands)
    resized = round_sums(_second_pass(sums, tables.second, steps, capacity.images))
    resized = resized.reshape(capacity.images, outputs, outputs, 3)
    resized = jnp.where(tables.swapped[:, None, None, None], resized.swapaxes(1, 2), resized)
    resized = resized[:, : size[0], : size[1]]
    return resized if luma is None else rgb_to_luma(resized, profile=luma)


class _Steps(NamedTuple):
    """The rows of steps: one for each output of each."""

    outputs: int
    first_inputs: jax.Array  # as `Tables.inputs`
    taps: jax.Array

    def spread(self, column: jax.Array) -> jax.Array:
        """What holds for a step, over its rows."""
        return _along(0, jnp.repeat(column, self.outputs))

    def rows(self, column: jax.Array) -> jax.Array:
        """Where the outputs of a group of weights, or of a segment, stand among those of all."""
        output = jnp.arange(self.outputs, dtype=jnp.int32)[None]
        return (column[:, None] * self.outputs + output).reshape(-1)

    def inputs(self, group: jax.Array) -> jax.Array:
        """The first input of each row."""
        return _along(0, self.first_inputs.reshape(-1)[self.rows(group)])

    def tap(self) -> jax.Array:
        """The number of each tap."""
        return _iota(3, self.taps.shape[-1])

    def add(self, values: jax.Array, group: jax.Array, segment: jax.Array, count: int) -> jax.Array:
        """Of each segment the sum of the products that its steps come to."""
        weights = self.taps.reshape(-1, self.taps.shape[-1])[self.rows(group)]
        sums = jnp.sum(values * weights[:, None, None, :], axis=-1, dtype=jnp.int32)
        return jax.ops.segment_sum(sums, self.rows(segment), num_segments=count * self.outputs)


# An index is a sum of terms that each vary along a few axes of [rows, lines, channels, taps], and
# what is read is flat: so written, nothing as large as the products is ever in memory.


def _first_pass(
    pixels: jax.Array, table: np.ndarray | jax.Array, steps: _Steps, bands: int
) -> jax.Array:
    """The outputs of each line, by band: sums ``int32[bands · O, 64, 3]``."""
    offset, line_stride, stride, channel_stride, group, band = table.T
    spread = steps.spread
    at = (
        spread(offset)
        + steps.inputs(group) * spread(stride)
        + _iota(1, _LINES) * spread(line_stride)
        + _iota(2, 3) * spread(channel_stride)
        + steps.tap() * spread(stride)
    )
    return steps.add(_read(pixels, at).astype(jnp.int32), group, band, bands)


def _second_pass(
    sums: jax.Array, table: np.ndarray | jax.Array, steps: _Steps, images: int
) -> jax.Array:
    """Of each image ``int32[B · O, O, 3]``: the lines are inputs now, and the outputs are lines."""
    first_band, group, image = table.T
    outputs = steps.outputs
    line = steps.inputs(group) + steps.tap()
    at = (
        (steps.spread(first_band) + line // _LINES) * (outputs * _LINES * 3)
        + line % _LINES * 3
        + _iota(1, outputs) * (_LINES * 3)
        + _iota(2, 3)
    )
    pixels = round_sums(_read(sums.reshape(-1), at)).astype(jnp.int32)
    return steps.add(pixels, group, image, images)


def _iota(axis: int, length: int) -> jax.Array:
    return _along(axis, jnp.arange(length, dtype=jnp.int32))


def _along(axis: int, x: jax.Array) -> jax.Array:
    """A vector along one of four axes."""
    return x.reshape([-1 if i == axis else 1 for i in range(4)])


def _read(flat: jax.Array, at: jax.Array) -> jax.Array:
    return flat.at[at].get(mode="clip", wrap_negative_indices=False)
