"""Resize of images of any sizes in one program, for the CPU.

The images lie one after another in one flat buffer, without padding; tables that `_plan` makes on
the host say where each lies and how it is resized. No width or height is in a shape: one program
serves every size, RGB and grey, and both orders of the passes, all of them in one call.

A block of a strip lies in the cache as ``uint8[512, 3, 128]``: position, channel, line. When a
strip is done, its outputs are rounded, turned, and become positions of the second pass, whose sums
stay from strip to strip, so that nothing in between is ever as large as the image.

Why the loops look like that `_loops` says: each has eight kernels at most. In a kernel of loops an
output at a time is computed. What follows, the bits of a hash, is NumPy's, which takes no time to
compile.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from ._fixed_point import round_sums
from ._loops import at_once, part_at, put_alone, row_at, when, with_part
from ._luma import luma_of, weigh_middle
from ._plan import (
    AS_IS_END,
    BLOCKS,
    BLOCKS_END,
    IMAGE,
    IS_FIRST,
    IS_HORIZONTAL,
    IS_LAST,
    IS_VERTICAL,
    LANE,
    LANES,
    LAST_LINE,
    OFFSET,
    PLACE,
    SECOND,
    SECOND_END,
    STEP,
    STEP_END,
    STRIDE,
    SUMS_FIRST,
    SUMS_SECOND,
    TERMS,
    TILE,
    TILES,
    TURNED_END,
    WEIGHED_END,
    Tables,
)
from ._profiles import Profile

_WEIGHED_AT_ONCE = 16  # columns of a tile that becomes grey


def resize_packed(
    pixels: jax.Array,
    tables: Tables,
    size: tuple[int, int],
    images: int,
    luma: Profile | None = None,
    *,
    luma_first: Profile | None = None,
) -> jax.Array:
    """Resize the images of a call, as planned.

    Args:
        pixels: the flat buffer ``uint8[P]``, `SLACK` bytes longer than what the images may fill.
        tables: from a `Planner` of the same size.
        size: the target ``(h, w)``.
        images: B, how many there may be.
        luma: give grey images, with the luma of that version of Pillow.
        luma_first: the profile by which RGB images become grey before, where they are planned so.

    Returns:
        What `arranged` makes images of: ``uint8[B, O, 3, O]``, O the larger of h and w, by the
        second pass, the channel and the first pass; with `luma` ``uint8[B, O, O]``. Anything where
        there is no image.
    """
    outputs = max(size)
    channels = () if luma else (3,)
    scratch = _Scratch(
        read=_Read(
            tile=jnp.zeros((LANES, 3 * LANES), jnp.uint8),
            columns=jnp.zeros((3 * LANES, LANES), jnp.uint8),
            block=jnp.zeros((TILES * 3 * LANES, LANES), jnp.uint8),
        ),
        rounded=jnp.zeros((outputs, 3, LANES), jnp.uint8),
        turned=jnp.zeros((3 * LANES, outputs), jnp.uint8),
        second=jnp.zeros((outputs, 3, outputs), jnp.int32),
        results=jnp.zeros((images, outputs, *channels, outputs), jnp.uint8),
    )
    tables = Tables(*map(jnp.asarray, tables))
    once = tables.count[1]
    read = partial(_read_block, pixels, luma_first, once)
    contract = partial(_contract_strip, read, once, tables)
    add_lines = partial(_add_lines, luma)

    def add_strip(s: jax.Array, scratch: _Scratch) -> _Scratch:
        strip = row_at(tables.strips, s)
        read, rounded = when(once, partial(contract, strip), (scratch.read, scratch.rounded))
        turned = when(once, partial(_turn_strip, strip, rounded), scratch.turned)
        second, results = at_once(
            add_lines, strip, tables.steps, tables.taps, turned, scratch.second, scratch.results
        )
        return _Scratch(read, rounded, turned, second, results)

    return lax.fori_loop(jnp.int32(0), tables.count[0], add_strip, scratch).results


def arranged(
    results: NDArray[np.uint8], is_vertical: NDArray[np.bool_], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """``uint8[B, h, w, 3]`` or ``uint8[B, h, w]`` of the results of :func:`resize_packed`.

    Args:
        results: of the first B images of a call.
        is_vertical: bool[B], which of them were resized vertically first.
        size: the target ``(h, w)``.
    """
    by_pass = results if results.ndim == 3 else results.swapaxes(2, 3)
    height, width = size
    if not is_vertical.any():
        return by_pass[:, :height, :width]
    images = np.empty((len(results), height, width, *by_pass.shape[3:]), np.uint8)
    images[~is_vertical] = by_pass[~is_vertical, :height, :width]
    images[is_vertical] = by_pass[is_vertical, :width, :height].swapaxes(1, 2)
    return images


class _Read(NamedTuple):
    """What a block is read into."""

    tile: jax.Array  # uint8[128, 384]: as read
    columns: jax.Array  # uint8[384, 128]: turned, and what became grey in its first third
    block: jax.Array  # uint8[512·3, 128]: position and channel, line


class _Scratch(NamedTuple):
    """What the loops hand on, and write into in place."""

    read: _Read
    rounded: jax.Array  # uint8[O, 3, 128]: what a strip came to
    turned: jax.Array  # uint8[3·128, O]: channel and line, output
    second: jax.Array  # int32[O, 3, O]: sums of the second pass
    results: jax.Array  # uint8[B, O, 3, O], or of luma uint8[B, O, O]


def _contract_strip(
    read_block: Callable[..., _Read],
    once: jax.Array,
    tables: Tables,
    strip: jax.Array,
    into: tuple[_Read, jax.Array],
) -> tuple[_Read, jax.Array]:
    """The first pass over a strip, block by block, as pixels ``uint8[O, 3, 128]``."""

    def add_block(b: jax.Array, carry: tuple[_Read, jax.Array]) -> tuple[_Read, jax.Array]:
        bounds = row_at(tables.blocks, b)
        done = when(once, partial(read_block, tables.tiles, bounds, strip), carry[0])
        positions = done.block.reshape(TILES * LANES, 3, LANES)
        steps = bounds[STEP : STEP_END + 1]
        add_steps = partial(_add_steps, 0)
        return done, at_once(add_steps, steps, tables.steps, tables.taps, positions, carry[1])

    done, rounded = into
    carry = (done, jnp.zeros(rounded.shape, jnp.int32))
    done, first = lax.fori_loop(strip[BLOCKS], strip[BLOCKS_END], add_block, carry)
    return done, at_once(_round_strip, strip, first, rounded)


def _round_strip(strip: jax.Array, first: jax.Array, rounded: jax.Array) -> jax.Array:
    """The sums of a strip, ``int32[O, 3, 128]``, as pixels."""
    zero = jnp.int32(0)

    def round_output(o: jax.Array, rounded: jax.Array) -> jax.Array:
        pixels = _rounded(first, o, strip[SUMS_FIRST])
        return with_part(rounded, pixels[None], (o, zero, zero))

    return lax.fori_loop(zero, jnp.int32(len(first)), round_output, rounded)


def _turn_strip(strip: jax.Array, rounded: jax.Array, turned: jax.Array) -> jax.Array:
    """The outputs of a strip as positions of the second pass."""

    def turn(
        flag: jax.Array, lanes: jax.Array, axes: tuple[int, int, int], turned: jax.Array
    ) -> jax.Array:
        lines = lanes.transpose(axes).reshape(turned.shape)
        return put_alone(lines, partial(_put, at=jnp.int32(0)), turned, flag)

    horizontal, vertical = strip[IS_HORIZONTAL], strip[IS_VERTICAL]
    turned = when(horizontal, partial(turn, horizontal, rounded, (1, 2, 0)), turned)
    # The lanes of a vertical pass are the bytes of a row, pixel by pixel.
    pixels = rounded.reshape(-1, LANES, 3)
    return when(vertical, partial(turn, vertical, pixels, (2, 1, 0)), turned)


def _add_lines(
    luma: Profile | None,
    strip: jax.Array,
    steps: jax.Array,
    taps: jax.Array,
    turned: jax.Array,
    second: jax.Array,
    results: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """The second pass over what a strip came to; and the image, with its last strip."""
    zero = jnp.int32(0)

    # Cleared when they begin: XLA would copy what is cleared while anything else reads it.
    def clear_output(o: jax.Array, second: jax.Array) -> jax.Array:
        return with_part(second, jnp.zeros_like(second[:1]), (o, zero, zero))

    to_clear = len(second) * strip[IS_FIRST]
    second = lax.fori_loop(zero, to_clear, clear_output, second)
    lines = turned.reshape(3, LANES, len(second))
    second = _add_steps(1, strip[SECOND : SECOND_END + 1], steps, taps, lines, second)

    def finish_output(o: jax.Array, results: jax.Array) -> jax.Array:
        pixels = _rounded(second, o, strip[SUMS_SECOND])
        if luma is not None:
            red, green, blue = pixels.astype(jnp.int32)
            pixels = luma_of(red, green, blue, luma).astype(jnp.uint8)
        return with_part(
            results, pixels[None, None], (strip[IMAGE], o, *(zero for _ in pixels.shape))
        )

    to_finish = len(second) * strip[IS_LAST]
    return second, lax.fori_loop(zero, to_finish, finish_output, results)


def _rounded(sums: jax.Array, o: jax.Array, of_channels: jax.Array) -> jax.Array:
    """An output's pixels ``uint8[3, L]`` of ``int32[O, 3, L]``; where flagged, all channels'."""
    row = row_at(sums, o)
    total = row[0:1] + row[1:2] + row[2:3]
    return round_sums(jnp.where(of_channels == 1, total, row))


def _read_block(
    pixels: jax.Array,
    luma_first: Profile | None,
    once: jax.Array,
    tiles: jax.Array,
    bounds: jax.Array,
    strip: jax.Array,
    into: _Read,
) -> _Read:
    """The tiles of a block: turned where the first pass is horizontal, else as they are."""

    def each(end: jax.Array, read: Callable[..., _Read], into: _Read) -> _Read:
        def read_tile(t: jax.Array, into: _Read) -> _Read:
            tile = at_once(_read_tile, pixels, tiles, t, into.tile)
            return read(tiles, t, into._replace(tile=tile))

        return lax.fori_loop(bounds[TILE], end, read_tile, into)

    if luma_first is not None:
        into = each(bounds[WEIGHED_END], partial(_put_weighed, luma_first, once, strip), into)
    into = each(bounds[TURNED_END], partial(_put_turned, once), into)
    return into._replace(block=at_once(_read_as_is, pixels, tiles, bounds, into.block))


def _put_turned(once: jax.Array, tiles: jax.Array, number: jax.Array, into: _Read) -> _Read:
    put = partial(_put, at=3 * row_at(tiles, number)[PLACE])
    return into._replace(block=put_alone(into.tile.T, put, into.block, once))


def _put_weighed(
    profile: Profile,
    once: jax.Array,
    strip: jax.Array,
    tiles: jax.Array,
    number: jax.Array,
    into: _Read,
) -> _Read:
    """A tile that becomes grey: a third as many bytes."""
    zero, where = jnp.int32(0), row_at(tiles, number)

    def weigh(i: jax.Array, columns: jax.Array) -> jax.Array:
        shape = (3 * _WEIGHED_AT_ONCE, LANES)
        some = part_at(columns, (i * shape[0], zero), shape).reshape(-1, 3, LANES)
        return _put(weigh_middle(some, profile), columns, i * _WEIGHED_AT_ONCE)

    def turn_and_weigh(columns: jax.Array) -> jax.Array:
        columns = put_alone(into.tile.T, partial(_put, at=zero), columns, once)
        return lax.fori_loop(zero, jnp.int32(LANES // _WEIGHED_AT_ONCE), weigh, columns)

    def put(block: jax.Array) -> jax.Array:
        return when(strip[IS_VERTICAL], put_rows, when(strip[IS_HORIZONTAL], put_columns, block))

    def put_columns(block: jax.Array) -> jax.Array:
        return _put(columns[:LANES], block, where[PLACE])

    def put_rows(block: jax.Array) -> jax.Array:
        def put_there(rows: jax.Array, block: jax.Array) -> jax.Array:
            wide = with_part(block.reshape(-1, 3 * LANES), rows, (where[PLACE], where[LANE]))
            return wide.reshape(block.shape)

        return put_alone(columns[:LANES].T, put_there, block, strip[IS_VERTICAL])

    columns = when(once, turn_and_weigh, into.columns)
    return into._replace(columns=columns, block=when(once, put, into.block))


def _read_tile(
    pixels: jax.Array, tiles: jax.Array, number: jax.Array, tile: jax.Array
) -> jax.Array:
    """A tile as ``uint8[128, 384]``."""
    where = row_at(tiles, number)
    return _copy_rows(pixels, where, tile, jnp.int32(0))


def _read_as_is(
    pixels: jax.Array, tiles: jax.Array, bounds: jax.Array, block: jax.Array
) -> jax.Array:
    """The tiles of a block whose rows are its positions."""

    def read(t: jax.Array, rows: jax.Array) -> jax.Array:
        where = row_at(tiles, t)
        return _copy_rows(pixels, where, rows, where[PLACE])

    rows = block.reshape(-1, 3 * LANES)
    return lax.fori_loop(bounds[TILE], bounds[AS_IS_END], read, rows).reshape(block.shape)


def _copy_rows(pixels: jax.Array, where: jax.Array, rows: jax.Array, at: jax.Array) -> jax.Array:
    """The rows of a tile, written below one another; the last one again beyond an image's end."""

    def copy(i: jax.Array, rows: jax.Array) -> jax.Array:
        start = where[OFFSET] + jnp.minimum(i, where[LAST_LINE]) * where[STRIDE]
        return _put(part_at(pixels, (start,), (3 * LANES,))[None], rows, at + i)

    return lax.fori_loop(jnp.int32(0), jnp.int32(LANES), copy, rows)


def _add_steps(
    axis: int,
    bounds: jax.Array,
    steps: jax.Array,
    taps: jax.Array,
    positions: jax.Array,
    sums: jax.Array,
) -> jax.Array:
    """Add weighted positions, along an axis of ``uint8[·, ·, L]``, to sums ``int32[O, 3, L]``.

    The bounds are the first of the steps, and the one after the last.
    """
    zero = jnp.int32(0)
    shape = tuple(TERMS if a == axis else n for a, n in enumerate(positions.shape))
    channel = (1, 0)[axis]

    def add(i: jax.Array, sums: jax.Array) -> jax.Array:
        output, position = row_at(steps, i)
        begin = tuple(position if a == axis else zero for a in range(3))
        pixels = part_at(positions, begin, shape).astype(jnp.int32)
        weights = jnp.moveaxis(row_at(taps, i), 1, channel)[..., None]
        total = jnp.sum(pixels * weights, axis=axis, dtype=jnp.int32)[None]
        row = part_at(sums, (output, zero, zero), total.shape)
        return with_part(sums, row + total, (output, zero, zero))

    return lax.fori_loop(bounds[0], bounds[1], add, sums)


def _put(x: jax.Array, into: jax.Array, at: jax.Array) -> jax.Array:
    """Writes rows."""
    return with_part(into, x, (at, jnp.int32(0)))
