"""Rates of the benchmark of robustness, against scikit-learn's and SciPy's."""

import numpy as np
import pytest
from scipy.stats import bootstrap
from sklearn.metrics import roc_curve

from benchmarks._rates import Sample, false_rate, judged, negatives, recall, threshold_at

EDITS, SOURCES, TILES = 3, 40, 2


@pytest.fixture(scope="module")
def sample() -> Sample:
    rng = np.random.default_rng(0)
    sources = np.repeat(np.arange(SOURCES), TILES)
    distances = rng.binomial(64, 0.4, (EDITS, len(sources), len(sources))).astype(np.uint16)
    tiles = np.arange(len(sources))
    distances[:, tiles, tiles] = rng.binomial(64, 0.25, (EDITS, len(sources)))
    return Sample(distances, sources)


@pytest.mark.parametrize("threshold", [12, 16, 20])
def test_rates_are_those_of_scikit_learn(sample: Sample, threshold: int) -> None:
    copy = np.broadcast_to(np.eye(len(sample.sources), dtype=bool), sample.distances.shape)
    counted = copy | (sample.sources[:, None] != sample.sources)
    false, true, scores = roc_curve(
        copy[counted], -sample.distances[counted].astype(float), drop_intermediate=False
    )
    at = np.flatnonzero(scores >= -threshold)[-1]
    part = judged(sample, threshold)
    assert negatives(sample).rate[threshold] == pytest.approx(false[at])
    assert false_rate([part]).value == pytest.approx(false[at], rel=0.005)  # of three digits
    assert recall([part], list(range(EDITS))).value == pytest.approx(true[at], rel=0.005)


def test_pairs_of_sources_are_counted_once(sample: Sample) -> None:
    near = sample.distances.min(0) <= 15
    pairs = {
        tuple(sorted((int(sample.sources[i]), int(sample.sources[j]))))
        for i, j in np.argwhere(near)
        if sample.sources[i] != sample.sources[j]
    }
    assert negatives(sample).pairs[15] == len(pairs)


def test_threshold_is_the_greatest_below_the_rate(sample: Sample) -> None:
    threshold = threshold_at(sample, 0.01)
    assert threshold is not None
    assert negatives(sample).rate[threshold] <= 0.01 < negatives(sample).rate[threshold + 1]
    assert threshold_at(sample, 1e-9) is None


def test_the_interval_is_that_of_scipy(sample: Sample) -> None:
    part = judged(sample, 16)
    share = part.found.sum(0) / (EDITS * TILES)
    theirs = bootstrap((share,), np.mean, method="percentile", n_resamples=9999, rng=0)
    ours = recall([part], list(range(EDITS)))
    assert ours[1:] == pytest.approx(theirs.confidence_interval, abs=0.015)
