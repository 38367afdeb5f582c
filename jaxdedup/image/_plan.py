"""Plans of calls that resize images of any sizes: tables for the program in `_packed`.

What goes first is a pass over one axis, whose lines (the rows of an image, for the horizontal pass)
are cut into *strips* of 128, which are the lanes of the vectors. A strip is read in *blocks* of up
to 512 positions, by *tiles* of 128×128. A *step* adds up to 16 weighted positions to one output.

Memory is read in threes of bytes: one RGB pixel or three grey ones. A grey image is one of a third
of the width whose three "channels" are added in the end. So is an image that becomes grey while it
is read, by a tile of 128×128 RGB pixels at a time, of which a block takes three times as many.
"""

import mmap
from functools import lru_cache
from operator import add, gt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._lanczos import LinearMap, vertical_first, windows
from ._profiles import Profile

LANES = 128
TILES = 4  # of a block
TERMS = 16  # positions in a step
_MOST_PLANNED = 1024  # sizes of images whose plans are kept
_MOST_CACHED = 8192  # pixels of an axis whose steps are kept

# Columns of the tables.
BLOCKS, BLOCKS_END, SECOND, SECOND_END, IS_FIRST, IS_LAST = range(6)
IMAGE, SUMS_FIRST, SUMS_SECOND, IS_VERTICAL, IS_HORIZONTAL = range(6, 11)
TILE, TURNED_END, AS_IS_END, WEIGHED_END, STEP, STEP_END = range(6)
OFFSET, STRIDE, LAST_LINE, PLACE, LANE = range(5)


class Capacity(NamedTuple):
    """How much one call can take: the shapes of its arguments, and so a program each."""

    pixels: int  # bytes
    images: int
    length: int  # of a side
    strips: int
    blocks: int
    tiles: int
    steps: int


#: Tiles overhang an image by up to this many bytes.
SLACK = 3 * LANES
#: A longer side is planned more slowly than Pillow resizes it.
LONGEST = 1 << 17
#: Nearly all images; and, one by one, whatever is larger. Memory that is not used is not touched.
COMMON = Capacity(12 << 20, 128, LONGEST, 1 << 11, 1 << 12, 1 << 13, 1 << 16)
LARGE = Capacity(2**31 - 1 - SLACK, 1, 2**31 - 1, 1 << 18, 1 << 18, 1 << 20, 1 << 22)


class Tables(NamedTuple):
    """How the images of a call are resized: NumPy's arrays, or JAX's while a program is traced."""

    count: Any  # int32[2]: of strips; and 1, which XLA does not know
    strips: Any  # int32[·, 11]
    blocks: Any  # int32[·, 6]
    tiles: Any  # int32[·, 5]
    steps: Any  # int32[S, 2]: output and position
    taps: Any  # int32[S, 16, 3]


def untouched(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Zeros that take no memory before they are written to, aligned for XLA to read in place."""
    size = max(1, int(np.prod(shape)) * np.dtype(dtype).itemsize)
    return np.frombuffer(mmap.mmap(-1, size), dtype, count=int(np.prod(shape))).reshape(shape)


class Planner:
    """Plans the calls that resize images of any sizes: a call's tables, image by image.

    Args:
        size: the target ``(h, w)``.
        profile: the version of Pillow to equal.
        capacity: of a call.
        axis_windows: what each output of an axis sums; LANCZOS by default.
        turned: whether each image is followed by its transpose, which is read where the image is.
        luma_first: whether RGB images become grey before they are resized.
    """

    def __init__(
        self,
        size: tuple[int, int],
        profile: Profile = "pillow13",
        capacity: Capacity = COMMON,
        axis_windows: LinearMap = windows,
        turned: bool = False,
        luma_first: bool = False,
    ) -> None:
        self._luma_first = luma_first
        self._turns = (False, True) if turned else (False,)
        self.capacity = capacity
        self._size = size
        self._profile = profile
        self._windows = axis_windows
        self._tables = Tables(
            count=untouched((2,), np.int32),
            strips=untouched((capacity.strips, 11), np.int32),
            blocks=untouched((capacity.blocks, 6), np.int32),
            tiles=untouched((capacity.tiles, 5), np.int32),
            steps=untouched((capacity.steps, 2), np.int32),
            taps=untouched((capacity.steps, TERMS, 3), np.int32),
        )
        self._axes: dict[tuple[int, int, int, int], NDArray[np.int32]] = {}
        self._planned: dict[tuple[int, int, int, bool], _ImagePlan] = {}
        self._steps = 0
        self.clear()

    @property
    def buffer_size(self) -> int:
        """The bytes of the flat buffer."""
        return self.capacity.pixels + SLACK

    def clear(self) -> None:
        """Begin a new call."""
        self._images: list[tuple[_ImagePlan, int]] = []  # with the offset of each
        self._used = 0, 0, 0  # strips, blocks, tiles
        # The next images are often as large as these: their steps stay while there is room.
        if self._steps > self.capacity.steps // 2 or len(self._planned) > _MOST_PLANNED:
            self._forget()

    def _forget(self) -> None:
        self._axes.clear()
        self._planned.clear()
        self._steps = 0

    def tables(self) -> Tables:
        """Those of the images that were added. They are used again after :meth:`clear`."""
        tables, images = self._tables, len(self._images)
        tables.count[:] = self._used[0], 1
        if images:
            plans, offsets = zip(*self._images, strict=True)
            sizes = np.array([plan.sizes for plan in plans])
            of_strips, of_blocks, of_tiles = (np.repeat(np.arange(images), n) for n in sizes.T)
            _, blocks_before, tiles_before = (np.cumsum(sizes, axis=0) - sizes).T
            strips, blocks, tiles = (
                np.concatenate([plan[kind] for plan in plans], out=table[: self._used[kind]])
                for kind, table in enumerate((tables.strips, tables.blocks, tables.tiles))
            )
            strips[:, : BLOCKS_END + 1] += blocks_before[of_strips, None]
            strips[:, IMAGE] = of_strips
            blocks[:, : WEIGHED_END + 1] += tiles_before[of_blocks, None]
            tiles[:, OFFSET] += np.array(offsets)[of_tiles]
        return tables

    @property
    def vertical_first(self) -> NDArray[np.bool_]:
        """``bool[B]``: the images that were added whose vertical pass goes first."""
        return np.array([plan.is_vertical for plan, _ in self._images], np.bool_)

    def add(self, offset: int, height: int, width: int, channels: int) -> bool:
        """Plan one more image; False where it does not fit into this call.

        Args:
            offset: where its first byte lies.
            height, width, channels: its shape; 3 channels, or 1 for a grey image.
        """
        images, used, known = len(self._images), self._used, self._steps
        if all(self._add(offset, height, width, channels, turned) for turned in self._turns):
            return True
        del self._images[images:]
        self._used = used
        if images or not known:
            return False
        self._forget()  # what may have taken the room
        return self.add(offset, height, width, channels)

    def _add(self, offset: int, height: int, width: int, channels: int, turned: bool) -> bool:
        bytes_end = offset + height * width * channels
        if len(self._images) == self.capacity.images or bytes_end > self.capacity.pixels:
            return False
        if max(height, width) > self.capacity.length:
            return False
        plan = self._plan(height, width, channels, turned)
        if plan is None:
            return False
        used = tuple(map(add, self._used, plan.sizes))
        if any(map(gt, used, (self.capacity.strips, self.capacity.blocks, self.capacity.tiles))):
            return False
        self._images.append((plan, offset))
        self._used = used
        return True

    def _plan(self, height: int, width: int, channels: int, turned: bool) -> "_ImagePlan | None":
        """The plan of an image as if it were the first; that of equal sizes is made once."""
        key = (height, width, channels, turned)
        if key not in self._planned:
            image = _Geometry.of(
                height, width, channels, self._size, self._profile, turned, self._luma_first
            )
            if image.strips * image.tiles > self.capacity.tiles:
                return None
            first = self._axis(image.length, image.outputs[0], LANES * TILES, image.per_position)
            second = self._axis(image.lines, image.outputs[1], LANES, image.per_line)
            if first is None or second is None:
                return None
            parts = _strips_of(image, first, second), _blocks_of(image, first), _tiles_of(image)
            sizes = len(parts[0]), len(parts[1]), len(parts[2])
            self._planned[key] = _ImagePlan(*parts, sizes, image.is_vertical != turned)
        return self._planned[key]

    def _axis(
        self, length: int, outputs: int, block: int, per_position: int
    ) -> NDArray[np.int32] | None:
        """Where the steps of each block begin; those of equal axes are there once."""
        key = (length, outputs, block, per_position)
        if key not in self._axes:
            plan_steps = _cached_steps if length <= _MOST_CACHED else _plan_steps
            plan = plan_steps(self._windows, *key)
            end = self._steps + len(plan.steps)
            if end > self.capacity.steps:
                return None
            here = slice(self._steps, end)
            self._tables.steps[here] = plan.steps
            self._tables.taps[here] = plan.taps
            self._axes[key] = plan.starts + self._steps
            self._steps = end
        return self._axes[key]


class _ImagePlan(NamedTuple):
    """An image's rows of the tables, as if it were the first of a call."""

    strips: NDArray[np.int32]
    blocks: NDArray[np.int32]
    tiles: NDArray[np.int32]
    sizes: tuple[int, int, int]  # how many of each
    is_vertical: bool


def _strips_of(
    image: "_Geometry", first: NDArray[np.int32], second: NDArray[np.int32]
) -> NDArray[np.int32]:
    strips = np.zeros((image.strips, 11), np.int32)
    strip = np.arange(image.strips)
    strips[:, BLOCKS] = strip * image.blocks
    strips[:, BLOCKS_END] = (strip + 1) * image.blocks
    strips[:, SECOND] = second[:-1]
    strips[:, SECOND_END] = second[1:]
    strips[:, IS_FIRST] = strip == 0
    strips[:, IS_LAST] = strip == image.strips - 1
    strips[:, SUMS_FIRST] = image.per_position == 3
    strips[-1, SUMS_SECOND] = image.per_line == 3
    strips[:, IS_VERTICAL] = image.is_vertical
    strips[:, IS_HORIZONTAL] = not image.is_vertical
    return strips


def _blocks_of(image: "_Geometry", first: NDArray[np.int32]) -> NDArray[np.int32]:
    blocks = np.zeros((image.strips, image.blocks, 6), np.int32)
    blocks[..., STEP] = first[:-1]
    blocks[..., STEP_END] = first[1:]
    strip, tile = np.arange(image.strips)[:, None], np.arange(image.blocks) * image.per_block
    # Its tiles are read in one of three ways, and none of them in the others.
    way = WEIGHED_END if image.is_weighed else AS_IS_END if image.is_vertical else TURNED_END
    blocks[..., TILE : WEIGHED_END + 1] = (strip * image.tiles + tile)[..., None]
    blocks[..., way] += np.minimum(image.per_block, image.tiles - tile)
    return blocks.reshape(-1, 6)


def _tiles_of(image: "_Geometry") -> NDArray[np.int32]:
    tiles = np.zeros((image.strips, image.tiles, 5), np.int32)
    across, along = np.arange(image.strips)[:, None], np.arange(image.tiles)
    number = along % image.per_block
    tiles[..., PLACE] = LANES * number  # in the rows of a block
    if image.is_weighed and image.is_vertical:  # three tiles lie side by side in a strip
        tiles[..., PLACE], tiles[..., LANE] = LANES * (number // 3), LANES * (number % 3)
        along, third = along // 3, along % 3
        across = np.minimum(3 * across + third, (image.stride - 1) // (3 * LANES))
    row, column = (along, across) if image.is_vertical else (across, along)
    tiles[..., OFFSET] = LANES * (row * image.stride + column * 3)
    tiles[..., STRIDE] = image.stride
    tiles[..., LAST_LINE] = image.rows - 1 - row * LANES
    return tiles.reshape(-1, 5)


class _Geometry(NamedTuple):
    """An image as the passes see it."""

    is_vertical: bool  # the vertical pass goes first
    rows: int
    stride: int  # bytes from row to row
    length: int  # pixels along the first pass
    lines: int  # pixels across it
    per_position: int  # pixels in three bytes along the first pass: 3 in grey rows
    per_line: int  # the same for the second
    outputs: tuple[int, int]  # of the two passes
    is_weighed: bool  # RGB that becomes grey, three pixels of which count as three bytes

    @classmethod
    def of(
        cls,
        height: int,
        width: int,
        channels: int,
        size: tuple[int, int],
        profile: Profile,
        turned: bool,
        luma_first: bool,
    ) -> "_Geometry":
        is_weighed = luma_first and channels == 3
        per_column = 3 if is_weighed else 3 // channels
        is_vertical = vertical_first(height, width, size, profile=profile)
        if turned:  # the other pass is the transpose's first one, to the exchanged size
            is_vertical = not vertical_first(width, height, size, profile=profile)
            size = size[1], size[0]
        if is_vertical:
            axes = (height, width, 1, per_column, (size[0], size[1]), is_weighed)
            return cls(True, height, width * channels, *axes)
        axes = (width, height, per_column, 1, (size[1], size[0]), is_weighed)
        return cls(False, height, width * channels, *axes)

    @property
    def strips(self) -> int:
        return -(-self.lines // (LANES * self.per_line))

    @property
    def tiles(self) -> int:
        """In a strip."""
        if self.is_weighed:
            return -(-self.length // LANES) * self.per_line
        return -(-self.length // (LANES * self.per_position))

    @property
    def per_block(self) -> int:
        """Tiles, at most."""
        return TILES * (3 if self.is_weighed else 1)

    @property
    def blocks(self) -> int:
        """In a strip."""
        return -(-self.tiles // self.per_block)


class _AxisSteps(NamedTuple):
    starts: NDArray[np.int32]  # of each block, and their end
    steps: NDArray[np.int32]
    taps: NDArray[np.int32]  # int32[S, 16, 1 or 3]


def _plan_steps(
    axis_windows: LinearMap,
    length: int,
    outputs: int,
    block: int,
    per_position: int,
) -> _AxisSteps:
    """Cut each window at the ends of blocks, and what is left into steps of up to 16 positions."""
    first, stop, taps = axis_windows(length, outputs)
    span = block * per_position  # pixels
    output, part = _repeat((stop - 1) // span - first // span + 1)
    number = first[output] // span + part
    start = np.maximum(first[output], number * span)
    end = np.minimum(stop[output], (number + 1) * span)
    begin = start // per_position
    piece, part = _repeat(-(-(-(-end // per_position) - begin) // TERMS))
    # Those of a block stand together.
    order = np.argsort(number[piece], kind="stable")
    piece, part = piece[order], part[order]
    output, number, start, end = output[piece], number[piece], start[piece], end[piece]
    begin = begin[piece] + part * TERMS
    position = np.minimum(begin - number * block, block - TERMS)  # a slice stays in its block

    pixel = (position + number * block)[:, None] * per_position + np.arange(TERMS * per_position)
    low = np.maximum(start, begin * per_position)[:, None]
    high = np.minimum(end, (begin + TERMS) * per_position)[:, None]
    tap = np.clip(pixel - first[output][:, None], 0, taps.shape[1] - 1)
    weights = np.where((pixel >= low) & (pixel < high), taps[output[:, None], tap], 0)

    starts = np.concatenate([[0], np.cumsum(np.bincount(number, minlength=-(-length // span)))])
    steps = np.stack([output, position], axis=1).astype(np.int32)
    weights = weights.reshape(-1, TERMS, per_position).astype(np.int32)
    return _AxisSteps(starts.astype(np.int32), steps, weights)


_cached_steps = lru_cache(maxsize=2048)(_plan_steps)


def _repeat(counts: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each index as often as it counts, and the how manieth of these each is."""
    index = np.repeat(np.arange(len(counts)), counts)
    return index, np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts, counts)
