"""top_k against scikit-learn's nearest neighbours and a stable sort of SciPy's distances."""

import jax
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from jaxdedup.search import _top_k, cosine_top_k, hamming_top_k

COUNTS = [(2, 2), (5, 300), (300, 5), (257, 400)]


@pytest.fixture(params=["default", "small tiles"])
def _tiles(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "small tiles":
        monkeypatch.setattr(_top_k, "_TILE", (31, 7))


def bits_of(count: int, seed: int) -> np.ndarray:
    # Few bits vary: many distances are equal.
    bits = np.random.default_rng(seed).integers(0, 2, (count, 64), dtype=np.uint8)
    bits[:, 12:] = 0
    return bits


@pytest.mark.usefixtures("_tiles")
@pytest.mark.parametrize("counts", COUNTS)
def test_hamming(counts: tuple[int, int]) -> None:
    queries, corpus = bits_of(counts[0], 0), bits_of(counts[1], 1)
    distances = cdist(queries, corpus, "cityblock").astype(int)
    order = np.argsort(distances, axis=1, kind="stable")
    for k in {1, 2, counts[1]}:
        found = hamming_top_k(np.packbits(queries, axis=1), np.packbits(corpus, axis=1), k=k)
        np.testing.assert_array_equal(found.indices, order[:, :k])
        np.testing.assert_array_equal(
            found.distance, np.take_along_axis(distances, order[:, :k], axis=1)
        )
        assert found.indices.dtype == found.distance.dtype == np.int32


@pytest.mark.usefixtures("_tiles")
def test_no_hash_is_its_own_neighbour() -> None:
    bits = bits_of(100, 2)
    distances = cdist(bits, bits, "cityblock").astype(int)
    np.fill_diagonal(distances, 99)
    order = np.argsort(distances, axis=1, kind="stable")
    found = hamming_top_k(np.packbits(bits, axis=1), k=99)
    np.testing.assert_array_equal(found.indices, order[:, :99])


@pytest.mark.usefixtures("_tiles")
@pytest.mark.parametrize("counts", COUNTS)
def test_cosine(counts: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    queries, corpus = (rng.standard_normal((count, 40)).astype(np.float32) for count in counts)
    queries[0] *= 1e30
    corpus[0] *= 1e-12
    k = min(4, counts[1])
    nearest = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute")
    distances, order = nearest.fit(corpus.astype(np.float64)).kneighbors(queries.astype(np.float64))
    found = cosine_top_k(queries, corpus, k=k)
    np.testing.assert_array_equal(found.indices, order)
    np.testing.assert_allclose(found.similarity, 1 - distances, atol=1e-6, rtol=0)


def test_copies_are_similar_to_one() -> None:
    features = np.random.default_rng(4).random((50, 1024), np.float32)
    found = cosine_top_k(np.concatenate([features, 3 * features]), k=1)
    np.testing.assert_array_equal(found.indices[:, 0], np.roll(np.arange(100), 50))
    np.testing.assert_allclose(found.similarity, 1, atol=1e-6)


def test_may_be_jitted() -> None:
    hashes = np.packbits(bits_of(60, 5), axis=1)
    inside = jax.jit(lambda x: hamming_top_k(x, k=3))(hashes)
    np.testing.assert_array_equal(inside.indices, hamming_top_k(hashes, k=3).indices)


HASHES, FEATURES = np.zeros((3, 8), np.uint8), np.ones((3, 4), np.float32)
MISTAKES = [
    (hamming_top_k, (HASHES,), 3, ValueError, "expected k of at most 2, .*got 3"),
    (hamming_top_k, (HASHES, HASHES), 4, ValueError, "expected k of at most 3, .*got 4"),
    (hamming_top_k, (HASHES,), 0, ValueError, "expected k of at least 1, got 0"),
    (hamming_top_k, (HASHES,), True, TypeError, "expected k to be an integer, got bool"),
    (hamming_top_k, (FEATURES,), 1, TypeError, "dtype uint8, got float32"),
    (cosine_top_k, (HASHES,), 1, TypeError, "dtype float32, got uint8"),
    (cosine_top_k, (FEATURES, FEATURES[:, :2]), 1, ValueError, "rows of one length"),
]


@pytest.mark.parametrize(("function", "arguments", "k", "error", "message"), MISTAKES)
def test_mistakes(function, arguments, k, error, message) -> None:
    with pytest.raises(error, match=message):
        function(*arguments, k=k)
