"""Images of any sizes as tiles: the host's plan of a call of the kernel in `_walk`.

The images of a call are cut into tiles of 32 rows by 128 columns, which the kernel visits one after
another, row by row of an image. Weights come in *slabs*, those of 128 inputs: for each input up to
eight weights, of the successive outputs that it feeds. A *chunk* of a call is a fixed number of
tiles that share a fixed number of slabs.
"""

import functools
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from ._lanczos import LinearMap, vertical_first
from ._lanczos import windows as lanczos
from ._profiles import Profile

ROWS, LANES = 32, 128  # of a tile
FED = 8  # outputs that an input of a slab feeds at most
GROUP = 32  # outputs of one product: its limbs side by side are a matrix of 96 rows
STEP = 16  # tiles that are fetched together
_CHUNK = 1024  # tiles
MOST_OUTPUTS = 256  # the number of an output is 8 bits of a slab


class Bit:
    """What a tile is, in bits."""

    USED, FIRST_OF_BAND, LAST_OF_BAND, FIRST_OF_ROWS, LAST_OF_ROWS, LAST_OF_IMAGE, GREY = (
        1 << bit for bit in range(7)
    )
    BAND = 8  # from this bit on: its band's number among those of a product


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
    tiles = pixels // (ROWS * LANES * 3)
    chunk = min(_CHUNK, tiles // STEP * STEP)
    return Capacity(chunks=tiles // chunk, tiles=chunk, slabs=slabs, images=images)


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
        if max(size) > MOST_OUTPUTS:
            raise ValueError(f"expected sides of at most {MOST_OUTPUTS} pixels, got size {size}")
        self._size, self._profile, self._windows = size, profile, windows
        self._capacity = capacity
        self._tables = Tables(
            tiles=np.zeros((capacity.chunks, 4, capacity.tiles), np.int32),
            matrices=np.zeros((capacity.chunks, 4, capacity.slabs), np.int32),
            slabs=np.zeros((capacity.chunks, capacity.slabs, FED, LANES), np.int32),
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
        rows = _Axis(*sides[swapped], 3 * ROWS if grey else LANES)
        columns = _Axis(*sides[not swapped], LANES)
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
            (int(i), rows, int(tiles[1, i])) for i in np.flatnonzero(tiles[2] & Bit.LAST_OF_ROWS)
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
    height = 3 * ROWS if grey else ROWS  # three bands of a grey image are a tile's three planes
    bands, across = -(-rows.length // height), -(-columns.length // columns.inputs)
    together = rows.inputs // height  # bands of a product
    band, column = np.divmod(np.arange(bands * across, dtype=np.int32), across)
    last_of_band = column == across - 1
    last_of_rows = last_of_band & ((band % together == together - 1) | (band == bands - 1))
    bits = Bit.USED | Bit.GREY * grey | band % together << Bit.BAND
    bits |= Bit.FIRST_OF_BAND * (column == 0) | Bit.LAST_OF_BAND * last_of_band
    bits |= Bit.LAST_OF_ROWS * last_of_rows | Bit.FIRST_OF_ROWS * (band < together)
    bits[-1] |= Bit.LAST_OF_IMAGE
    return np.stack([column, band // together, bits]).astype(np.int32)


@functools.lru_cache(maxsize=2048)
def _pack(windows: LinearMap, axis: _Axis) -> _Slabs:
    """By input, rather than by output as windows are."""
    length, outputs, inputs = axis
    first, stop, fixed = windows(length, outputs)
    each = np.arange(length)
    begin = np.searchsorted(stop, each, side="right")
    end = np.searchsorted(first, each, side="right")
    parts = max(1, -(-int((end - begin).max()) // FED))
    fed = begin[:, None] + np.arange(parts * FED)
    output = np.minimum(fed, outputs - 1)
    tap = np.where(fed < end[:, None], each[:, None] - first[output], 0)
    taps = np.where(fed < end[:, None], fixed[output, tap].astype(np.int64), 0)
    if np.abs(taps).max() >= 1 << 23:
        raise OverflowError(f"weights from {length} to {outputs} pixels exceed their bound")
    taps[:, ::FED] = (taps[:, ::FED] & 0xFFFFFF) | (fed[:, ::FED] % MOST_OUTPUTS << 24)

    matrices = -(-length // inputs)
    padded = np.zeros((matrices * inputs, parts * FED), np.uint32)
    padded[:length] = taps & 0xFFFFFFFF
    by_output = padded.view(np.int32).reshape(matrices, inputs, parts, FED).transpose(0, 2, 3, 1)
    packed = np.pad(by_output, [(0, 0), (0, 0), (0, 0), (0, LANES - inputs)])
    last = np.minimum(np.arange(1, matrices + 1) * inputs, length) - 1
    groups = np.stack([begin[::inputs] // GROUP, -(-end[last] // GROUP)], axis=1)
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
        across = -(-image.shape[1] // LANES)
        for first, stop, place in runs:
            for band in range(first // across, -(-stop // across)):
                begin, end = max(first, band * across), min(stop, (band + 1) * across)
                columns = slice((begin - band * across) * LANES, (end - band * across) * LANES)
                target = tiles[place + begin - first : place + end - first]
                for plane in range(planes):
                    row = (band * planes + plane) * ROWS
                    strip = image[row : row + ROWS, columns]
                    _write_strip(strip, target[..., plane : plane + channels])


def _write_strip(strip: NDArray[np.uint8], tiles: NDArray[np.uint8]) -> None:
    """Up to 32 rows, ``uint8[R, W, C]``, into tiles side by side."""
    rows, width, channels = strip.shape
    whole, rest = divmod(width, LANES)
    blocks: NDArray[Any] = strip[:, : whole * LANES].reshape(rows, whole, LANES, channels)
    target: NDArray[Any] = tiles[:whole, :rows]
    if channels == 3:  # a tile's row is copied as one item, three times as fast as its pixels
        row = np.dtype((np.void, 3 * LANES))
        blocks = blocks.reshape(rows, whole, 3 * LANES).view(row)
        target = target.reshape(whole, rows, 3 * LANES).view(row)
    target[...] = blocks.swapaxes(0, 1)
    if rest:
        tiles[whole, :rows, :rest] = strip[:, whole * LANES :]
