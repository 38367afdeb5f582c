"""Resize of images of any sizes in one program, for the CPU.

The images lie one after another in one flat buffer, without padding; tables that are planned on
the host say where each lies and how it is resized. No width or height is in a shape: one program
serves every size, RGB and grey, and both orders of the passes, all of them in one call.

What goes first is a pass over one axis, whose lines (the rows of an image, for the horizontal pass)
are cut into *strips* of 128, which are the lanes of the vectors. A strip is read in *blocks* of up
to 512 positions, by *tiles* of 128×128, and lies in the cache as ``uint8[512, 3, 128]``: position,
channel, line. A *step* adds up to 16 weighted positions to one output. When a strip is done, its
outputs are rounded, turned, and become positions of the second pass, whose sums stay from strip to
strip, so that nothing in between is ever as large as the image.

Memory is read in threes of bytes: one RGB pixel or three grey ones. A grey image is one of a third
of the width whose three "channels" are added in the end.

What the loops look like is due to XLA's CPU compiler: an operation of more than about 12,000
elements would be divided among the cores, again for every step of a loop; a branch would copy what
it hands on, and a loop of no or one round doesn't; a transpose is a fast copy only where it stands
alone between two loops.
"""

import mmap
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from ._fixed_point import round_sums
from ._lanczos import LinearMap, vertical_first, windows
from ._profiles import Profile

_LANES = 128
_TILES = 4  # of a block
_TERMS = 16  # positions in a step
_UNROLLED = 4  # steps in a round of their loop
_ROWS_AT_ONCE = 32  # that are read from the buffer
_UNFORKED = 12_288  # elements of an operation that XLA leaves on one core
_TOGETHER = 8  # resized images that are handed on at once
_MOST_PLANNED = 1024  # sizes of images whose plans are kept

# Columns of the tables.
_BLOCKS, _BLOCKS_END, _SECOND, _SECOND_END, _IS_FIRST, _IS_LAST = range(6)
_IMAGE, _SUMS_FIRST, _SUMS_SECOND, _IS_VERTICAL, _IS_HORIZONTAL = range(6, 11)
_TILE, _TILE_END, _STEP, _STEP_END = range(4)
_OFFSET, _STRIDE, _LAST_LINE = range(3)
_OUTPUT, _POSITION = range(2)


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
SLACK = 3 * _LANES
#: A longer side is planned more slowly than Pillow resizes it.
LONGEST = 1 << 17
#: Nearly all images; and, one by one, whatever is larger. Memory that is not used is not touched.
COMMON = Capacity(12 << 20, 128, LONGEST, 1 << 11, 1 << 12, 1 << 13, 1 << 16)
LARGE = Capacity(2**31 - 1 - SLACK, 1, 2**31 - 1, 1 << 18, 1 << 18, 1 << 20, 1 << 22)


class Tables(NamedTuple):
    """How the images of a call are resized: NumPy's arrays, or JAX's while a program is traced."""

    counts: Any  # int32[2]: images, strips
    strips: Any  # int32[·, 11]
    blocks: Any  # int32[·, 4]
    tiles: Any  # int32[·, 3]
    steps: Any  # int32[S, 2]
    taps: Any  # int32[S, 16, 3]
    is_vertical: Any  # bool[B], which images are resized vertically first


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
    """

    def __init__(
        self,
        size: tuple[int, int],
        profile: Profile = "pillow13",
        capacity: Capacity = COMMON,
        axis_windows: LinearMap = windows,
        turned: bool = False,
    ) -> None:
        self._turns = (False, True) if turned else (False,)
        self.capacity = capacity
        self._size = size
        self._profile = profile
        self._windows = axis_windows
        self._tables = Tables(
            counts=untouched((2,), np.int32),
            strips=untouched((capacity.strips, 11), np.int32),
            blocks=untouched((capacity.blocks, 4), np.int32),
            tiles=untouched((capacity.tiles, 3), np.int32),
            steps=untouched((capacity.steps, 2), np.int32),
            taps=untouched((capacity.steps, _TERMS, 3), np.int32),
            is_vertical=untouched((capacity.images,), np.bool_),
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
        self._images = self._strips = self._blocks = self._tiles = 0
        # The next images are often as large as these: their steps stay while there is room.
        if self._steps > self.capacity.steps // 2 or len(self._planned) > _MOST_PLANNED:
            self._forget()

    def _forget(self) -> None:
        self._axes.clear()
        self._planned.clear()
        self._steps = 0

    def tables(self) -> Tables:
        """Those of the images that were added. They are used again after :meth:`clear`."""
        self._tables.counts[:] = self._images, self._strips
        return self._tables

    def add(self, offset: int, height: int, width: int, channels: int) -> bool:
        """Plan one more image; False where it does not fit into this call.

        Args:
            offset: where its first byte lies.
            height, width, channels: its shape; 3 channels, or 1 for a grey image.
        """
        before, known = (self._images, self._strips, self._blocks, self._tiles), self._steps
        if all(self._add(offset, height, width, channels, turned) for turned in self._turns):
            return True
        self._images, self._strips, self._blocks, self._tiles = before
        if self._images or not known:
            return False
        self._forget()  # what may have taken the room
        return self.add(offset, height, width, channels)

    def _add(self, offset: int, height: int, width: int, channels: int, turned: bool) -> bool:
        bytes_end = offset + height * width * channels
        if self._images == self.capacity.images or bytes_end > self.capacity.pixels:
            return False
        if max(height, width) > self.capacity.length:
            return False
        plan = self._plan(height, width, channels, turned)
        return plan is not None and self._put(plan, offset)

    def _put(self, plan: "_ImagePlan", offset: int) -> bool:
        """Write an image's plan behind those of others; False where there is no room."""
        numbers = (self._strips, self._blocks, self._tiles)
        ends = [number + len(part) for number, part in zip(numbers, plan[:3], strict=True)]
        room = (self.capacity.strips, self.capacity.blocks, self.capacity.tiles)
        if any(end > most for end, most in zip(ends, room, strict=True)):
            return False
        strips = self._tables.strips[self._strips : ends[0]]
        strips[:] = plan.strips
        strips[:, : _BLOCKS_END + 1] += self._blocks
        strips[:, _IMAGE] = self._images
        blocks = self._tables.blocks[self._blocks : ends[1]]
        blocks[:] = plan.blocks
        blocks[:, : _TILE_END + 1] += self._tiles
        tiles = self._tables.tiles[self._tiles : ends[2]]
        tiles[:] = plan.tiles
        tiles[:, _OFFSET] += offset
        self._tables.is_vertical[self._images] = plan.is_vertical
        self._strips, self._blocks, self._tiles = ends
        self._images += 1
        return True

    def _plan(self, height: int, width: int, channels: int, turned: bool) -> "_ImagePlan | None":
        """The plan of an image as if it were the first; that of equal sizes is made once."""
        key = (height, width, channels, turned)
        if key not in self._planned:
            image = _Geometry.of(height, width, channels, self._size, self._profile, turned)
            if image.strips * image.tiles > self.capacity.tiles:
                return None
            first = self._axis(image.length, image.outputs[0], _LANES * _TILES, image.per_position)
            second = self._axis(image.lines, image.outputs[1], _LANES, image.per_line)
            if first is None or second is None:
                return None
            self._planned[key] = _ImagePlan(
                _strips_of(image, first, second),
                _blocks_of(image, first),
                _tiles_of(image),
                image.is_vertical != turned,
            )
        return self._planned[key]

    def _axis(
        self, length: int, outputs: int, block: int, per_position: int
    ) -> NDArray[np.int32] | None:
        """Where the steps of each block begin; those of equal axes are there once."""
        key = (length, outputs, block, per_position)
        if key not in self._axes:
            plan = _steps_of(self._windows, *key)
            end = self._steps + len(plan.steps)
            if end > self.capacity.steps:
                return None
            here = slice(self._steps, end)
            self._tables.steps[here] = plan.steps
            self._tables.taps[here] = plan.taps
            self._axes[key] = plan.starts + self._steps // _UNROLLED
            self._steps = end
        return self._axes[key]


class _ImagePlan(NamedTuple):
    """An image's rows of the tables, as if it were the first of a call."""

    strips: NDArray[np.int32]
    blocks: NDArray[np.int32]
    tiles: NDArray[np.int32]
    is_vertical: bool


def _strips_of(
    image: "_Geometry", first: NDArray[np.int32], second: NDArray[np.int32]
) -> NDArray[np.int32]:
    strips = np.zeros((image.strips, 11), np.int32)
    strip = np.arange(image.strips)
    strips[:, _BLOCKS] = strip * image.blocks
    strips[:, _BLOCKS_END] = (strip + 1) * image.blocks
    strips[:, _SECOND] = second[:-1]
    strips[:, _SECOND_END] = second[1:]
    strips[:, _IS_FIRST] = strip == 0
    strips[:, _IS_LAST] = strip == image.strips - 1
    strips[:, _SUMS_FIRST] = image.per_position == 3
    strips[-1, _SUMS_SECOND] = image.per_line == 3
    strips[:, _IS_VERTICAL] = image.is_vertical
    strips[:, _IS_HORIZONTAL] = not image.is_vertical
    return strips


def _blocks_of(image: "_Geometry", first: NDArray[np.int32]) -> NDArray[np.int32]:
    blocks = np.zeros((image.strips, image.blocks, 4), np.int32)
    blocks[..., _STEP] = first[:-1]
    blocks[..., _STEP_END] = first[1:]
    strip, tile = np.arange(image.strips)[:, None], np.arange(image.blocks) * _TILES
    blocks[..., _TILE] = strip * image.tiles + tile
    blocks[..., _TILE_END] = strip * image.tiles + np.minimum(tile + _TILES, image.tiles)
    return blocks.reshape(-1, 4)


def _tiles_of(image: "_Geometry") -> NDArray[np.int32]:
    tiles = np.zeros((image.strips, image.tiles, 3), np.int32)
    across, along = np.arange(image.strips)[:, None], np.arange(image.tiles)
    row, column = (along, across) if image.is_vertical else (across, along)
    tiles[..., _OFFSET] = _LANES * (row * image.stride + column * 3)
    tiles[..., _STRIDE] = image.stride
    tiles[..., _LAST_LINE] = image.rows - 1 - row * _LANES
    return tiles.reshape(-1, 3)


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

    @classmethod
    def of(
        cls,
        height: int,
        width: int,
        channels: int,
        size: tuple[int, int],
        profile: Profile,
        turned: bool = False,
    ) -> "_Geometry":
        per_column = 3 // channels
        is_vertical = vertical_first(height, width, size, profile=profile)
        if turned:  # the other pass is the transpose's first one, to the exchanged size
            is_vertical = not vertical_first(width, height, size, profile=profile)
            size = size[1], size[0]
        if is_vertical:
            axes = (height, width, 1, per_column, (size[0], size[1]))
            return cls(True, height, width * channels, *axes)
        axes = (width, height, per_column, 1, (size[1], size[0]))
        return cls(False, height, width * channels, *axes)

    @property
    def strips(self) -> int:
        return -(-self.lines // (_LANES * self.per_line))

    @property
    def tiles(self) -> int:
        """In a strip."""
        return -(-self.length // (_LANES * self.per_position))

    @property
    def blocks(self) -> int:
        """In a strip."""
        return -(-self.tiles // _TILES)


class _AxisSteps(NamedTuple):
    starts: NDArray[np.int32]  # of each block, and their end, in rounds of the loop
    steps: NDArray[np.int32]
    taps: NDArray[np.int32]  # int32[S, 16, 1 or 3]


def _steps_of(
    axis_windows: LinearMap,
    length: int,
    outputs: int,
    block: int,
    per_position: int,
) -> _AxisSteps:
    plan = _cached_steps if length <= 8192 else _plan_steps
    return plan(axis_windows, length, outputs, block, per_position)


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
    piece, part = _repeat(-(-(-(-end // per_position) - begin) // _TERMS))
    # Those of a block stand together.
    order = np.argsort(number[piece], kind="stable")
    piece, part = piece[order], part[order]
    output, number, start, end = output[piece], number[piece], start[piece], end[piece]
    begin = begin[piece] + part * _TERMS
    position = np.minimum(begin - number * block, block - _TERMS)  # a slice stays in its block

    pixel = (position + number * block)[:, None] * per_position + np.arange(_TERMS * per_position)
    low = np.maximum(start, begin * per_position)[:, None]
    high = np.minimum(end, (begin + _TERMS) * per_position)[:, None]
    tap = np.clip(pixel - first[output][:, None], 0, taps.shape[1] - 1)
    weights = np.where((pixel >= low) & (pixel < high), taps[output[:, None], tap], 0)

    # A block's steps fill whole rounds; what fills them up has no weight.
    counts = np.bincount(number, minlength=-(-length // span))
    starts = np.concatenate([[0], np.cumsum(-(-counts // _UNROLLED))])
    place = np.arange(len(piece)) + np.repeat(
        starts[:-1] * _UNROLLED - (np.cumsum(counts) - counts), counts
    )
    steps = np.zeros((starts[-1] * _UNROLLED, 2), np.int32)
    steps[place, _OUTPUT] = output
    steps[place, _POSITION] = position
    placed = np.zeros((len(steps), _TERMS, per_position), np.int32)
    placed[place] = weights.reshape(-1, _TERMS, per_position)
    return _AxisSteps(starts.astype(np.int32), steps, placed)


_cached_steps = lru_cache(maxsize=2048)(_plan_steps)


def _repeat(counts: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each index as often as it counts, and the how manieth of these each is."""
    index = np.repeat(np.arange(len(counts)), counts)
    return index, np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts, counts)


def map_resized(
    function: Callable[[jax.Array], jax.Array],
    pixels: jax.Array,
    tables: Tables,
    size: tuple[int, int],
) -> jax.Array:
    """What a function makes of each image of a call, resized.

    Args:
        function: from a few resized images, ``uint8[K, h, w, 3]``, to ``[K, …]``. A grey image has
            three equal channels.
        pixels: the flat buffer ``uint8[P]``, `SLACK` bytes longer than what the images may fill.
        tables: from a `Planner` of the same size.
        size: the target ``(h, w)``.

    Returns:
        ``[B, …]``, of which as many rows as there are images mean something.
    """
    resized = _resize_all(pixels, tables, max(size))
    is_vertical = tables.is_vertical
    capacity = len(is_vertical)
    together = min(_TOGETHER, capacity)

    def finish(start: jax.Array) -> jax.Array:
        # By the second pass, the channel, and the first pass.
        some = lax.dynamic_slice_in_dim(resized, start, together)
        turned = lax.dynamic_slice_in_dim(is_vertical, start, together)[:, None, None, None]
        images = jnp.where(turned, some.transpose(0, 3, 1, 2), some.transpose(0, 1, 3, 2))
        return function(images[:, : size[0], : size[1]])

    out = jax.eval_shape(finish, jnp.int32(0))

    def add(i: jax.Array, results: jax.Array) -> jax.Array:
        start = jnp.minimum(i * together, capacity - together)
        return lax.dynamic_update_slice_in_dim(results, finish(start), start, 0)

    rounds = (tables.counts[0] + together - 1) // together
    results = jnp.zeros((capacity, *out.shape[1:]), out.dtype)
    return lax.fori_loop(jnp.int32(0), rounds, add, results)


class _Scratch(NamedTuple):
    """What the loops hand on, and write into in place."""

    tile: jax.Array  # uint8[128, 384]: as read
    block: jax.Array  # uint8[512·3, 128]: position and channel, line
    first: jax.Array  # int32[O, 3, 128]: sums of the first pass
    rounded: jax.Array  # uint8[O, 3, 128]
    turned: jax.Array  # uint8[3·128, O]: channel and line, output
    second: jax.Array  # int32[O, 3, O]: sums of the second pass
    results: jax.Array  # uint8[B, O, 3, O]


def _resize_all(pixels: jax.Array, tables: Tables, outputs: int) -> jax.Array:
    """Both passes: ``uint8[B, O, 3, O]``, by the second pass, the channel and the first pass."""
    square = (outputs, 3, outputs)
    scratch = _Scratch(
        tile=jnp.zeros((_LANES, 3 * _LANES), jnp.uint8),
        block=jnp.zeros((_TILES * 3 * _LANES, _LANES), jnp.uint8),
        first=jnp.zeros((outputs, 3, _LANES), jnp.int32),
        rounded=jnp.zeros((outputs, 3, _LANES), jnp.uint8),
        turned=jnp.zeros((3 * _LANES, outputs), jnp.uint8),
        second=jnp.zeros(square, jnp.int32),
        results=jnp.zeros((len(tables.is_vertical), *square), jnp.uint8),
    )
    tables = Tables(*map(jnp.asarray, tables))

    def add_strip(s: jax.Array, scratch: _Scratch) -> _Scratch:
        return _resize_strip(pixels, tables, tables.strips[s], scratch)

    return lax.fori_loop(jnp.int32(0), tables.counts[1], add_strip, scratch).results


def _resize_strip(
    pixels: jax.Array, tables: Tables, strip: jax.Array, scratch: _Scratch
) -> _Scratch:
    def contract(strip: jax.Array, scratch: _Scratch) -> _Scratch:
        return _contract_strip(pixels, tables, strip, scratch)

    def turn(strip: jax.Array, scratch: _Scratch) -> _Scratch:
        return _in_turn(strip, scratch, _turn_rows, _turn_columns)

    def round_and_turn(strip: jax.Array, scratch: _Scratch) -> _Scratch:
        return _in_turn(strip, scratch, _round_strip, turn)

    def contract_again(strip: jax.Array, scratch: _Scratch) -> _Scratch:
        return _in_turn(strip, scratch, partial(_add_strip, tables), _finish_image)

    def finish(strip: jax.Array, scratch: _Scratch) -> _Scratch:
        return _in_turn(strip, scratch, round_and_turn, contract_again)

    return _in_turn(strip, scratch, contract, finish)


def _in_turn(
    strip: jax.Array, scratch: _Scratch, *stages: Callable[[jax.Array, _Scratch], _Scratch]
) -> _Scratch:
    """Stage after stage, each in a loop of one round.

    XLA runs up to eight operations of a loop's body one after another, and deals more of them out
    to threads, which costs more than it gains where every core has a batch.
    """
    for stage in stages:
        scratch = _when(_always(strip), partial(stage, strip), scratch)
    return scratch


def _always(strip: jax.Array) -> jax.Array:
    """1, where XLA does not know it."""
    return strip[_IS_HORIZONTAL] + strip[_IS_VERTICAL]


def _contract_strip(
    pixels: jax.Array, tables: Tables, strip: jax.Array, scratch: _Scratch
) -> _Scratch:
    """The first pass over a strip, block by block."""
    first = _in_parts(jnp.zeros_like, scratch.first, scratch.first, _always(strip))

    def add_block(
        b: jax.Array, carry: tuple[jax.Array, jax.Array, jax.Array]
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        bounds = tables.blocks[b]

        def read(
            carry: tuple[jax.Array, jax.Array, jax.Array],
        ) -> tuple[jax.Array, jax.Array, jax.Array]:
            tile, block, first = carry
            return *_read_block(pixels, tables.tiles, bounds, strip, tile, block), first

        def add(
            carry: tuple[jax.Array, jax.Array, jax.Array],
        ) -> tuple[jax.Array, jax.Array, jax.Array]:
            tile, block, first = carry
            positions = block.reshape(_TILES * _LANES, 3, _LANES)
            first = _add_steps(positions, 0, first, bounds[_STEP], bounds[_STEP_END], tables)
            return tile, block, first

        return _when(_always(strip), add, _when(_always(strip), read, carry))

    carry = (scratch.tile, scratch.block, first)
    tile, block, first = lax.fori_loop(strip[_BLOCKS], strip[_BLOCKS_END], add_block, carry)
    return scratch._replace(tile=tile, block=block, first=first)


def _round_strip(strip: jax.Array, scratch: _Scratch) -> _Scratch:
    first = _in_parts(_sum_channels, scratch.first, scratch.first, strip[_SUMS_FIRST])
    rounded = _in_parts(round_sums, first, scratch.rounded, _always(strip))
    return scratch._replace(first=first, rounded=rounded)


def _turn_rows(strip: jax.Array, scratch: _Scratch) -> _Scratch:
    rounded = scratch.rounded.reshape(-1, 3 * _LANES)
    return scratch._replace(turned=_turn(rounded.T, strip[_IS_HORIZONTAL], scratch.turned))


def _turn_columns(strip: jax.Array, scratch: _Scratch) -> _Scratch:
    # The lanes of a vertical pass are the bytes of a row, pixel by pixel.
    by_pixel = scratch.rounded.reshape(-1, _LANES, 3).transpose(2, 1, 0)
    by_pixel = by_pixel.reshape(3 * _LANES, -1)
    return scratch._replace(turned=_turn(by_pixel, strip[_IS_VERTICAL], scratch.turned))


def _add_strip(tables: Tables, strip: jax.Array, scratch: _Scratch) -> _Scratch:
    """What the second pass sums of a strip."""
    second = _in_parts(jnp.zeros_like, scratch.second, scratch.second, strip[_IS_FIRST])
    lines = scratch.turned.reshape(3, _LANES, len(second))
    second = _add_steps(lines, 1, second, strip[_SECOND], strip[_SECOND_END], tables)
    return scratch._replace(second=second)


def _finish_image(strip: jax.Array, scratch: _Scratch) -> _Scratch:
    second = _in_parts(_sum_channels, scratch.second, scratch.second, strip[_SUMS_SECOND])
    results = _in_parts(round_sums, second, scratch.results, strip[_IS_LAST], strip[_IMAGE])
    return scratch._replace(second=second, results=results)


def _read_block(
    pixels: jax.Array,
    tiles: jax.Array,
    bounds: jax.Array,
    strip: jax.Array,
    tile: jax.Array,
    block: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """The tiles of a block: turned where the first pass is horizontal, else as they are."""
    first_tile = bounds[_TILE]

    is_horizontal, is_vertical = strip[_IS_HORIZONTAL], strip[_IS_VERTICAL]
    zero, rounds = jnp.int32(0), jnp.int32(_LANES // _ROWS_AT_ONCE)

    def rows(i: jax.Array, where: jax.Array) -> jax.Array:
        row = i * _ROWS_AT_ONCE + jnp.arange(_ROWS_AT_ONCE, dtype=jnp.int32)
        starts = where[_OFFSET] + jnp.minimum(row, where[_LAST_LINE]) * where[_STRIDE]
        return _read_rows(pixels, starts)

    def put(x: jax.Array, at: jax.Array, into: jax.Array) -> jax.Array:
        return lax.dynamic_update_slice(into, x, (at, zero))

    def turn(t: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        tile, block = carry
        where, place = tiles[t], (t - first_tile) * (3 * _LANES)
        tile = lax.fori_loop(
            zero, rounds, lambda i, tile: put(rows(i, where), i * _ROWS_AT_ONCE, tile), tile
        )
        block = _put_alone(tile.T, lambda x, block: put(x, place, block), block, is_horizontal)
        return tile, block

    def copy(t: jax.Array, block: jax.Array) -> jax.Array:
        where, place = tiles[t], (t - first_tile) * (3 * _LANES)

        def copy_rows(i: jax.Array, block: jax.Array) -> jax.Array:
            some = rows(i, where).reshape(-1, _LANES)
            return put(some, place + i * (3 * _ROWS_AT_ONCE), block)

        return lax.fori_loop(zero, rounds, copy_rows, block)

    count = bounds[_TILE_END] - first_tile
    tile, block = lax.fori_loop(first_tile, first_tile + count * is_horizontal, turn, (tile, block))
    block = lax.fori_loop(first_tile, first_tile + count * is_vertical, copy, block)
    return tile, block


def _read_rows(pixels: jax.Array, starts: jax.Array) -> jax.Array:
    """``uint8[N, 384]`` from N places of the buffer."""
    numbers = lax.GatherDimensionNumbers(
        offset_dims=(1,), collapsed_slice_dims=(), start_index_map=(0,)
    )
    return lax.gather(pixels, starts[:, None], numbers, (3 * _LANES,), mode="promise_in_bounds")


def _add_steps(
    positions: jax.Array,
    axis: int,
    sums: jax.Array,
    start: jax.Array,
    stop: jax.Array,
    tables: Tables,
) -> jax.Array:
    """Add weighted positions, along an axis of ``uint8[·, ·, L]``, to sums ``int32[O, 3, L]``."""
    zero = jnp.int32(0)
    shape = tuple(_TERMS if a == axis else n for a, n in enumerate(positions.shape))
    channel = (1, 0)[axis]

    def add(i: jax.Array, sums: jax.Array) -> jax.Array:
        output, position = tables.steps[i, _OUTPUT], tables.steps[i, _POSITION]
        begin = tuple(position if a == axis else zero for a in range(3))
        pixels = lax.dynamic_slice(positions, begin, shape).astype(jnp.int32)
        taps = jnp.moveaxis(tables.taps[i], 1, channel)[..., None]
        total = jnp.sum(pixels * taps, axis=axis, dtype=jnp.int32)[None]
        row = lax.dynamic_slice(sums, (output, zero, zero), total.shape)
        return lax.dynamic_update_slice(sums, row + total, (output, zero, zero))

    def add_some(i: jax.Array, sums: jax.Array) -> jax.Array:
        for k in range(_UNROLLED):
            sums = add(i * _UNROLLED + k, sums)
        return sums

    return lax.fori_loop(start, stop, add_some, sums)


def _when(flag: jax.Array, function: Callable[[Any], Any], carry: Any) -> Any:
    """``function(carry)`` where the flag is 1, the carry where it is 0, in place."""
    return lax.fori_loop(jnp.int32(0), flag, lambda _, carry: function(carry), carry)


def _put_alone(
    x: jax.Array,
    put: Callable[[jax.Array, jax.Array], jax.Array],
    into: jax.Array,
    once: jax.Array,
) -> jax.Array:
    """Puts what was computed before, and not while it is put: in a loop of one round."""
    return _when(once, lambda into: put(x, into), into)


def _turn(x: jax.Array, flag: jax.Array, turned: jax.Array) -> jax.Array:
    zero = jnp.int32(0)

    def put(x: jax.Array, turned: jax.Array) -> jax.Array:
        return lax.dynamic_update_slice(turned, x, (zero, zero))

    return _when(flag, lambda turned: _put_alone(x, put, turned, flag), turned)


def _in_parts(
    function: Callable[[jax.Array], jax.Array],
    x: jax.Array,
    out: jax.Array,
    flag: jax.Array,
    at: jax.Array | None = None,
) -> jax.Array:
    """Put ``function(x)`` into ``out`` or ``out[at]`` where the flag is 1, a few rows at a time."""
    rows, row_size = x.shape[0], x.shape[1] * x.shape[2]
    # At least two parts: XLA would compute a single one before the loop, whatever the flag.
    sizes = range(1, max(rows // 2, 1) + 1)
    count = max(n for n in sizes if n == 1 or (rows % n == 0 and n * row_size <= _UNFORKED))
    zero = jnp.int32(0)

    def put(i: jax.Array, out: jax.Array) -> jax.Array:
        start = (i * count, zero, zero)
        part = function(lax.dynamic_slice(x, start, (count, *x.shape[1:])))
        if at is None:
            return lax.dynamic_update_slice(out, part, start)
        return lax.dynamic_update_slice(out, part[None], (at, *start))

    return lax.fori_loop(zero, flag * (rows // count), put, out)


def _sum_channels(sums: jax.Array) -> jax.Array:
    return jnp.broadcast_to(jnp.sum(sums, axis=1, keepdims=True, dtype=jnp.int32), sums.shape)
