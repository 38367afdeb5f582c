"""One program that resizes images of any sizes: a Pallas kernel that walks over tiles, for TPUs.

The images of a call are cut on the host into tiles of 32 rows by 128 columns, which a kernel visits
one after another, row by row of an image. A tile is multiplied with the weights of its columns;
what the tiles of a *band* of rows come to is rounded and waits until four bands are there, 128
rows, to be multiplied with the weights of those. All that is in between stays in fast memory.

Weights come in *slabs*, those of 128 inputs: for each input up to eight weights, of the successive
outputs that it feeds. The kernel expands them into matrices of limbs (`_limbs.py`), once for each
*chunk* of the call, a fixed number of tiles that share a fixed number of slabs.
"""

import functools
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from numpy.typing import NDArray

from ._fixed_point import round_sums
from ._lanczos import LinearMap, vertical_first
from ._lanczos import windows as lanczos
from ._limbs import LIMBS, ZERO_POINT, join, limbs
from ._luma import luma_of
from ._profiles import Profile

_ROWS, _LANES = 32, 128  # of a tile
_FED = 8  # outputs that an input of a slab feeds at most
_GROUP = 32  # outputs of one product: its limbs side by side are a matrix of 96 rows
_STEP = 16  # tiles that are fetched together
_CHUNK = 1024  # tiles
_MOST_OUTPUTS = 256  # the number of an output is 8 bits of a slab

# What a tile is, in bits.
_USED, _FIRST_OF_BAND, _LAST_OF_BAND, _FIRST_OF_ROWS, _LAST_OF_ROWS, _LAST_OF_IMAGE, _GREY = (
    1 << bit for bit in range(7)
)
_BAND = 8  # from this bit on: its band's number among those of a product


class Capacity(NamedTuple):
    """What a call has room for. It is all that the shapes of a program depend on, beside a size."""

    chunks: int
    tiles: int  # of a chunk
    slabs: int  # of a chunk
    images: int


class Tables(NamedTuple):
    """How the images of a call are resized: NumPy arrays of shapes that the capacity fixes."""

    tiles: np.ndarray | jax.Array  # int32[K, 4, T]: columns' matrix, rows' matrix, bits, image
    matrices: np.ndarray | jax.Array  # int32[K, 4, P]: its slabs from, to; groups from, to
    slabs: np.ndarray | jax.Array  # int32[K, P, 8, 128]: weights, and the output of the first
    swapped: np.ndarray | jax.Array  # bool[B]: the image was transposed, to go vertically first


def capacity(pixels: int, images: int, slabs: int = 128) -> Capacity:
    """Room for some bytes of pixels, padding included, and for some images.

    Args:
        pixels: of all tiles, in bytes.
        images: the most images in a call.
        slabs: of a chunk. A row of tiles has one for every 128 columns: a chunk of fewer is only
            filled in part by an image that is wider. Fast memory has room for 320 or so.

    Example:
        >>> capacity(64 << 20, 64)
        Capacity(chunks=5, tiles=1024, slabs=128, images=64)
    """
    tiles = pixels // (_ROWS * _LANES * 3)
    chunk = min(_CHUNK, tiles // _STEP * _STEP)
    return Capacity(chunks=tiles // chunk, tiles=chunk, slabs=slabs, images=images)


def runs_on(device: jax.Device) -> bool:
    """Whether the kernel can be compiled for a device: TPUs multiply int8 from their version 5 on.

    Elsewhere, flat buffers of `_steps` serve.
    """
    return device.platform == "tpu" and re.match(r"TPU v[234]\b", device.device_kind) is None


class Run(NamedTuple):
    """Tiles of an image that lie side by side."""

    first: int  # among those of the image
    stop: int
    place: int  # of the first among those of the call


class Placement(NamedTuple):
    """Where an image comes from, and where its tiles go."""

    offset: int
    shape: tuple[int, int, int]
    swapped: bool
    runs: list[Run]


class _Slabs(NamedTuple):
    """The weights of an axis, in matrices of up to 128 inputs."""

    packed: NDArray[np.int32]  # [matrices, slabs of each, 8, 128]
    groups: NDArray[np.int64]  # [matrices, 2]: of outputs, from and to


class _Axis(NamedTuple):
    length: int
    outputs: int
    inputs: int  # of a matrix


class _Chunk:
    """What is taken of a chunk, and where its matrices are: by axis and number along it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.tiles = self.slabs = 0
        self.matrices: dict[tuple[_Axis, int], int] = {}

    def copy(self) -> "_Chunk":
        chunk = _Chunk(self.number)
        chunk.tiles, chunk.slabs, chunk.matrices = self.tiles, self.slabs, self.matrices.copy()
        return chunk


class Planner:
    """Plans one call, image by image, on the host.

    Args:
        size: the target ``(h, w)``, up to 256 a side.
        capacity: of the call.
        profile: the version of Pillow to equal.
        windows: the linear map of an axis, from its length and its number of outputs.

    Example:
        >>> planner = Planner((8, 8), capacity(1 << 20, 16))
        >>> planner.add(0, 480, 640, 3), planner.add(480 * 640 * 3, 480, 640, 3)
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
        if max(size) > _MOST_OUTPUTS:
            raise ValueError(f"expected sides of at most {_MOST_OUTPUTS} pixels, got size {size}")
        self._size, self._profile, self._windows = size, profile, windows
        self._capacity = capacity
        self._tables = Tables(
            tiles=np.zeros((capacity.chunks, 4, capacity.tiles), np.int32),
            matrices=np.zeros((capacity.chunks, 4, capacity.slabs), np.int32),
            slabs=np.zeros((capacity.chunks, capacity.slabs, _FED, _LANES), np.int32),
            swapped=np.zeros(capacity.images, np.bool_),
        )
        self._chunk = _Chunk(0)
        self._placements: list[Placement] = []

    def add(self, offset: int, height: int, width: int, channels: int) -> bool:
        """Plan one more image, unless the call is full: then nothing changes, and it gives False.

        Args:
            offset: of the image's first byte in the flat buffer, where its rows stand one after
                another without padding.
            height, width: in pixels.
            channels: 3, or 1 for a grey image, which comes out as three equal channels.
        """
        number = len(self._placements)
        if number == self._capacity.images:
            return False
        swapped = vertical_first(height, width, self._size, profile=self._profile)
        grey = channels == 1
        sides = [(height, self._size[0]), (width, self._size[1])]
        rows = _Axis(*sides[swapped], 3 * _ROWS if grey else _LANES)
        columns = _Axis(*sides[not swapped], _LANES)
        matrices = -(-columns.length // columns.inputs) + -(-rows.length // rows.inputs)
        if matrices > self._capacity.chunks * self._capacity.slabs:
            return False  # soon, as such a strip would take long to plan
        tiles = _describe(rows, columns, grey)

        runs: list[Run] = []
        chunk, first = self._chunk.copy(), 0
        while first < tiles.shape[1]:
            count = self._place(chunk, tiles[:, first:], columns, rows, number)
            if count:
                place = chunk.number * self._capacity.tiles + chunk.tiles
                runs.append(Run(first, first + count, place))
                first += count
                chunk.tiles += count
            elif chunk.number + 1 < self._capacity.chunks:
                chunk = _Chunk(chunk.number + 1)
            else:
                self._forget()
                return False
        self._chunk = chunk
        self._tables.swapped[number] = swapped
        self._placements.append(Placement(offset, (height, width, channels), swapped, runs))
        return True

    def tables(self) -> Tables:
        """The plan of the images that were added, in their order."""
        return self._tables

    def placements(self) -> list[Placement]:
        """Where the tiles of those images go, for `write_tiles`."""
        return self._placements

    def _place(
        self, chunk: _Chunk, tiles: NDArray[np.int32], columns: _Axis, rows: _Axis, image: int
    ) -> int:
        """Give a chunk as many of the tiles as it has room for, with their matrices."""
        tiles = tiles[:, : self._capacity.tiles - chunk.tiles]
        count, across = tiles.shape[1], -(-columns.length // columns.inputs)
        placed = np.zeros((4, count), np.int32)
        placed[2], placed[3] = tiles[2], image
        needs = [(i, columns, int(tiles[0, i])) for i in range(min(count, across))]
        needs += [
            (int(i), rows, int(tiles[1, i])) for i in np.flatnonzero(tiles[2] & _LAST_OF_ROWS)
        ]
        for i, axis, number in sorted(needs):
            matrix = self._matrix(chunk, axis, number)
            if matrix is None:
                count = i
                break
            if axis is columns:
                placed[0, i::across] = matrix
            else:
                placed[1, i] = matrix
        self._tables.tiles[chunk.number, :, chunk.tiles : chunk.tiles + count] = placed[:, :count]
        return count

    def _matrix(self, chunk: _Chunk, axis: _Axis, number: int) -> int | None:
        """Which of the chunk's matrices has these weights; None if there is no room for them."""
        found = chunk.matrices.get((axis, number))
        if found is not None:
            return found
        packed, groups = _pack(self._windows, axis)
        first, stop = chunk.slabs, chunk.slabs + packed.shape[1]
        if stop > self._capacity.slabs:
            return None
        matrix = len(chunk.matrices)
        self._tables.slabs[chunk.number, first:stop] = packed[number]
        self._tables.matrices[chunk.number, :, matrix] = first, stop, *groups[number]
        chunk.slabs = stop
        chunk.matrices[axis, number] = matrix
        return matrix

    def _forget(self) -> None:
        """Clear what was written behind the last image that fits."""
        chunk = self._chunk
        self._tables.tiles[chunk.number, :, chunk.tiles :] = 0
        self._tables.matrices[chunk.number, :, len(chunk.matrices) :] = 0
        for table in self._tables[:2]:
            table[chunk.number + 1 :] = 0


def _describe(rows: _Axis, columns: _Axis, grey: bool) -> NDArray[np.int32]:
    """The tiles of an image, ``int32[3, N]``: number along the columns, along the rows, bits."""
    height = 3 * _ROWS if grey else _ROWS  # three bands of a grey image are a tile's three planes
    bands, across = -(-rows.length // height), -(-columns.length // columns.inputs)
    together = rows.inputs // height  # bands of a product
    band, column = np.divmod(np.arange(bands * across, dtype=np.int32), across)
    last_of_band = column == across - 1
    last_of_rows = last_of_band & ((band % together == together - 1) | (band == bands - 1))
    bits = _USED | _GREY * grey | band % together << _BAND
    bits |= _FIRST_OF_BAND * (column == 0) | _LAST_OF_BAND * last_of_band
    bits |= _LAST_OF_ROWS * last_of_rows | _FIRST_OF_ROWS * (band < together)
    bits[-1] |= _LAST_OF_IMAGE
    return np.stack([column, band // together, bits]).astype(np.int32)


@functools.lru_cache(maxsize=2048)
def _pack(windows: LinearMap, axis: _Axis) -> _Slabs:
    """By input, rather than by output as windows are."""
    length, outputs, inputs = axis
    first, stop, fixed = windows(length, outputs)
    each = np.arange(length)
    begin = np.searchsorted(stop, each, side="right")
    end = np.searchsorted(first, each, side="right")
    parts = max(1, -(-int((end - begin).max()) // _FED))
    fed = begin[:, None] + np.arange(parts * _FED)
    output = np.minimum(fed, outputs - 1)
    tap = np.where(fed < end[:, None], each[:, None] - first[output], 0)
    taps = np.where(fed < end[:, None], fixed[output, tap].astype(np.int64), 0)
    if np.abs(taps).max() >= 1 << 23:
        raise OverflowError(f"weights from {length} to {outputs} pixels exceed their bound")
    taps[:, ::_FED] = (taps[:, ::_FED] & 0xFFFFFF) | (fed[:, ::_FED] % _MOST_OUTPUTS << 24)

    matrices = -(-length // inputs)
    padded = np.zeros((matrices * inputs, parts * _FED), np.uint32)
    padded[:length] = taps & 0xFFFFFFFF
    by_output = padded.view(np.int32).reshape(matrices, inputs, parts, _FED).transpose(0, 2, 3, 1)
    packed = np.pad(by_output, [(0, 0), (0, 0), (0, 0), (0, _LANES - inputs)])
    last = np.minimum(np.arange(1, matrices + 1) * inputs, length) - 1
    groups = np.stack([begin[::inputs] // _GROUP, -(-end[last] // _GROUP)], axis=1)
    return _Slabs(packed, groups)


def write_tiles(
    pixels: NDArray[np.uint8], placements: list[Placement], tiles: NDArray[np.uint8]
) -> None:
    """Copy images out of a flat buffer into their tiles.

    Args:
        pixels: the flat buffer.
        placements: of a `Planner`.
        tiles: ``uint8[T, 32, 128, 3]``, written to. What no image covers is left as it is.
    """
    for offset, (height, width, channels), swapped, runs in placements:
        flat = pixels[offset : offset + height * width * channels]
        image = flat.reshape(height, width, channels)
        if swapped:
            image = np.ascontiguousarray(image.swapaxes(0, 1))
        planes = 3 // channels  # of a tile, each with the next rows
        across = -(-image.shape[1] // _LANES)
        for first, stop, place in runs:
            for band in range(first // across, -(-stop // across)):
                begin, end = max(first, band * across), min(stop, (band + 1) * across)
                columns = slice((begin - band * across) * _LANES, (end - band * across) * _LANES)
                target = tiles[place + begin - first : place + end - first]
                for plane in range(planes):
                    row = (band * planes + plane) * _ROWS
                    strip = image[row : row + _ROWS, columns]
                    _write_strip(strip, target[..., plane : plane + channels])


def _write_strip(strip: NDArray[np.uint8], tiles: NDArray[np.uint8]) -> None:
    """Up to 32 rows, ``uint8[R, W, C]``, into tiles side by side."""
    rows, width, channels = strip.shape
    whole, rest = divmod(width, _LANES)
    blocks: NDArray[Any] = strip[:, : whole * _LANES].reshape(rows, whole, _LANES, channels)
    target: NDArray[Any] = tiles[:whole, :rows]
    if channels == 3:  # a tile's row is copied as one item, three times as fast as its pixels
        row = np.dtype((np.void, 3 * _LANES))
        blocks = blocks.reshape(rows, whole, 3 * _LANES).view(row)
        target = target.reshape(whole, rows, 3 * _LANES).view(row)
    target[...] = blocks.swapaxes(0, 1)
    if rest:
        tiles[whole, :rows, :rest] = strip[:, whole * _LANES :]


@functools.partial(jax.jit, static_argnames=("size", "capacity", "luma", "interpret"))
def resize_tiles(
    tiles: jax.Array,
    tables: Tables,
    size: tuple[int, int],
    capacity: Capacity,
    *,
    luma: Profile | None = None,
    interpret: bool | pltpu.InterpretParams = True,
) -> jax.Array:
    """Resize the images that tiles hold, as planned.

    Args:
        tiles: ``uint8[T, 32, 128, 3]``. What no image covers may be anything.
        tables: of a `Planner` for `size` and `capacity`.
        size: the target ``(h, w)``.
        capacity: of the call.
        luma: give grey images, with the luma of that version of Pillow.
        interpret: how the kernel runs where it is not on a TPU.

    Returns:
        ``uint8[B, h, w, 3]``, or ``uint8[B, h, w]`` with `luma`; anything where there is no image.
    """
    groups = -(-max(size) // _GROUP)

    def resize_step(*references: Any) -> None:
        _Walk(groups, luma, *references).run()

    fours = -(-groups // 4)
    steps = capacity.tiles // _STEP
    planes = tiles.transpose(0, 3, 1, 2).reshape(-1, 3 * _ROWS, _LANES)  # a TPU's own layout
    blocks = (groups, groups if luma is None else fours)
    walk = functools.partial(
        pl.pallas_call,
        resize_step,
        grid=(capacity.chunks, steps),
        in_specs=[
            pl.BlockSpec((1, 4, capacity.tiles), lambda k, i: (k, 0, 0), memory_space=pltpu.SMEM),
            pl.BlockSpec((1, 4, capacity.slabs), lambda k, i: (k, 0, 0), memory_space=pltpu.SMEM),
            pl.BlockSpec((1, capacity.slabs, _FED, _LANES), lambda k, i: (k, 0, 0, 0)),
            pl.BlockSpec((_STEP, 3 * _ROWS, _LANES), lambda k, i: (k * steps + i, 0, 0)),
        ],
        out_specs=pl.BlockSpec(memory_space=pl.ANY),
        out_shape=jax.ShapeDtypeStruct(  # type: ignore[no-untyped-call]
            (capacity.images, *blocks, _GROUP, _LANES), jnp.uint8
        ),
        scratch_shapes=[
            pltpu.VMEM((capacity.slabs * groups, LIMBS * _GROUP, _LANES), jnp.int8),
            pltpu.VMEM((groups, _GROUP, _LANES), jnp.int32),
            pltpu.VMEM((groups, 3 * _GROUP, _LANES), jnp.int32),
            pltpu.VMEM((groups, groups, _GROUP, _LANES), jnp.int32),
            pltpu.VMEM((*blocks, _GROUP, _LANES), jnp.uint8),
            pltpu.SemaphoreType.DMA,
        ],
        compiler_params=pltpu.CompilerParams(
            dimension_semantics=("arbitrary", "arbitrary"), vmem_limit_bytes=48 << 20
        ),
    )
    resized = lax.platform_dependent(
        *tables[:3], planes, tpu=walk(), default=walk(interpret=interpret)
    )

    if luma is None:  # lanes are 32 columns of each channel, and an unused quarter
        resized = resized.reshape(-1, groups, groups, _GROUP, 4, 32)[..., :3, :]
        resized = resized.transpose(0, 1, 3, 2, 5, 4).reshape(-1, groups * 32, groups * 32, 3)
    else:  # lanes are 128 columns
        resized = resized.swapaxes(2, 3).reshape(-1, groups * 32, fours * _LANES)
    resized = resized[:, : max(size), : max(size)]
    swapped = tables.swapped.reshape(-1, *(1,) * (resized.ndim - 1))
    return jnp.where(swapped, resized.swapaxes(1, 2), resized)[:, : size[0], : size[1]]


class _Walk(NamedTuple):
    """The kernel: one step of one chunk, of all the tiles that are fetched together.

    Attributes:
        groups: of outputs.
        luma: give grey images, with the luma of that version of Pillow.
        tile_table, matrix_table, slabs: of this chunk, as in `Tables`.
        tiles: ``uint8[16, 96, 128]``, by channel, row and column.
        resized: all images, in the memory of the device.
        matrices: ``[P · groups, 96, 128]``, the weights of this chunk, by limb, output and input.
        band_sums: ``int32[groups, 32, 128]``, of a band: by output, channel and row.
        rows: ``int32[groups, 96, 128]``, the bands of a product: by channel, output and row.
        sums: ``int32[groups, groups, 32, 128]``, of an image: by row, channel and column of the
            output.
        block: an image on its way to `resized`.
        copied: says when it is there.
    """

    groups: int
    luma: Profile | None
    tile_table: Any
    matrix_table: Any
    slabs: Any
    tiles: Any
    resized: Any
    matrices: Any
    band_sums: Any
    rows: Any
    sums: Any
    block: Any
    copied: Any

    def run(self) -> None:
        step = pl.program_id(1)

        @pl.when(step == 0)
        def expand_matrices() -> None:
            count = jnp.int32(self.matrix_table.shape[2])
            lax.fori_loop(jnp.int32(0), count, self.expand, None)

        first = step * _STEP
        lax.fori_loop(jnp.int32(0), jnp.int32(_STEP), lambda i, _: self.visit(i, first + i), None)

    def expand(self, matrix: jax.Array, _: None) -> None:
        """A matrix out of its slabs, in limbs."""
        first, stop, group, groups_stop = (self.matrix_table[0, i, matrix] for i in range(4))

        def expand_group(group: jax.Array, _: None) -> None:
            output = lax.broadcasted_iota(jnp.int32, (_GROUP, _LANES), 0) + group * _GROUP

            def add_slab(slab: jax.Array, weights: jax.Array) -> jax.Array:
                taps = self.slabs[0, slab]
                fed = output - lax.shift_right_logical(taps[:1], 24)
                for i in range(_FED):
                    tap = taps[i : i + 1]
                    weights = jnp.where(fed == i, (tap << 8) >> 8 if i == 0 else tap, weights)
                return weights

            weights = lax.fori_loop(first, stop, add_slab, jnp.zeros_like(output))
            parts = jnp.concatenate(limbs(weights))
            self.matrices[matrix * self.groups + group] = parts.astype(jnp.int8)

        lax.fori_loop(group, groups_stop, expand_group, None)

    def visit(self, i: jax.Array, tile: jax.Array) -> None:
        """A tile: its product, and what ends or begins with it."""
        columns, row_matrix, bits, image = (self.tile_table[0, f, tile] for f in range(4))
        grey = bits & _GREY != 0

        @pl.when(bits & _FIRST_OF_BAND != 0)
        def begin_band() -> None:
            self.band_sums[...] = jnp.zeros_like(self.band_sums)

        @pl.when(bits & _USED != 0)
        def multiply_columns() -> None:
            pixels = self.tiles[i].astype(jnp.int32)

            def add(group: jax.Array) -> None:
                self.band_sums[group] += self.multiply(columns, group, pixels)

            self.each_group(add, columns)

        @pl.when(bits & _LAST_OF_BAND != 0)
        def end_band() -> None:
            self.each_group(lambda group: self.keep_band(group, bits >> _BAND, grey))

        @pl.when(bits & _FIRST_OF_ROWS != 0)
        def begin_image() -> None:
            self.sums[...] = jnp.zeros_like(self.sums)

        @pl.when(bits & _LAST_OF_ROWS != 0)
        def multiply_rows() -> None:
            self.each_group(lambda column_group: self.add_rows(column_group, row_matrix))

        @pl.when(bits & _LAST_OF_IMAGE != 0)
        def end_image() -> None:
            self.each_group(lambda group: self.finish(group, grey))
            copy = pltpu.make_async_copy(self.block, self.resized.at[image], self.copied)
            copy.start()
            copy.wait()  # type: ignore[no-untyped-call]

    def each_group(
        self, body: Callable[[jax.Array], None], matrix: jax.Array | None = None
    ) -> None:
        """For all groups of outputs, or those that a matrix has weights for."""
        start, stop = jnp.int32(0), jnp.int32(self.groups)
        if matrix is not None:
            start, stop = self.matrix_table[0, 2, matrix], self.matrix_table[0, 3, matrix]
        lax.fori_loop(start, stop, lambda group, _: body(group), None)

    def multiply(self, matrix: jax.Array, group: jax.Array, pixels: jax.Array) -> jax.Array:
        """Products with 128 inputs of 96 lines, and in the last lanes with the zero point."""
        constant = jnp.full((_GROUP, _LANES), -ZERO_POINT, jnp.int32)
        operand = jnp.concatenate([pixels - ZERO_POINT, constant]).astype(jnp.int8)
        product = lax.dot_general(
            self.matrices[matrix * self.groups + group],
            operand,
            (((1,), (1,)), ((), ())),
            preferred_element_type=jnp.int32,
        )
        return join(jnp.split(product, LIMBS))

    def keep_band(self, group: jax.Array, place: jax.Array, grey: jax.Array) -> None:
        """A band's outputs, rounded, become rows of the second product."""
        band = _rounded(self.band_sums[group])
        quarter = _quarter()
        for channel in range(3):
            at = group, slice(channel * _GROUP, (channel + 1) * _GROUP)
            moved = pltpu.roll(band, ((place - channel) & 3) * 32, 1)
            here = (quarter == place) | grey
            self.rows[at] = jnp.where(here, moved, self.rows[at])

    def add_rows(self, column_group: jax.Array, matrix: jax.Array) -> None:
        def add(group: jax.Array) -> None:
            product = self.multiply(matrix, group, self.rows[column_group])
            self.sums[group, column_group] += product

        self.each_group(add, matrix)

    def finish(self, group: jax.Array, grey: jax.Array) -> None:
        """A group of an image's rows, by 32 columns of three channels or by 128 columns of luma."""
        quarter = _quarter()
        lumas = jnp.zeros((_GROUP, _LANES), jnp.int32)
        for column in range(self.groups):
            red = _rounded(self.sums[group, column])  # and the others in the next quarters
            once, twice = pltpu.roll(red, 32, 1), pltpu.roll(red, 64, 1)
            repeated = jnp.where(quarter == 0, red, jnp.where(quarter == 1, once, twice))
            red = jnp.where(grey, repeated, red)
            if self.luma is None:
                self.block[group, column] = red.astype(jnp.uint8)
                continue
            green, blue = pltpu.roll(red, 96, 1), pltpu.roll(red, 64, 1)
            four, place = divmod(column, 4)
            moved = pltpu.roll(luma_of(red, green, blue, self.luma), place * 32, 1)
            lumas = jnp.where(quarter == place, moved, lumas)
            self.block[group, four] = lumas.astype(jnp.uint8)


def _quarter() -> jax.Array:
    """Which of four times 32 lanes each is of."""
    return lax.broadcasted_iota(jnp.int32, (_GROUP, _LANES), 1) >> 5


def _rounded(total: jax.Array) -> jax.Array:
    """Sums as pixels; the last lane has the products with the zero point."""
    return round_sums(total - total[:, _LANES - 1 :]).astype(jnp.int32)
