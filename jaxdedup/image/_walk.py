"""One program that resizes images of any sizes: a Pallas kernel that walks over tiles, for TPUs.

It visits the tiles of a call (see `_tiles`) one after another, row by row of an image. A tile is
multiplied with the weights of its columns; what the tiles of a *band* of rows come to is rounded
and waits until four bands are there, 128 rows, to be multiplied with the weights of those. All that
is in between stays in fast memory. The slabs of weights are expanded into matrices of limbs
(`_limbs.py`), once for each chunk.
"""

import functools
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from ._fixed_point import round_sums
from ._limbs import LIMBS, ZERO_POINT, join, limbs
from ._luma import luma_of
from ._profiles import Profile
from ._tiles import FED, GROUP, LANES, ROWS, STEP, Bit, Capacity, Tables


def runs_on(device: jax.Device) -> bool:
    """Whether the kernel can be compiled for a device: TPUs multiply int8 from their version 5 on.

    Elsewhere, flat buffers of `_steps` serve.
    """
    return device.platform == "tpu" and re.match(r"TPU v[234]\b", device.device_kind) is None


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
    groups = -(-max(size) // GROUP)
    planes = tiles.transpose(0, 3, 1, 2).reshape(-1, 3 * ROWS, LANES)  # a TPU's own layout
    walk = functools.partial(_call, groups, capacity, luma)
    resized = lax.platform_dependent(
        *tables[:3], planes, tpu=walk(), default=walk(interpret=interpret)
    )
    if luma is None:  # lanes are 32 columns of each channel, and an unused quarter
        resized = resized.reshape(-1, groups, groups, GROUP, 4, 32)[..., :3, :]
        resized = resized.transpose(0, 1, 3, 2, 5, 4).reshape(-1, groups * 32, groups * 32, 3)
    else:  # lanes are 128 columns
        resized = resized.swapaxes(2, 3).reshape(-1, groups * 32, resized.shape[2] * LANES)
    resized = resized[:, : max(size), : max(size)]
    swapped = tables.swapped.reshape(-1, *(1,) * (resized.ndim - 1))
    return jnp.where(swapped, resized.swapaxes(1, 2), resized)[:, : size[0], : size[1]]


def _call(groups: int, capacity: Capacity, luma: Profile | None, **options: Any) -> Any:
    """The kernel over all steps of all chunks, which gives each image in blocks of outputs."""

    def resize_step(*references: Any) -> None:
        _Walk(groups, luma, *references).run()

    steps = capacity.tiles // STEP
    blocks = (groups, groups if luma is None else -(-groups // 4))
    return pl.pallas_call(
        resize_step,
        grid=(capacity.chunks, steps),
        in_specs=[
            pl.BlockSpec((1, 4, capacity.tiles), lambda k, i: (k, 0, 0), memory_space=pltpu.SMEM),
            pl.BlockSpec((1, 4, capacity.slabs), lambda k, i: (k, 0, 0), memory_space=pltpu.SMEM),
            pl.BlockSpec((1, capacity.slabs, FED, LANES), lambda k, i: (k, 0, 0, 0)),
            pl.BlockSpec((STEP, 3 * ROWS, LANES), lambda k, i: (k * steps + i, 0, 0)),
        ],
        out_specs=pl.BlockSpec(memory_space=pl.ANY),
        out_shape=jax.ShapeDtypeStruct(  # type: ignore[no-untyped-call]
            (capacity.images, *blocks, GROUP, LANES), jnp.uint8
        ),
        scratch_shapes=[
            pltpu.VMEM((capacity.slabs * groups, LIMBS * GROUP, LANES), jnp.int8),
            pltpu.VMEM((groups, GROUP, LANES), jnp.int32),
            pltpu.VMEM((groups, 3 * GROUP, LANES), jnp.int32),
            pltpu.VMEM((groups, groups, GROUP, LANES), jnp.int32),
            pltpu.VMEM((*blocks, GROUP, LANES), jnp.uint8),
            pltpu.SemaphoreType.DMA,
        ],
        compiler_params=pltpu.CompilerParams(
            dimension_semantics=("arbitrary", "arbitrary"), vmem_limit_bytes=48 << 20
        ),
        **options,
    )


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

        first = step * STEP
        lax.fori_loop(jnp.int32(0), jnp.int32(STEP), lambda i, _: self.visit(i, first + i), None)

    def expand(self, matrix: jax.Array, _: None) -> None:
        """A matrix out of its slabs, in limbs."""
        first, stop, group, groups_stop = (self.matrix_table[0, i, matrix] for i in range(4))

        def expand_group(group: jax.Array, _: None) -> None:
            output = lax.broadcasted_iota(jnp.int32, (GROUP, LANES), 0) + group * GROUP

            def add_slab(slab: jax.Array, weights: jax.Array) -> jax.Array:
                taps = self.slabs[0, slab]
                fed = output - lax.shift_right_logical(taps[:1], 24)
                for i in range(FED):
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
        grey = bits & Bit.GREY != 0

        @pl.when(bits & Bit.FIRST_OF_BAND != 0)
        def begin_band() -> None:
            self.band_sums[...] = jnp.zeros_like(self.band_sums)

        @pl.when(bits & Bit.USED != 0)
        def multiply_columns() -> None:
            pixels = self.tiles[i].astype(jnp.int32)

            def add(group: jax.Array) -> None:
                self.band_sums[group] += self.multiply(columns, group, pixels)

            self.each_group(add, columns)

        @pl.when(bits & Bit.LAST_OF_BAND != 0)
        def end_band() -> None:
            self.each_group(lambda group: self.keep_band(group, bits >> Bit.BAND, grey))

        @pl.when(bits & Bit.FIRST_OF_ROWS != 0)
        def begin_image() -> None:
            self.sums[...] = jnp.zeros_like(self.sums)

        @pl.when(bits & Bit.LAST_OF_ROWS != 0)
        def multiply_rows() -> None:
            self.each_group(lambda column_group: self.add_rows(column_group, row_matrix))

        @pl.when(bits & Bit.LAST_OF_IMAGE != 0)
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
        constant = jnp.full((GROUP, LANES), -ZERO_POINT, jnp.int32)
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
            at = group, slice(channel * GROUP, (channel + 1) * GROUP)
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
        lumas = jnp.zeros((GROUP, LANES), jnp.int32)
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
    return lax.broadcasted_iota(jnp.int32, (GROUP, LANES), 1) >> 5


def _rounded(total: jax.Array) -> jax.Array:
    """Sums as pixels; the last lane has the products with the zero point."""
    return round_sums(total - total[:, LANES - 1 :]).astype(jnp.int32)
