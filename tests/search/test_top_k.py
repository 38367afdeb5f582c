"""top_k against stable sorts: of SciPy's distances, and of what cosine_pairs finds."""

import math
import re
from collections.abc import Callable

import jax
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from jaxdedup.search import (
    _group_bounds,
    _nearest_hashes,
    _nearest_rows,
    _on_accelerator,
    _one_hash,
    _products,
    _scan,
    _traced_top_k,
    cosine_pairs,
    cosine_top_k,
    hamming_top_k,
)

COUNTS = [(2, 2), (5, 300), (300, 5), (257, 400)]

WAYS = [
    "on the host",
    "on the host, in pieces",
    "on the host, by a program",
    "on the device",
    "traced",
    "by an accelerator",
    "traced, small tiles",
    "traced, small groups",
]


@pytest.fixture(params=WAYS)
def traced(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Takes one way of all; whether it is that of programs."""
    if request.param == "on the host, in pieces":
        monkeypatch.setattr(_one_hash, "_HOST_WORDS", 37)
        monkeypatch.setattr(_one_hash, "_PIECE", 2**11)
        monkeypatch.setattr(_one_hash, "_STEP", 32)
    if request.param == "on the host, by a program":
        monkeypatch.setattr(_one_hash, "_PIECE", 2**12)
        monkeypatch.setattr(_one_hash, "_FEWEST", (128, 128))
        monkeypatch.setattr(_one_hash, "_STEP", 32)
        monkeypatch.setattr(_one_hash, "_WORTH_COMPILING", 0)
    if request.param == "on the device":
        monkeypatch.setattr(_scan, "_FEW_QUERIES", 0)
        monkeypatch.setattr(_scan, "_FEW_PAIRS", 0)
        monkeypatch.setattr(_scan, "_GROUPS", 2)
        monkeypatch.setattr(_scan, "_BYTES", 2**12)
        monkeypatch.setattr(_nearest_hashes, "_SAMPLE", 64)
    if request.param == "by an accelerator":
        monkeypatch.setattr(_scan, "_FEW_QUERIES", 0)
        monkeypatch.setattr(_scan, "_FEW_PAIRS", 0)
        monkeypatch.setattr(_on_accelerator, "_BYTES", 2**10)
        monkeypatch.setattr(_nearest_hashes, "is_accelerator", lambda device: True)
    if request.param == "traced, small tiles":
        monkeypatch.setattr(_traced_top_k, "_TILE", (31, 7))
    if request.param == "traced, small groups":
        monkeypatch.setattr(_traced_top_k, "_TILE", (31, 97))
        monkeypatch.setattr(_traced_top_k, "_GROUP", 4)
    return request.param.startswith("traced")


def bits_of(count: int, seed: int, width: int = 64) -> np.ndarray:
    # Few bits vary: many distances are equal.
    bits = np.random.default_rng(seed).integers(0, 2, (count, width), dtype=np.uint8)
    bits[:, 12:] = 0
    return bits


def assert_nearest_hashes(
    queries: np.ndarray, corpus: np.ndarray | None, k: int, traced: bool = False
) -> None:
    """The arrays hold bits."""
    distances = cdist(queries, queries if corpus is None else corpus, "cityblock").astype(int)
    if corpus is None:
        np.fill_diagonal(distances, queries.shape[1] + 1)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    packed = [None if bits is None else np.packbits(bits, axis=1) for bits in (queries, corpus)]
    search = jax.jit(hamming_top_k, static_argnames="k") if traced else hamming_top_k
    with jax.transfer_guard_host_to_device("allow" if traced else "disallow"):
        found = search(*packed, k=k)
    np.testing.assert_array_equal(found.indices, order)
    np.testing.assert_array_equal(found.distance, np.take_along_axis(distances, order, axis=1))
    assert found.indices.dtype == found.distance.dtype == np.int32
    assert isinstance(found.indices, jax.Array if traced else np.ndarray)


@pytest.mark.parametrize("counts", COUNTS)
def test_hashes(counts: tuple[int, int], traced: bool) -> None:
    queries, corpus = bits_of(counts[0], 0), bits_of(counts[1], 1)
    for k in {1, 2, counts[1]}:
        assert_nearest_hashes(queries, corpus, k, traced)


def test_no_hash_is_its_own_neighbour(traced: bool) -> None:
    assert_nearest_hashes(bits_of(100, 2), None, 99, traced)


@pytest.mark.parametrize("width", [8, 48, 144, 256, 1024])
def test_hashes_of_any_width(width: int, traced: bool) -> None:
    rng = np.random.default_rng(width)
    corpus = rng.integers(0, 2, (500, width), dtype=np.uint8)
    queries = corpus[:20] ^ (rng.random((20, width)) < 0.1)
    queries[0] = 1 - corpus[0]  # 0 and 256 must not be the same
    assert_nearest_hashes(queries, corpus, 20, traced)


def test_hashes_that_are_views(traced: bool) -> None:
    bits = bits_of(500, 6)
    apart = np.repeat(np.packbits(bits, axis=1), 2, axis=1)[:, ::2]
    search = jax.jit(hamming_top_k, static_argnames="k") if traced else hamming_top_k
    order = np.argsort(cdist(bits[:20], bits, "cityblock"), axis=1, kind="stable")[:, :5]
    np.testing.assert_array_equal(search(apart[:20], apart, k=5).indices, order)


def test_hashes_that_come_nearer_and_equal_ones(traced: bool) -> None:
    nearer = np.tril(np.ones((600, 64), np.uint8), -540)[::-1]
    for corpus in (nearer, nearer[::-1], np.ones((600, 64), np.uint8)):
        assert_nearest_hashes(np.zeros((40, 64), np.uint8), corpus, 10, traced)


def all_similarities(queries: np.ndarray, corpus: np.ndarray) -> np.ndarray:
    i, j, similarity = cosine_pairs(queries, corpus, min_similarity=-1)
    similarities = np.empty((len(queries), len(corpus)), np.float32)
    similarities[i, j] = similarity
    return similarities


def planted(count: int, width: int, seed: int) -> np.ndarray:
    """float32[count, width]: copies of the first row, multiples of all sizes, zeros."""
    rows = np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)
    rows[::3] = rows[0]
    rows[1::7] *= np.float32(1e-30)
    rows[2::9] *= np.float32(1e30)
    rows[5::11] = 0
    return rows


@pytest.fixture(params=["one tile", "small tiles", "each core", "by groups", "by an accelerator"])
def _every_product(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "small tiles":
        monkeypatch.setattr(_products, "_PRODUCTS", 2**9)
        monkeypatch.setattr(_products, "_FEWEST_ROWS", 2**5)
        monkeypatch.setattr(_nearest_rows, "_GROUPS", 8)
        monkeypatch.setattr(_nearest_rows, "_UNDECIDED", 50)
    if request.param == "by groups":
        monkeypatch.setattr(_group_bounds, "_FEWEST_QUERIES", 0)
        monkeypatch.setattr(_group_bounds, "_WORTH_COMPILING", 0)
        monkeypatch.setattr(_group_bounds, "_ROWS", 40)
        monkeypatch.setattr(_group_bounds, "_LARGE", 1)
        monkeypatch.setattr(_group_bounds, "_MOST_QUERIES", 128)
        monkeypatch.setattr(_group_bounds, "_BOUNDS", 2**10)
        monkeypatch.setattr(_nearest_rows, "_FEW_GROUPS", 3)
    if request.param == "by an accelerator":
        monkeypatch.setattr(_nearest_rows, "is_accelerator", lambda device: True)
        monkeypatch.setattr(_nearest_rows, "_FEW_QUERIES", 0)
        monkeypatch.setattr(_nearest_rows, "_MORE", 2)
        monkeypatch.setattr(_on_accelerator, "_BYTES", 2**13)
    if request.param == "each core":
        monkeypatch.setattr(_products, "_FEW_QUERIES", 1000)
        monkeypatch.setattr(_products, "_SHARE", 999)


@pytest.mark.usefixtures("_every_product")
@pytest.mark.parametrize("counts", COUNTS)
def test_rows_are_decided_as_pairs_are(counts: tuple[int, int]) -> None:
    queries, corpus = planted(counts[0], 40, 3), planted(counts[1], 40, 4)
    queries[-1] = 2 * corpus[0]
    similarities = all_similarities(queries, corpus)
    order = np.argsort(-similarities, axis=1, kind="stable")
    for k in {1, 2, counts[1]}:
        with jax.transfer_guard_host_to_device("disallow"):
            found = cosine_top_k(queries, corpus, k=k)
        np.testing.assert_array_equal(found.indices, order[:, :k])
        np.testing.assert_array_equal(
            found.similarity, np.take_along_axis(similarities, order[:, :k], axis=1)
        )
        assert [column.dtype for column in found] == [np.int32, np.float32]


@pytest.mark.usefixtures("_every_product")
def test_no_row_is_its_own_neighbour() -> None:
    rows = planted(150, 30, 5)
    similarities = all_similarities(rows, rows)
    np.fill_diagonal(similarities, -2)
    order = np.argsort(-similarities, axis=1, kind="stable")
    np.testing.assert_array_equal(cosine_top_k(rows, k=149).indices, order[:, :149])
    for k in (3, 32):  # 32 are the rows of a small tile
        np.testing.assert_array_equal(cosine_top_k(rows, k=k).indices, order[:, :k])


@pytest.mark.usefixtures("_every_product")
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_rows_that_are_not_finite(value: float) -> None:
    rows = planted(150, 30, 6)
    rows[140, 7] = value
    with pytest.raises(ValueError, match="expected finite corpus, got NaN or infinity in row 140"):
        cosine_top_k(rows[:20], rows, k=3)


@pytest.mark.parametrize("small_tiles", [False, True])
@pytest.mark.parametrize("counts", COUNTS)
def test_traced_rows(
    counts: tuple[int, int], small_tiles: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if small_tiles:
        monkeypatch.setattr(_traced_top_k, "_TILE", (31, 7))
    rng = np.random.default_rng(3)
    queries, corpus = (rng.standard_normal((count, 40)).astype(np.float32) for count in counts)
    queries[0] *= 1e30
    corpus[0] *= 1e-12
    k = min(4, counts[1])
    nearest = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute")
    distances, order = nearest.fit(corpus.astype(np.float64)).kneighbors(queries.astype(np.float64))
    found = jax.jit(cosine_top_k, static_argnames="k")(queries, corpus, k=k)
    np.testing.assert_array_equal(found.indices, order)
    np.testing.assert_allclose(found.similarity, 1 - distances, atol=1e-6, rtol=0)


@pytest.mark.usefixtures("_every_product")
def test_rows_that_are_views() -> None:
    rows = planted(150, 60, 7)
    expected = cosine_top_k(np.ascontiguousarray(rows[:, ::2]), k=5)
    found = cosine_top_k(rows[:, ::2], k=5)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.similarity, expected.similarity)


@pytest.mark.parametrize("traced", [False, True])
def test_copies_are_similar_to_one(traced: bool) -> None:
    features = np.random.default_rng(4).random((50, 1024), np.float32)
    search = jax.jit(cosine_top_k, static_argnames="k") if traced else cosine_top_k
    found = search(np.concatenate([features, 3 * features]), k=1)
    np.testing.assert_array_equal(found.indices[:, 0], np.roll(np.arange(100), 50))
    np.testing.assert_allclose(found.similarity, 1, rtol=0, atol=1e-6 if traced else 0)


@pytest.mark.parametrize(
    ("search", "dtype"), [(hamming_top_k, np.uint8), (cosine_top_k, np.float32)]
)
def test_no_array_of_a_program_holds_all_distances(search: Callable, dtype: type) -> None:
    sides = [jax.ShapeDtypeStruct((count, 8), dtype) for count in (3_000, 20_000)]
    program = jax.jit(search, static_argnames="k").lower(*sides, k=5).as_text()
    shapes = re.findall(r"tensor<((?:\d+x)+)", program)
    assert max(math.prod(map(int, shape.split("x")[:-1])) for shape in shapes) < 3_000 * 20_000


HASHES, FEATURES = np.zeros((3, 8), np.uint8), np.ones((3, 4), np.float32)
NAN = np.array([[1, 2, 3, 4], [0, 0, np.nan, 0], [1, 1, 1, 1]], np.float32)
MISTAKES = [
    (hamming_top_k, (HASHES,), 3, ValueError, "expected k of at most 2, .*got 3"),
    (hamming_top_k, (HASHES, HASHES), 4, ValueError, "expected k of at most 3, .*got 4"),
    (hamming_top_k, (HASHES, HASHES[:0]), 1, ValueError, "expected k of at most 0, .*got 1"),
    (hamming_top_k, (HASHES,), 0, ValueError, "expected k to be at least 1, got 0"),
    (hamming_top_k, (HASHES,), True, TypeError, "expected k to be an integer, got True"),
    (hamming_top_k, (FEATURES,), 1, TypeError, "dtype uint8, got float32"),
    (hamming_top_k, (HASHES, HASHES[:, :7]), 1, ValueError, r"got \(3, 8\) and \(3, 7\)"),
    (cosine_top_k, (HASHES,), 1, TypeError, "dtype float32, got uint8"),
    (cosine_top_k, (FEATURES, FEATURES[:, :2]), 1, ValueError, "rows of one length"),
    (cosine_top_k, (NAN, FEATURES), 1, ValueError, "finite features, .* in row 1"),
    (cosine_top_k, (FEATURES, NAN), 1, ValueError, "finite corpus, .* in row 1"),
]


@pytest.mark.parametrize(("function", "arguments", "k", "error", "message"), MISTAKES)
def test_mistakes(function, arguments, k, error, message) -> None:
    with pytest.raises(error, match=message):
        function(*arguments, k=k)


def test_no_queries() -> None:
    assert hamming_top_k(HASHES[:0], HASHES, k=2).indices.shape == (0, 2)
    assert cosine_top_k(FEATURES[:0], FEATURES, k=2).indices.shape == (0, 2)


@pytest.mark.four_devices
@pytest.mark.parametrize("kind", ["Auto", "Explicit"])
def test_inside_shard_map(kind: str) -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 256, (40, 8), np.uint8)
    features = rng.standard_normal((40, 6)).astype(np.float32)
    distances = {
        hamming_top_k: (hashes, cdist(*[np.unpackbits(hashes, axis=1)] * 2, "cityblock")),
        cosine_top_k: (features, cdist(features, features, "cosine")),
    }
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(jax.sharding.AxisType[kind],))
    spec = jax.sharding.PartitionSpec("batch")
    for search, (rows, far) in distances.items():
        nearest = jax.shard_map(
            lambda queries, corpus, search=search: search(queries, corpus, k=3),
            mesh=mesh,
            in_specs=(spec, jax.sharding.PartitionSpec()),
            out_specs=spec,
        )
        found, _ = nearest(jax.device_put(rows, jax.sharding.NamedSharding(mesh, spec)), rows)
        expected = np.argsort(far, axis=1, kind="stable")[:, :3]
        np.testing.assert_array_equal(found, expected)
