"""Which pairs of hashes need comparing at all: multi-index hashing, exact by the pigeonhole.

Cut the bits into m bands. If two hashes differ in at most t = m·s + a bits, then one of the first
a + 1 bands differs in at most s bits or one of the others in at most s − 1. So it is enough to
compare, for each band, those hashes whose keys (bits of that band) are that near. One band without
key bits puts all hashes in one bucket: that is brute force.

Source: Norouzi, Punjani, Fleet, "Fast exact search in Hamming space with multi-index hashing",
2014.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._words import WORD, Words

BLOCK = 64  # hashes that are compared with as many others at once

_BRUTE_FORCE_BELOW = 2**28  # pairs; below, choosing takes longer than comparing
_MAX_RADIUS = 2  # wider balls of keys hold more buckets than there are hashes in them
_MAX_BANDS = 16
_SAMPLE = 2**20  # hashes that tell the cost of a choice


class Band(NamedTuple):
    """The bits ``first`` to ``first + bits`` of a hash, and how many of them may differ.

    There are fewer than 64, and they may begin in one word and end in the next.
    """

    first: int
    bits: int
    radius: int

    def keys(self, words: Words) -> NDArray[np.int64]:
        """The key of each hash in this band."""
        word, shift = divmod(self.first, WORD)
        keys = words[:, word] >> np.uint64(shift)
        if shift + self.bits > WORD:
            keys |= words[:, word + 1] << np.uint64(WORD - shift)
        return (keys & np.uint64(2**self.bits - 1)).astype(np.int64)

    def near(self, differences: Words) -> NDArray[np.bool_]:
        """Whether hashes whose XOR is given would be compared because of this band."""
        return np.bitwise_count(self.keys(differences)) <= self.radius

    def masks(self) -> NDArray[np.int64]:
        """What turns a key into each key within the radius; the first, 0, is the key itself."""
        masks = np.arange(2**self.bits)
        return masks[np.bitwise_count(masks) <= self.radius]


BRUTE_FORCE: tuple[Band, ...] = (Band(0, 0, 0),)


class Work(NamedTuple):
    """Pairs of buckets to compare, each a run of blocks on either side.

    ``first_a`` and ``count_a`` say which blocks of the one side meet which of the other, int64[W].
    Where ``same``, both are the same run and each unordered pair of blocks is wanted once.
    """

    first_a: NDArray[np.int64]
    count_a: NDArray[np.int64]
    first_b: NDArray[np.int64]
    count_b: NDArray[np.int64]
    same: NDArray[np.bool_]

    def sizes(self) -> NDArray[np.int64]:
        """How many pairs of blocks each pair of buckets makes."""
        triangle = self.count_a * (self.count_a + 1) // 2
        return np.where(self.same, triangle, self.count_a * self.count_b)

    def batches(self, size: int) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
        """All pairs of blocks, ``size`` at a time."""
        ends = np.cumsum(self.sizes())
        total = int(ends[-1]) if len(ends) else 0
        for start in range(0, total, size):
            number = np.arange(start, min(start + size, total))
            item = np.searchsorted(ends, number, side="right")
            number -= np.where(item > 0, ends[item - 1], 0)
            round_, a = np.divmod(number, self.count_a[item])
            # Within one run of n blocks, a meets a, a + 1, … a + n/2, counted modulo n: every
            # unordered pair once. Between two runs, b is simply the number of the round.
            b = np.where(self.same[item], (a + round_) % self.count_a[item], round_)
            yield (
                (self.first_a[item] + a).astype(np.int32),
                (self.first_b[item] + b).astype(np.int32),
            )


def blocks_per_bucket(band: Band, words: Words, sample: int | None = None) -> NDArray[np.int64]:
    """How many blocks hold the hashes of each key, by all hashes or some ``sample`` of them."""
    every = 1 if sample is None else 1 | len(words) // sample  # odd: rows may come in eights
    counts = np.bincount(band.keys(words[::every]), minlength=2**band.bits) * every
    return -(-counts // BLOCK)


def bucket_pairs(
    band: Band, blocks_a: NDArray[np.int64], blocks_b: NDArray[np.int64] | None
) -> Work:
    """The pairs of buckets within the band's radius; None means a self-join."""
    self_join = blocks_b is None
    if blocks_b is None:
        blocks_b = blocks_a
    key = np.flatnonzero(blocks_a)
    pairs_a, pairs_b = [], []
    for mask in band.masks():
        partner = key ^ mask
        wanted = blocks_b[partner] > 0
        if self_join:
            wanted &= key <= partner
        pairs_a.append(key[wanted])
        pairs_b.append(partner[wanted])
    a, b = np.concatenate(pairs_a), np.concatenate(pairs_b)
    return Work(
        (np.cumsum(blocks_a) - blocks_a)[a],
        blocks_a[a],
        (np.cumsum(blocks_b) - blocks_b)[b],
        blocks_b[b],
        (a == b) & self_join,
    )


def choose_bands(
    words: Words, corpus: Words | None, width: int, max_distance: int
) -> tuple[Band, ...]:
    """The bands of ``width`` bits that leave the fewest blocks to compare, found by counting.

    Large sets are counted by a part of them: any choice is exact.
    """
    others = words if corpus is None else corpus
    best, least = BRUTE_FORCE, cost(BRUTE_FORCE, words, corpus, _SAMPLE)
    if least * BLOCK**2 < _BRUTE_FORCE_BELOW:
        return best
    wide_enough = max(0, round(np.log2(len(others) / BLOCK)))  # buckets that fill about one block
    fewest, most = max_distance // (_MAX_RADIUS + 1) + 1, min(max_distance + 1, _MAX_BANDS, width)
    for number in range(fewest, most + 1):
        for bits in {min(wide_enough + extra, width // number) for extra in (0, 1)}:
            bands = _bands(number, bits, width, max_distance)
            new = cost(bands, words, corpus, _SAMPLE)
            if new < least:
                best, least = bands, new
    return best


def _bands(number: int, bits: int, width: int, max_distance: int) -> tuple[Band, ...]:
    radius, wider = divmod(max_distance, number)
    radii = [radius if band <= wider else radius - 1 for band in range(number)]
    spacing = width // number
    return tuple(Band(n * spacing, bits, r) for n, r in enumerate(radii) if r >= 0)


def cost(
    bands: tuple[Band, ...], words: Words, corpus: Words | None, sample: int | None = None
) -> int:
    """How many pairs of blocks are compared, by all hashes or some ``sample`` of either side."""
    total = 0
    for band in bands:
        blocks = blocks_per_bucket(band, words, sample)
        if corpus is None:  # each pair of blocks once, a block with itself too
            total += int(blocks @ _within(blocks, band) + blocks.sum()) // 2
        else:
            total += int(blocks @ _within(blocks_per_bucket(band, corpus, sample), band))
    return total


def _within(blocks: NDArray[np.int64], band: Band) -> NDArray[np.int64]:
    """How many blocks hold hashes whose keys are within the radius of each key.

    The keys beside those at a distance r − 1 are at r, each reached from r of them, or at r − 2.
    """
    before, at, total = np.zeros_like(blocks), blocks, blocks
    for radius in range(1, band.radius + 1):
        beside = sum(at.reshape(-1, 2, 2**bit)[:, ::-1].ravel() for bit in range(band.bits))
        before, at = at, (beside - (band.bits - radius + 2) * before) // radius
        total = total + at
    return total
