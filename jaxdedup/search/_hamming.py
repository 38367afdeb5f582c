"""Pairs of packed hashes within a Hamming distance.

The device only says which hashes of a block have a neighbour in another block: one byte for 64
comparisons. The host lists the neighbours themselves, which are few. So no matrix of distances is
ever written, and memory is bounded by the tile, the hashes and the result.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial, reduce
from operator import add
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from numpy.typing import NDArray

from jaxdedup.runtime import integer_within, positive

from ._bands import BLOCK, Band, blocks_per_bucket, bucket_pairs, choose_bands, cost
from ._checks import check_hashes
from ._devices import devices_for, is_accelerator, power_of_two, stream
from ._one_hash import Packed
from ._pairs import DEFAULT_MAX_PAIRS, HammingPairs, Indices, collect
from ._scan import scan
from ._words import Words, count_bits, distance_type, to_words, where

# Comparisons at a time, on a CPU and elsewhere, where a call takes longer than what it asks for.
_TILE_PAIRS = 2**24, 2**27

Tile = tuple[NDArray[np.int32], NDArray[np.int32]]  # blocks of either side, pair by pair

_FEW_QUERIES = 2**12

_HOST_ROWS = 2**20 // BLOCK  # rows of blocks that the host lists at a time


class _Blocks(NamedTuple):
    """Hashes sorted by their key and cut into blocks; each bucket starts a new block."""

    rows: Indices  # int32[blocks, BLOCK]: which hash; −1 fills up
    words: Words  # uint64[blocks, BLOCK, w]


def hamming_pairs(
    hashes: ArrayLike,
    corpus: ArrayLike | None = None,
    *,
    max_distance: int = 10,
    max_pairs: int = DEFAULT_MAX_PAIRS,
    tile_pairs: int | None = None,
    devices: Sequence[jax.Device] | None = None,
) -> HammingPairs:
    """Finds all pairs of hashes that differ in at most ``max_distance`` bits.

    Equals a comparison of every hash with every other, exactly, on every device and for every
    size of the tiles. Where an index by bands leaves fewer comparisons, it is used.

    Args:
        hashes: uint8[N, b], packed, b of at least 1.
        corpus: uint8[M, b] to search ``hashes`` in; None finds the pairs within ``hashes``.
        max_distance: 0 to 8·b bits, inclusive.
        max_pairs: the most pairs to return; more are an error that says how many there are.
        tile_pairs: comparisons that a device makes at a time; it needs about a byte for four. By
            default some as suit it.
        devices: take turns with the tiles; by default those that hold ``hashes`` if it is a
            jax.Array, and all local devices otherwise.

    Returns:
        Pairs sorted by (i, j), with distances in uint8, or in uint16 where hashes have more than
        255 bits. ``i`` counts ``hashes``; ``j`` counts ``corpus``, or ``hashes`` where there is
        none: then i < j, every pair is there once and no hash is paired with itself.

    Raises:
        TypeError: hashes are not uint8, or a number is not an integer (bool is none).
        ValueError: a shape other than (N, b), two widths, a distance out of range, too many pairs.

    Example:
        >>> import numpy as np
        >>> hashes = np.array([[0] * 8, [255] * 8, [0] * 7 + [3]], np.uint8)
        >>> i, j, distance = hamming_pairs(hashes, max_distance=10)
        >>> i.tolist(), j.tolist(), distance.tolist()
        ([0], [2], [2])
    """
    max_pairs = positive("max_pairs", max_pairs)
    found = iter_hamming_pairs(
        hashes, corpus, max_distance=max_distance, tile_pairs=tile_pairs, devices=devices
    )
    none = np.zeros(0, np.int32)
    nothing = HammingPairs(none, none, none.astype(distance_type(8 * np.shape(hashes)[1])))
    return collect(found, lambda piece: piece, nothing, max_pairs)


def iter_hamming_pairs(
    hashes: ArrayLike,
    corpus: ArrayLike | None = None,
    *,
    max_distance: int = 10,
    tile_pairs: int | None = None,
    devices: Sequence[jax.Device] | None = None,
    on_progress: Callable[[float], object] | None = None,
) -> Iterator[HammingPairs]:
    """Yields what :func:`hamming_pairs` finds piece by piece, for results too large to hold.

    Args:
        hashes: uint8[N, b], packed.
        corpus: uint8[M, b] or None, as in :func:`hamming_pairs`.
        max_distance: 0 to 8·b bits, inclusive.
        tile_pairs: as in :func:`hamming_pairs`.
        devices: as in :func:`hamming_pairs`.
        on_progress: called with the share of the work that is done, 0 to 1, now and then.

    Returns:
        An iterator of pieces of at most 1,048,576 pairs. Every pair is in one of them, once; the
        order of the pairs depends on ``tile_pairs``. Arguments are checked at once, not at the
        first piece.

    Raises:
        TypeError: as in :func:`hamming_pairs`.
        ValueError: as in :func:`hamming_pairs`.

    Example:
        >>> import numpy as np
        >>> sum(len(piece.i) for piece in iter_hamming_pairs(np.zeros((100, 8), np.uint8)))
        4950
    """
    width = check_hashes(hashes, corpus)
    distance = integer_within("max_distance", max_distance, 0, width)
    devices = devices or devices_for(hashes)
    if tile_pairs is None:
        tile_pairs = _TILE_PAIRS[is_accelerator(devices[0])]
    batch = max(1, positive("tile_pairs", tile_pairs) // BLOCK**2)
    if corpus is not None and np.shape(hashes)[0] <= _FEW_QUERIES:
        return _scan(np.asarray(hashes), np.asarray(corpus), distance, devices[0])
    words = to_words(hashes)
    others = None if corpus is None else to_words(corpus)
    return _search(words, others, width, distance, batch, devices, on_progress)


def _scan(
    hashes: Packed, corpus: Packed, max_distance: int, device: jax.Device
) -> Iterator[HammingPairs]:
    """Compares a few hashes with all of a corpus, which takes less time than sorting that."""
    limits = np.full(len(hashes), max_distance + 1)
    dtype = distance_type(8 * hashes.shape[1])
    for query, row, distance in scan(hashes, corpus, limits, device):
        yield HammingPairs(query.astype(np.int32), row.astype(np.int32), distance.astype(dtype))


def _search(
    words: Words,
    corpus: Words | None,
    width: int,
    max_distance: int,
    batch: int,
    devices: Sequence[jax.Device],
    on_progress: Callable[[float], object] | None,
) -> Iterator[HammingPairs]:
    if len(words) == 0 or (corpus is not None and len(corpus) == 0):
        return
    bands = choose_bands(words, corpus, width, max_distance)
    costs = [cost((band,), words, corpus) for band in bands] if on_progress else []
    for number, band in enumerate(bands):
        found = _search_band(words, corpus, band, max_distance, batch, devices)
        for pairs, differences, share in found:
            # Pairs that are near in several bands turn up in each: the first one keeps them.
            new = np.ones(len(pairs.i), bool)
            for earlier in bands[:number]:
                new &= ~earlier.near(differences)
            distance = pairs.distance[new].astype(distance_type(width), copy=False)
            yield HammingPairs(pairs.i[new], pairs.j[new], distance)
            if on_progress:
                on_progress((sum(costs[:number]) + share * costs[number]) / sum(costs))
    if on_progress:
        on_progress(1)


def _search_band(
    words: Words,
    corpus: Words | None,
    band: Band,
    max_distance: int,
    batch: int,
    devices: Sequence[jax.Device],
) -> Iterator[tuple[HammingPairs, Words, float]]:
    """Pairs that are near in a band, their differences, and the share of the band that is done."""
    blocks_a = blocks_per_bucket(band, words)
    blocks_b = None if corpus is None else blocks_per_bucket(band, corpus)
    work = bucket_pairs(band, blocks_a, blocks_b)
    side_a = _pack(words, band, blocks_a)
    side_b = side_a if corpus is None or blocks_b is None else _pack(corpus, band, blocks_b)
    total, done = int(work.sizes().sum()), 0
    size = min(batch, power_of_two(total))
    self_join = corpus is None
    tiles = _compare(side_a, side_b, work.batches(size), size, self_join, devices)
    for (a, b), nearest in tiles:
        block, slot = where(np.asarray(nearest)[: len(a)] <= max_distance)
        filling = side_a.rows[a[block], slot] < 0
        block, slot = block[~filling], slot[~filling]
        done += len(a)
        for start in range(0, len(block), _HOST_ROWS):
            part = slice(start, start + _HOST_ROWS)
            row = (a[block[part]], slot[part])
            found = _list_pairs(side_a, side_b, row, b[block[part]], max_distance, self_join)
            yield *found, done / total


def _compare(
    side_a: _Blocks,
    side_b: _Blocks,
    tiles: Iterator[Tile],
    size: int,
    self_join: bool,
    devices: Sequence[jax.Device],
) -> Iterator[tuple[Tile, jax.Array]]:
    """Tiles of up to ``size`` pairs of blocks, and how near the hashes of each come."""
    sides = _halves(side_a), _halves(side_b)
    on_device = {device: jax.device_put(sides, device) for device in devices}

    def launch(tile: Tile, device: jax.Device) -> jax.Array:
        padded = [np.pad(blocks, (0, size - len(blocks))) for blocks in tile]
        placed = jax.device_put(padded, device)
        return _nearest(*on_device[device], *placed, self_join=self_join)

    return stream(tiles, launch, devices)


def _pack(words: Words, band: Band, blocks: NDArray[np.int64]) -> _Blocks:
    keys = band.keys(words)
    order = _order(keys, band.bits)
    keys = keys[order]
    first_hash = np.searchsorted(keys, np.arange(2**band.bits))
    first_block = np.cumsum(blocks) - blocks
    place = first_block[keys] * BLOCK + np.arange(len(words)) - first_hash[keys]
    # A power of two, so that data of many sizes shares one compiled program.
    shape = power_of_two(int(blocks.sum())), BLOCK
    rows = np.full(shape, -1, np.int32)
    rows.flat[place] = order
    # What fills up a block repeats its first hash: no row seems near for the filling alone.
    packed = words[np.where(rows < 0, rows[:, :1], rows)]
    return _Blocks(rows, packed)


def _order(keys: NDArray[np.int64], bits: int) -> NDArray[np.intp]:
    """A stable one. NumPy sorts 16 bits digit by digit, several times as fast as more."""
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    if bits > 16:
        order = order[np.argsort((keys >> 16)[order].astype(np.uint16), kind="stable")]
    return order


def _halves(blocks: _Blocks) -> tuple[NDArray[np.uint32], ...]:
    """2·w halves of words, uint32[blocks, BLOCK] each: without x64 there are no whole ones."""
    return tuple(np.ascontiguousarray(np.moveaxis(blocks.words.view(np.uint32), -1, 0)))


Halves = tuple[jax.Array, ...]


@partial(jax.jit, static_argnames="self_join")
def _nearest(
    side_a: Halves,
    side_b: Halves,
    a: jax.Array,
    b: jax.Array,
    *,
    self_join: bool,
) -> jax.Array:
    """For each hash of the blocks ``a`` the distance to the nearest one of the blocks ``b``.

    uint8[K, BLOCK] for K pairs of blocks, or uint16 where bytes don't hold what is farther than
    all; the sides are halves of words. In a self-join no hash counts as its own neighbour.
    """
    return lax.platform_dependent(
        tuple(half[a] for half in side_a),
        tuple(half[b] for half in side_b),
        (a == b) & self_join,
        cpu=_nearest_by_counting,
        default=_nearest_at_once,
    )


def _nearest_by_counting(halves_a: Halves, halves_b: Halves, same: jax.Array) -> jax.Array:
    """Compares with one hash of each block ``b`` after the other, and leaves out itself."""
    dtype = _type_with_room(halves_a)
    place = jnp.arange(BLOCK)[None]
    by_turns = [half.T[:, :, None] for half in halves_b]

    def compare(turn: int, least: jax.Array) -> jax.Array:
        counts = (
            lax.population_count(half ^ others[turn])
            for half, others in zip(halves_a, by_turns, strict=True)
        )
        distance = jnp.where(
            same[:, None] & (place == turn), _far(dtype), reduce(add, counts).astype(dtype)
        )
        return jnp.minimum(least, distance)

    return lax.fori_loop(0, BLOCK, compare, jnp.full_like(halves_a[0], _far(dtype), dtype))


def _nearest_at_once(halves_a: Halves, halves_b: Halves, same: jax.Array) -> jax.Array:
    """The same as one reduction, which accelerators fuse: no distance leaves their registers.

    Products of ±1 in their matrix units would be written to memory, and that takes longer.
    """
    dtype = _type_with_room(halves_a)
    counts = (
        lax.population_count(half[:, None] ^ other[:, :, None])
        for half, other in zip(halves_a, halves_b, strict=True)
    )
    itself = same[:, None, None] & jnp.eye(BLOCK, dtype=bool)[None]
    return jnp.where(itself, _far(dtype), reduce(add, counts).astype(dtype)).min(axis=1)


def _type_with_room(halves: Halves) -> Any:
    """What holds the distances, and one more."""
    return distance_type(32 * len(halves) + 1)


def _far(dtype: Any) -> jax.Array:
    return jnp.array(np.iinfo(dtype).max, dtype)


def _list_pairs(
    side_a: _Blocks,
    side_b: _Blocks,
    row: tuple[NDArray[np.int32], NDArray[np.int64]],
    block_b: NDArray[np.int32],
    max_distance: int,
    self_join: bool,
) -> tuple[HammingPairs, Words]:
    """The pairs of single hashes in ``row`` with whole blocks, and the XOR of each pair."""
    difference = side_a.words[row][:, None] ^ side_b.words[block_b]
    distance = count_bits(difference)
    hit, slot = where(distance <= max_distance)
    i = side_a.rows[row][hit]
    j = side_b.rows[block_b[hit], slot]
    wanted = (i >= 0) & (j >= 0)
    if self_join:
        # A block that meets itself holds each pair twice, and each hash with itself.
        wanted &= (row[0][hit] != block_b[hit]) | (i < j)
        i, j = np.minimum(i, j), np.maximum(i, j)
    hit, slot = hit[wanted], slot[wanted]
    pairs = HammingPairs(i[wanted], j[wanted], distance[hit, slot])
    return pairs, difference[hit, slot]
