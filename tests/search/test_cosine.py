"""cosine_pairs, in every form, against scikit-learn's cosine_similarity in float64."""

import jax
import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from jaxdedup.search import (
    CosinePairs,
    _cosine,
    _devices,
    cosine_pairs,
    iter_cosine_pairs,
)


def planted(count: int, width: int, seed: int = 0) -> np.ndarray:
    """float32[count, width]; a quarter are copies of others with noise of very different size."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((count, width)).astype(np.float32)
    for row in range(1, count, 4):
        noise = rng.standard_normal(width) * rng.choice([0, 1e-7, 0.01, 0.3, 0.5])
        rows[row] = rows[rng.integers(row)] + noise
    return rows


WAYS = {
    "default": {},
    "small tiles": {"tile_pairs": 37**2},
    "bfloat16": {"matrix": True},
    "bfloat16, small tiles": {"matrix": True, "tile_pairs": 37**2},
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict:
    options = dict(WAYS[request.param])
    if request.param != "default":  # which multiplies a few queries in full
        monkeypatch.setattr(_cosine, "_FEW_QUERIES", 0)
    if options.pop("matrix", False):
        for module in (_cosine, _devices):
            monkeypatch.setattr(module, "is_accelerator", lambda device: True)
    return options


def assert_pairs(
    found: CosinePairs, similarities: np.ndarray, threshold: float, self_join: bool
) -> None:
    """Equal, save where scikit-learn's own rounding decides whether the threshold is reached."""
    expected = similarities.astype(np.float32) >= np.float32(threshold)
    if self_join:
        expected = np.triu(expected, 1)
        assert (found.i < found.j).all()
    got = np.zeros(similarities.shape, bool)
    got[found.i, found.j] = True
    assert got.sum() == len(found.i)
    np.testing.assert_allclose(similarities[got != expected], threshold, atol=1e-7, rtol=0)
    np.testing.assert_allclose(found.similarity, similarities[found.i, found.j], atol=1e-7, rtol=0)
    assert (found.similarity >= np.float32(threshold)).all()
    np.testing.assert_array_equal(np.lexsort((found.j, found.i)), np.arange(len(found.i)))
    assert [column.dtype for column in found] == [np.int32, np.int32, np.float32]


@pytest.mark.parametrize("shape", [(0, 5), (1, 5), (2, 1), (37, 3), (149, 64), (300, 200)])
@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.5, 0.9, 1.0])
def test_equals_scikit_learn(shape: tuple[int, int], threshold: float, way: dict) -> None:
    features = planted(*shape)
    similarities = np.zeros((0, 0))
    if len(features):
        similarities = cosine_similarity(features.astype(np.float64))
    assert_pairs(
        cosine_pairs(features, min_similarity=threshold, **way), similarities, threshold, True
    )


@pytest.mark.parametrize("counts", [(1, 1), (3, 150), (150, 3), (100, 120)])
def test_queries_against_a_corpus(counts: tuple[int, int], way: dict) -> None:
    features = planted(sum(counts), 96, seed=1)
    queries, corpus = features[: counts[0]], features[-counts[1] :]
    similarities = cosine_similarity(queries.astype(np.float64), corpus.astype(np.float64))
    for threshold in (-1.0, 0.3, 0.9):
        found = cosine_pairs(queries, corpus, min_similarity=threshold, **way)
        assert_pairs(found, similarities, threshold, False)


@pytest.mark.parametrize("width", [3, 1000, 1024, 10_000])
def test_same_bits_whatever_the_tiles_and_form(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    features = planted(30, width, seed=2)
    results = []
    for matrix in (False, True):
        monkeypatch.setattr(_cosine, "is_accelerator", lambda device, m=matrix: m)
        for tile in (3, 7, 30):
            options = {"tile_pairs": tile**2, "min_similarity": 0.3}
            results.append(cosine_pairs(features, **options))
            swapped = cosine_pairs(features, features, **options)
            upper = swapped.i < swapped.j
            results.append(CosinePairs(*(column[upper] for column in swapped)))
            lower = swapped.i > swapped.j
            order = np.lexsort((swapped.i[lower], swapped.j[lower]))
            np.testing.assert_array_equal(
                swapped.similarity[lower][order], swapped.similarity[upper]
            )
    assert len(results[0].i) > 3
    for result in results:
        for column, expected in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(column, expected)


@pytest.mark.four_devices
@pytest.mark.parametrize("matrix", [False, True])
def test_devices_take_turns(matrix: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cosine, "is_accelerator", lambda device: matrix)
    features = planted(30, 1000, seed=2)
    several, one = (
        cosine_pairs(features, tile_pairs=49, min_similarity=0.3, devices=devices)
        for devices in (None, jax.devices()[:1])
    )
    assert len(one.i) > 3
    for column, expected in zip(several, one, strict=True):
        np.testing.assert_array_equal(column, expected)


@pytest.mark.parametrize("factor", [1, 3, 1e-30, 1e30])
def test_a_threshold_of_one_finds_every_copy(factor: float, way: dict) -> None:
    features = np.random.default_rng(3).random((200, 1024), np.float32)
    both = np.concatenate([features, (features * np.float32(factor))])
    found = cosine_pairs(both, min_similarity=1.0, **way)
    np.testing.assert_array_equal(found.i, np.arange(200))
    np.testing.assert_array_equal(found.j, np.arange(200) + 200)
    np.testing.assert_array_equal(found.similarity, np.ones(200, np.float32))


def test_rows_of_zeros_resemble_nothing() -> None:
    features = np.zeros((3, 4), np.float32)
    features[2] = 1
    assert len(cosine_pairs(features, min_similarity=0.1).i) == 0
    found = cosine_pairs(features, min_similarity=0)
    np.testing.assert_array_equal(found.similarity, [0, 0, 0])


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("threshold", [0.5, 0.9])
def test_sketches_bound_the_similarity(threshold: float, negative: bool) -> None:
    rng = np.random.default_rng(4)
    features = rng.gamma(0.5, size=(200, 256)).astype(np.float32)
    features -= features.mean() if negative else 0
    rows = _cosine._to_rows(features, "features", 200)
    columns = _cosine._choose_columns(rows, rows, 0.9, False)
    exact = cosine_similarity(features.astype(np.float64))
    for low_precision in (False, True):
        for kept in (columns, np.arange(0, 256, 7), np.arange(256)):
            sketch = _cosine._sketch(rows, slice(0, 200), kept)
            bounds, highest = _cosine.bound(sketch, sketch, low_precision=low_precision)
            margin = _cosine.margin(len(kept), low_precision)
            assert (np.asarray(bounds)[:200, :200] >= exact - margin).all()
            np.testing.assert_array_equal(highest, np.asarray(bounds).max(axis=1))
            _, of_later = _cosine.bound(sketch, sketch, same=True, low_precision=low_precision)
            later = np.where(np.triu(np.ones_like(bounds), 1) > 0, bounds, -np.inf)
            np.testing.assert_array_equal(of_later, later.max(axis=1))


def test_isotropic_features_need_few_columns_and_crowded_ones_all() -> None:
    rng = np.random.default_rng(5)
    isotropic = rng.standard_normal((600, 512)).astype(np.float32)
    crowded = isotropic * 0.35 + 1
    for features, most in ((isotropic, 256), (crowded, 512)):
        rows = _cosine._to_rows(features, "features", 2048)
        assert len(_cosine._choose_columns(rows, rows, 0.9, False)) <= most
        similarities = cosine_similarity(features.astype(np.float64))
        assert_pairs(cosine_pairs(features), similarities, 0.9, True)


def test_a_dense_tile_among_sparse_ones() -> None:
    # The sample that decides on the columns meets few of the copies; their tile is full of them.
    rng = np.random.default_rng(6)
    features = rng.standard_normal((1000, 256)).astype(np.float32)
    features[100:130] = features[100] + 0.2 * features[100:130]
    similarities = cosine_similarity(features.astype(np.float64))
    with jax.transfer_guard_host_to_device("disallow"):
        found = cosine_pairs(features, tile_pairs=50**2)
    assert_pairs(found, similarities, 0.9, True)


def test_all_equal_rows_are_refused_or_streamed() -> None:
    features = np.ones((1000, 4), np.float32)
    with pytest.raises(ValueError, match=r"would be about 499,500 pairs.*iter_cosine_pairs\(\)"):
        cosine_pairs(features, max_pairs=100_000)
    pieces = [len(piece.i) for piece in iter_cosine_pairs(features, tile_pairs=10_000)]
    assert sum(pieces) == 499_500
    assert max(pieces) <= 10_000


FEATURES = np.ones((3, 4), np.float32)
NAN = np.array([[1, 2], [3, np.nan], [5, 6]], np.float32)
MISTAKES = [
    (TypeError, "features of dtype float32, got float64", (FEATURES.astype(np.float64),), {}),
    (TypeError, "expected corpus of dtype float32, got uint8", (FEATURES, np.uint8([[1]])), {}),
    (ValueError, r"features of shape \(N, D\), D > 0, got \(3,\)", (FEATURES[:, 0],), {}),
    (ValueError, r"features of shape \(N, D\), D > 0, got \(3, 0\)", (FEATURES[:, :0],), {}),
    (ValueError, r"one length, got \(3, 4\) and \(3, 3\)", (FEATURES, FEATURES[:, :3]), {}),
    (ValueError, "expected finite features, got NaN or infinity in row 1", (NAN,), {}),
    (
        ValueError,
        "expected finite corpus, got NaN or infinity in row 1",
        (FEATURES[:, :2], NAN),
        {},
    ),
    (ValueError, "from -1 to 1, got nan", (FEATURES,), {"min_similarity": float("nan")}),
    (ValueError, "from -1 to 1, got 1.5", (FEATURES,), {"min_similarity": 1.5}),
    (ValueError, "from -1 to 1, got -1.1", (FEATURES,), {"min_similarity": -1.1}),
    (TypeError, "a number from -1 to 1, got True", (FEATURES,), {"min_similarity": True}),
    (TypeError, "a number from -1 to 1, got '0.9'", (FEATURES,), {"min_similarity": "0.9"}),
    (TypeError, "a number from -1 to 1, got None", (FEATURES,), {"min_similarity": None}),
]


@pytest.mark.parametrize(("error", "message", "arguments", "options"), MISTAKES)
def test_mistakes(error: type[Exception], message: str, arguments: tuple, options: dict) -> None:
    with pytest.raises(error, match=message):
        cosine_pairs(*arguments, **options)


@pytest.mark.parametrize("threshold", [1, np.float32(0.9), np.float64(0.9), np.int64(1)])
def test_any_real_number_is_a_threshold(threshold: float) -> None:
    assert len(cosine_pairs(FEATURES, min_similarity=threshold).i) == 3
