"""Resize of images of any sizes in one program, for the CPU.

The images lie one after another in one flat buffer, without padding; tables that `_plan` makes on
the host say where each lies and how it is resized. No width or height is in a shape: one program
serves every size, RGB and grey, and both orders of the passes, all of them in one call.

A block of a strip lies in the cache as ``uint8[512, 3, 128]``: position, channel, line. When a
strip is done, its outputs are rounded, turned, and become positions of the second pass, whose sums
stay from strip to strip, so that nothing in between is ever as large as the image.

What the loops look like is due to XLA's CPU compiler: an operation of more than about 12,000
elements would be divided among the cores, again for every step of a loop; a branch would copy what
it hands on, and a loop of no or one round doesn't; a transpose is a fast copy only where it stands
alone between two loops.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ._fixed_point import round_sums
from ._luma import weigh_middle
from ._plan import (
    BLOCKS,
    BLOCKS_END,
    IMAGE,
    IS_FIRST,
    IS_HORIZONTAL,
    IS_LAST,
    IS_VERTICAL,
    IS_WEIGHED,
    LANES,
    LAST_LINE,
    OFFSET,
    OUTPUT,
    POSITION,
    SECOND,
    SECOND_END,
    STEP,
    STEP_END,
    STRIDE,
    SUMS_FIRST,
    SUMS_SECOND,
    TERMS,
    TILE,
    TILE_END,
    TILES,
    UNROLLED,
    Tables,
)
from ._profiles import Profile

_ROWS_AT_ONCE = 32  # that are read from the buffer
_WEIGHED_AT_ONCE = 16  # columns of a tile that becomes grey
_UNFORKED = 12_288  # elements of an operation that XLA leaves on one core
_TOGETHER = 8  # resized images that are handed on at once


def map_resized(
    function: Callable[[jax.Array], jax.Array],
    pixels: jax.Array,
    tables: Tables,
    size: tuple[int, int],
    luma_first: Profile | None = None,
) -> jax.Array:
    """What a function makes of each image of a call, resized.

    Args:
        function: from a few resized images, ``uint8[K, h, w, 3]``, to ``[K, …]``. A grey image has
            three equal channels.
        pixels: the flat buffer ``uint8[P]``, `SLACK` bytes longer than what the images may fill.
        tables: from a `Planner` of the same size.
        size: the target ``(h, w)``.
        luma_first: the profile by which RGB images become grey before, where they are planned so.

    Returns:
        ``[B, …]``, of which as many rows as there are images mean something.
    """
    read = partial(_read_block, pixels, luma_first)
    resized = _resize_all(read, tables, max(size))
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


class _Read(NamedTuple):
    """What a block is read into."""

    tile: jax.Array  # uint8[128, 384]: as read
    columns: jax.Array  # uint8[384, 128]: turned, and what became grey in its first third
    block: jax.Array  # uint8[512·3, 128]: position and channel, line


_ReadBlock = Callable[[jax.Array, jax.Array, jax.Array, _Read], _Read]


class _Scratch(NamedTuple):
    """What the loops hand on, and write into in place."""

    read: _Read
    first: jax.Array  # int32[O, 3, 128]: sums of the first pass
    rounded: jax.Array  # uint8[O, 3, 128]
    turned: jax.Array  # uint8[3·128, O]: channel and line, output
    second: jax.Array  # int32[O, 3, O]: sums of the second pass
    results: jax.Array  # uint8[B, O, 3, O]


def _resize_all(read: _ReadBlock, tables: Tables, outputs: int) -> jax.Array:
    """Both passes: ``uint8[B, O, 3, O]``, by the second pass, the channel and the first pass."""
    square = (outputs, 3, outputs)
    scratch = _Scratch(
        read=_Read(
            tile=jnp.zeros((LANES, 3 * LANES), jnp.uint8),
            columns=jnp.zeros((3 * LANES, LANES), jnp.uint8),
            block=jnp.zeros((TILES * 3 * LANES, LANES), jnp.uint8),
        ),
        first=jnp.zeros((outputs, 3, LANES), jnp.int32),
        rounded=jnp.zeros((outputs, 3, LANES), jnp.uint8),
        turned=jnp.zeros((3 * LANES, outputs), jnp.uint8),
        second=jnp.zeros(square, jnp.int32),
        results=jnp.zeros((len(tables.is_vertical), *square), jnp.uint8),
    )
    tables = Tables(*map(jnp.asarray, tables))

    def add_strip(s: jax.Array, scratch: _Scratch) -> _Scratch:
        return _resize_strip(read, tables, tables.strips[s], scratch)

    return lax.fori_loop(jnp.int32(0), tables.counts[1], add_strip, scratch).results


def _resize_strip(
    read: _ReadBlock, tables: Tables, strip: jax.Array, scratch: _Scratch
) -> _Scratch:
    def contract(strip: jax.Array, scratch: _Scratch) -> _Scratch:
        return _contract_strip(read, tables, strip, scratch)

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
    return strip[IS_HORIZONTAL] + strip[IS_VERTICAL]


def _contract_strip(
    read: _ReadBlock, tables: Tables, strip: jax.Array, scratch: _Scratch
) -> _Scratch:
    """The first pass over a strip, block by block."""
    first = _in_parts(jnp.zeros_like, scratch.first, scratch.first, _always(strip))

    def add_block(b: jax.Array, carry: tuple[_Read, jax.Array]) -> tuple[_Read, jax.Array]:
        bounds = tables.blocks[b]

        def read_it(carry: tuple[_Read, jax.Array]) -> tuple[_Read, jax.Array]:
            return read(tables.tiles, bounds, strip, carry[0]), carry[1]

        def add(carry: tuple[_Read, jax.Array]) -> tuple[_Read, jax.Array]:
            positions = carry[0].block.reshape(TILES * LANES, 3, LANES)
            first = _add_steps(positions, 0, carry[1], bounds[STEP], bounds[STEP_END], tables)
            return carry[0], first

        return _when(_always(strip), add, _when(_always(strip), read_it, carry))

    carry = (scratch.read, first)
    done, first = lax.fori_loop(strip[BLOCKS], strip[BLOCKS_END], add_block, carry)
    return scratch._replace(read=done, first=first)


def _round_strip(strip: jax.Array, scratch: _Scratch) -> _Scratch:
    first = _in_parts(_sum_channels, scratch.first, scratch.first, strip[SUMS_FIRST])
    rounded = _in_parts(round_sums, first, scratch.rounded, _always(strip))
    return scratch._replace(first=first, rounded=rounded)


def _turn_rows(strip: jax.Array, scratch: _Scratch) -> _Scratch:
    rounded = scratch.rounded.reshape(-1, 3 * LANES)
    return scratch._replace(turned=_turn(rounded.T, strip[IS_HORIZONTAL], scratch.turned))


def _turn_columns(strip: jax.Array, scratch: _Scratch) -> _Scratch:
    # The lanes of a vertical pass are the bytes of a row, pixel by pixel.
    by_pixel = scratch.rounded.reshape(-1, LANES, 3).transpose(2, 1, 0)
    by_pixel = by_pixel.reshape(3 * LANES, -1)
    return scratch._replace(turned=_turn(by_pixel, strip[IS_VERTICAL], scratch.turned))


def _add_strip(tables: Tables, strip: jax.Array, scratch: _Scratch) -> _Scratch:
    """What the second pass sums of a strip."""
    second = _in_parts(jnp.zeros_like, scratch.second, scratch.second, strip[IS_FIRST])
    lines = scratch.turned.reshape(3, LANES, len(second))
    second = _add_steps(lines, 1, second, strip[SECOND], strip[SECOND_END], tables)
    return scratch._replace(second=second)


def _finish_image(strip: jax.Array, scratch: _Scratch) -> _Scratch:
    second = _in_parts(_sum_channels, scratch.second, scratch.second, strip[SUMS_SECOND])
    results = _in_parts(round_sums, second, scratch.results, strip[IS_LAST], strip[IMAGE])
    return scratch._replace(second=second, results=results)


def _read_block(
    pixels: jax.Array,
    luma_first: Profile | None,
    tiles: jax.Array,
    bounds: jax.Array,
    strip: jax.Array,
    into: _Read,
) -> _Read:
    """The tiles of a block: turned where the first pass is horizontal, else as they are."""
    first_tile, count = bounds[TILE], bounds[TILE_END] - bounds[TILE]

    def each(flag: jax.Array, read: Callable[[jax.Array, jax.Array, _Read], _Read]) -> None:
        nonlocal into

        def read_tile(t: jax.Array, into: _Read) -> _Read:
            return read(tiles[t], t - first_tile, into)

        into = lax.fori_loop(first_tile, first_tile + count * flag, read_tile, into)

    others = 1 - strip[IS_WEIGHED]
    if luma_first is not None:
        each(strip[IS_WEIGHED], partial(_read_weighed, pixels, luma_first, strip))
    each(strip[IS_HORIZONTAL] * others, partial(_read_turned, pixels, _always(strip)))
    each(strip[IS_VERTICAL] * others, partial(_read_as_is, pixels))
    return into


def _read_turned(
    pixels: jax.Array, flag: jax.Array, where: jax.Array, number: jax.Array, into: _Read
) -> _Read:
    tile = _read_tile(pixels, where, into.tile)
    place = number * (3 * LANES)
    block = _put_alone(tile.T, partial(_put, at=place), into.block, flag)
    return into._replace(tile=tile, block=block)


def _read_as_is(pixels: jax.Array, where: jax.Array, number: jax.Array, into: _Read) -> _Read:
    place = number * (3 * LANES)

    def copy_rows(i: jax.Array, block: jax.Array) -> jax.Array:
        some = _rows(pixels, where, i).reshape(-1, LANES)
        return _put(some, block, place + i * (3 * _ROWS_AT_ONCE))

    block = lax.fori_loop(jnp.int32(0), jnp.int32(LANES // _ROWS_AT_ONCE), copy_rows, into.block)
    return into._replace(block=block)


def _read_weighed(
    pixels: jax.Array,
    profile: Profile,
    strip: jax.Array,
    where: jax.Array,
    number: jax.Array,
    into: _Read,
) -> _Read:
    """A tile that becomes grey: a third as many bytes."""
    always, zero = _always(strip), jnp.int32(0)
    tile = _read_tile(pixels, where, into.tile)
    columns = _put_alone(tile.T, partial(_put, at=zero), into.columns, always)

    def weigh(i: jax.Array, columns: jax.Array) -> jax.Array:
        shape = (3 * _WEIGHED_AT_ONCE, LANES)
        some = lax.dynamic_slice(columns, (i * shape[0], zero), shape).reshape(-1, 3, LANES)
        return _put(weigh_middle(some, profile), columns, i * _WEIGHED_AT_ONCE)

    columns = lax.fori_loop(zero, jnp.int32(LANES // _WEIGHED_AT_ONCE), weigh, columns)

    def put_columns(block: jax.Array) -> jax.Array:
        return _put(columns[:LANES], block, number * LANES)

    def put_rows(rows: jax.Array, block: jax.Array) -> jax.Array:
        at = (number // 3 * LANES, number % 3 * LANES)
        return lax.dynamic_update_slice(block.reshape(-1, 3 * LANES), rows, at).reshape(block.shape)

    block = _when(strip[IS_HORIZONTAL], put_columns, into.block)
    flag = strip[IS_VERTICAL]
    block = _when(flag, lambda block: _put_alone(columns[:LANES].T, put_rows, block, flag), block)
    return _Read(tile, columns, block)


def _read_tile(pixels: jax.Array, where: jax.Array, tile: jax.Array) -> jax.Array:
    def read(i: jax.Array, tile: jax.Array) -> jax.Array:
        return _put(_rows(pixels, where, i), tile, i * _ROWS_AT_ONCE)

    return lax.fori_loop(jnp.int32(0), jnp.int32(LANES // _ROWS_AT_ONCE), read, tile)


def _rows(pixels: jax.Array, where: jax.Array, i: jax.Array) -> jax.Array:
    """A few rows of a tile."""
    row = i * _ROWS_AT_ONCE + jnp.arange(_ROWS_AT_ONCE, dtype=jnp.int32)
    starts = where[OFFSET] + jnp.minimum(row, where[LAST_LINE]) * where[STRIDE]
    return _read_rows(pixels, starts)


def _read_rows(pixels: jax.Array, starts: jax.Array) -> jax.Array:
    """``uint8[N, 384]`` from N places of the buffer."""
    numbers = lax.GatherDimensionNumbers(
        offset_dims=(1,), collapsed_slice_dims=(), start_index_map=(0,)
    )
    return lax.gather(pixels, starts[:, None], numbers, (3 * LANES,), mode="promise_in_bounds")


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
    shape = tuple(TERMS if a == axis else n for a, n in enumerate(positions.shape))
    channel = (1, 0)[axis]

    def add(i: jax.Array, sums: jax.Array) -> jax.Array:
        output, position = tables.steps[i, OUTPUT], tables.steps[i, POSITION]
        begin = tuple(position if a == axis else zero for a in range(3))
        pixels = lax.dynamic_slice(positions, begin, shape).astype(jnp.int32)
        taps = jnp.moveaxis(tables.taps[i], 1, channel)[..., None]
        total = jnp.sum(pixels * taps, axis=axis, dtype=jnp.int32)[None]
        row = lax.dynamic_slice(sums, (output, zero, zero), total.shape)
        return lax.dynamic_update_slice(sums, row + total, (output, zero, zero))

    def add_some(i: jax.Array, sums: jax.Array) -> jax.Array:
        for k in range(UNROLLED):
            sums = add(i * UNROLLED + k, sums)
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


def _put(x: jax.Array, into: jax.Array, at: jax.Array) -> jax.Array:
    """Writes rows."""
    return lax.dynamic_update_slice(into, x, (at, jnp.int32(0)))


def _turn(x: jax.Array, flag: jax.Array, turned: jax.Array) -> jax.Array:
    put = partial(_put, at=jnp.int32(0))
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
