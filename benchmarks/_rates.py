"""Recall and false positives of a method, at thresholds, with intervals over sources.

``D`` is ``uint16[E, T, T]``: after edit ``e``, how far the copy of tile ``j`` is from tile ``i``.
Copies of one tile are on the diagonals; tiles of two sources are negative pairs; different tiles of
one source are neither. Tiles come source by source.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Distances = NDArray[np.uint16]
FEWEST = 10  # pairs of sources that a rate of false positives stands on, at least
RESAMPLES = 1000


class Sample(NamedTuple):
    """How far apart the tiles of some sources are, and whose they are."""

    distances: Distances
    sources: NDArray[np.intp]  # of each tile

    def part(self, chosen: NDArray[np.bool_]) -> "Sample":
        """The tiles of the sources that are chosen."""
        tiles = np.flatnonzero(chosen[self.sources])
        _, sources = np.unique(self.sources[tiles], return_inverse=True)
        return Sample(self.distances[:, tiles][:, :, tiles], sources)

    @property
    def copies(self) -> Distances:
        """The distances of the copies, ``[E, T]``."""
        return np.diagonal(self.distances, axis1=1, axis2=2)


class Negatives(NamedTuple):
    """The rate of false positives at each threshold, and how many pairs of sources have some."""

    rate: NDArray[np.float64]
    pairs: NDArray[np.intp]


def negatives(sample: Sample) -> Negatives:
    """Of all pairs of tiles of two sources, for every threshold from 0."""
    different = sample.sources[:, None] != sample.sources
    least = by_source(sample.distances.min(0), sample.sources, np.minimum)
    least = np.minimum(least, least.T)[np.triu_indices(len(least), 1)]
    size = int(sample.distances.max()) + 1
    counts = sum(np.bincount(d[different], minlength=size) for d in sample.distances)
    pairs = np.cumsum(np.bincount(least, minlength=size))
    return Negatives(np.cumsum(counts) / counts.sum(), pairs)


def by_source(tiles: NDArray, sources: NDArray[np.intp], join: np.ufunc) -> NDArray:
    """From ``[T, T]`` to ``[S, S]``."""
    starts = np.searchsorted(sources, np.arange(sources.max() + 1))
    return join.reduceat(join.reduceat(tiles, starts, axis=0), starts, axis=1)


def threshold_at(sample: Sample, rate: float) -> int | None:
    """The greatest threshold with no more false positives; None where too few sources have any."""
    found = negatives(sample)
    threshold = int(np.searchsorted(found.rate, rate, side="right")) - 1
    return threshold if threshold >= 0 and found.pairs[threshold] >= FEWEST else None


class Judged(NamedTuple):
    """What a threshold finds: of each source, copies found, and false pairs by pair of sources."""

    found: NDArray[np.int64]  # [E, S]
    tiles: NDArray[np.int64]  # [S]
    false: NDArray[np.int64]  # [S, S]
    pairs: NDArray[np.int64]  # [S, S]


def judged(sample: Sample, threshold: int) -> Judged:
    """Count, by source, what a threshold finds."""
    near = sample.distances <= threshold
    tiles = np.bincount(sample.sources)
    starts = np.searchsorted(sample.sources, np.arange(len(tiles)))
    found = np.add.reduceat(np.diagonal(near, axis1=1, axis2=2), starts, axis=1, dtype=np.int64)
    false = by_source(near.sum(0), sample.sources, np.add)
    pairs = len(near) * np.outer(tiles, tiles)
    for counts in (false, pairs):
        np.fill_diagonal(counts, 0)
    return Judged(found, tiles, false, pairs)


class Estimate(NamedTuple):
    """A share, and the interval that 95 % of the resamples lie in."""

    value: float
    low: float
    high: float


def recall(parts: list[Judged], edits: list[int]) -> Estimate:
    """The mean over these edits of the share of copies that are found."""
    found = np.concatenate([part.found[edits].sum(0) for part in parts])
    tiles = np.concatenate([part.tiles for part in parts]) * len(edits)
    weights = resamples(len(tiles))
    return estimate(found.sum() / tiles.sum(), weights @ found / (weights @ tiles))


def false_rate(parts: list[Judged]) -> Estimate:
    """The share of negative pairs that are found; pairs are of sources that are both resampled."""
    false, pairs = np.zeros(RESAMPLES), np.zeros(RESAMPLES)
    for seed, part in enumerate(parts):
        weights = resamples(len(part.tiles), seed)
        false += np.einsum("rs,rs->r", weights @ part.false, weights)
        pairs += np.einsum("rs,rs->r", weights @ part.pairs, weights)
    value = sum(p.false.sum() for p in parts) / sum(p.pairs.sum() for p in parts)
    return estimate(value, false / pairs)


def resamples(sources: int, seed: int = 0) -> NDArray[np.float64]:
    """How often each source is in each resample, ``[RESAMPLES, S]``."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(sources, np.full(sources, 1 / sources), RESAMPLES).astype(float)


def estimate(value: float, resampled: NDArray[np.float64]) -> Estimate:
    return Estimate(*map(rounded, (value, *np.quantile(resampled, (0.025, 0.975)))))


def rounded(value: float) -> float:
    """Three digits: more would say more than the intervals."""
    return float(f"{value:.3g}")
