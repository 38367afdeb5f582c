"""hamming_pairs, whatever way it takes, against scikit-learn, SciPy and imagededup."""

import hashlib
import json
from pathlib import Path

import jax
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import pairwise_distances

from jaxdedup.search import (
    HammingPairs,
    _bands,
    _hamming,
    _words,
    hamming_pairs,
    iter_hamming_pairs,
    neighbours,
)

IMAGEDEDUP = json.loads(Path(__file__).with_name("imagededup_maps.json").read_text())


def planted(count: int, seed: int = 0, width: int = 64) -> np.ndarray:
    """uint8[count, ⌈width/8⌉]; a quarter are copies of others with up to 13 bits flipped."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (count, width), dtype=np.uint8)
    for row in range(1, count, 4):
        bits[row] = bits[rng.integers(row)]
        bits[row, rng.choice(width, rng.integers(min(14, width)), replace=False)] ^= 1
    return np.packbits(np.pad(bits, ((0, 0), (-width % 8, 0))), axis=1)


def all_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    bits_a, bits_b = np.unpackbits(a, axis=1), np.unpackbits(b, axis=1)
    share = pairwise_distances(bits_a.astype(bool), bits_b.astype(bool), metric="hamming")
    return np.rint(bits_a.shape[1] * share).astype(int)


def assert_pairs(found: HammingPairs, wanted: np.ndarray, distances: np.ndarray) -> None:
    i, j = np.nonzero(wanted)
    np.testing.assert_array_equal(found.i, i)
    np.testing.assert_array_equal(found.j, j)
    np.testing.assert_array_equal(found.distance, distances[i, j])
    assert found.i.dtype == found.j.dtype == np.int32


def choose_these_bands(monkeypatch: pytest.MonkeyPatch, number: int, bits: int) -> None:
    monkeypatch.setattr(
        _hamming,
        "choose_bands",
        lambda words, corpus, width, t: _bands._bands(number, bits, width, t),
    )


WAYS = {
    "default": {},
    "small tiles": {"tile_pairs": 3 * 64**2},
    "one block a tile": {"tile_pairs": 1},
    "1 band": {"bands": 1},
    "3 bands": {"bands": 3},
    "11 bands of 4 bits": {"bands": 11, "bits": 4},
    "bands, small tiles": {"bands": 4, "tile_pairs": 2 * 64**2},
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict:
    options = dict(WAYS[request.param])
    bands, bits = options.pop("bands", None), options.pop("bits", 3)
    if request.param != "default":  # which scans a corpus for a few queries
        monkeypatch.setattr(_hamming, "_FEW_QUERIES", 0)
    if bands is not None:
        choose_these_bands(monkeypatch, bands, bits)
    return options


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 300])
def test_equals_scikit_learn(count: int, way: dict) -> None:
    hashes = planted(count)
    distances = all_distances(hashes, hashes) if count else np.zeros((0, 0), int)
    for threshold in (0, 3, 10, 64):
        found = hamming_pairs(hashes, max_distance=threshold, **way)
        assert_pairs(found, np.triu(distances <= threshold, 1), distances)
        assert sum(len(p.i) for p in iter_hamming_pairs(hashes, max_distance=threshold, **way)) == (
            len(found.i)
        )


@pytest.mark.parametrize("counts", [(3, 200), (200, 3), (130, 257)])
def test_queries_against_a_corpus(counts: tuple[int, int], way: dict) -> None:
    hashes = planted(sum(counts), seed=1)
    queries, corpus = hashes[: counts[0]], hashes[-counts[1] :]
    distances = all_distances(queries, corpus)
    for threshold in (0, 10, 64):
        found = hamming_pairs(queries, corpus, max_distance=threshold, **way)
        assert_pairs(found, distances <= threshold, distances)


@pytest.mark.parametrize("bands", [0, 7])
@pytest.mark.parametrize("width", [3, 42, 64, 144, 248, 256, 1024])
def test_any_width(width: int, bands: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if bands:
        choose_these_bands(monkeypatch, bands, min(width // bands, 9))
    hashes = planted(150, seed=4, width=width)
    distances = all_distances(hashes, hashes)
    furthest = min(8 * hashes.shape[1], 12 if bands else width)
    for threshold in (3, furthest):
        found = hamming_pairs(hashes, max_distance=threshold)
        assert_pairs(found, np.triu(distances <= threshold, 1), distances)
    found = hamming_pairs(hashes[:20], hashes, max_distance=furthest)
    assert_pairs(found, distances[:20] <= furthest, distances[:20])
    assert found.distance.dtype == (np.uint8 if width < 256 else np.uint16)


def test_keys_of_more_than_16_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    choose_these_bands(monkeypatch, 3, 17)
    hashes = planted(300, seed=5)
    distances = all_distances(hashes, hashes)
    assert_pairs(hamming_pairs(hashes, max_distance=3), np.triu(distances <= 3, 1), distances)


@pytest.mark.parametrize("width", [64, 192, 256, 1024])
def test_the_forms_for_each_device_find_the_same(width: int) -> None:
    blocks = planted(2 * 64, width=width).reshape(2, 1, 64, -1)
    halves = np.moveaxis(blocks.view(np.uint32), -1, 1)
    for other, same in ((1, False), (0, True)):
        distances = all_distances(blocks[other, 0], blocks[0, 0])
        if same:  # no hash is its own neighbour
            np.fill_diagonal(distances, width + 1)
        for form in (_hamming._nearest_by_counting, _hamming._nearest_at_once):
            nearest = jax.jit(form)(tuple(halves[0]), tuple(halves[other]), np.array([same]))
            np.testing.assert_array_equal(nearest[0], distances.min(axis=0))


def test_progress() -> None:
    shares: list[float] = []
    hashes = planted(30_000, seed=2)
    pieces = iter_hamming_pairs(hashes, max_distance=4, on_progress=shares.append)
    assert sum(len(piece.i) for piece in pieces) == len(hamming_pairs(hashes, max_distance=4).i)
    assert shares == sorted(shares)
    assert shares[0] < 0.2
    assert shares[-1] == 1


@pytest.mark.parametrize("shapes", [(0, 0), (0, 5), (5, 0)])
def test_nothing_against_something(shapes: tuple[int, int]) -> None:
    found = hamming_pairs(*(np.zeros((count, 8), np.uint8) for count in shapes))
    assert [len(column) for column in found] == [0, 0, 0]
    assert [column.dtype for column in found] == [np.int32, np.int32, np.uint8]


@pytest.mark.parametrize("number", range(len(IMAGEDEDUP["sets"])))
def test_equals_imagededup_at_every_threshold(number: int) -> None:
    case = IMAGEDEDUP["sets"][number]
    hashes = np.array([list(bytes.fromhex(text)) for text in case["hashes"]], np.uint8)
    for threshold, expected in enumerate(case["sha256"]):
        pairs = hamming_pairs(hashes, max_distance=threshold)
        near = neighbours(pairs, len(hashes))
        # Stored as [distance, index], sorted: the order of neighbours() without sorting again.
        entries = np.stack([near.score.astype(np.int32), near.indices], axis=1)
        found = [part.tolist() for part in np.split(entries, near.starts[1:-1])]
        if threshold == 12:
            assert found == case["at 12"]
        text = json.dumps(found, separators=(",", ":"))
        assert hashlib.sha256(text.encode()).hexdigest()[:16] == expected, threshold


@pytest.mark.parametrize("threshold", [0, 4, 10])
def test_the_bands_it_chooses_itself_lose_nothing(threshold: int) -> None:
    hashes = planted(30_000, seed=2)
    # As with photographs of one kind: in a third of them half the bits hardly vary.
    hashes[::3, :4] = hashes[0, :4]
    assert _bands.choose_bands(_words.to_words(hashes), None, 64, threshold) != _bands.BRUTE_FORCE
    found = hamming_pairs(hashes, max_distance=threshold)
    rows = np.arange(0, len(hashes), 601)
    bits = np.unpackbits(hashes, axis=1)
    distances = cdist(bits[rows].astype(float), bits.astype(float), "cityblock").astype(int)
    i, j = np.nonzero((distances <= threshold) & (np.arange(len(hashes)) > rows[:, None]))
    chosen = np.isin(found.i, rows)
    np.testing.assert_array_equal(found.i[chosen], rows[i])
    np.testing.assert_array_equal(found.j[chosen], j)
    np.testing.assert_array_equal(found.distance[chosen], distances[i, j])


@pytest.mark.parametrize(
    "band", [_bands.Band(3, 9, 0), _bands.Band(9, 6, 1), _bands.Band(40, 7, 2)]
)
def test_what_a_band_costs_is_what_it_compares(band: _bands.Band) -> None:
    words = _words.to_words(planted(6000, seed=3))
    keys = np.arange(2**band.bits)
    near = np.bitwise_count(keys[:, None] ^ keys) <= band.radius
    sides = words[:5000], words[5000:]
    blocks = [-(-np.bincount(band.keys(side), minlength=len(keys)) // 64) for side in sides]
    across = blocks[0] @ near @ blocks[1]
    within = np.triu(np.outer(blocks[0], blocks[0]) * (near & ~np.eye(len(keys), dtype=bool))).sum()
    within += (blocks[0] * (blocks[0] + 1) // 2).sum()
    for corpus, other, expected in ((None, None, within), (sides[1], blocks[1], across)):
        assert _bands.cost((band,), sides[0], corpus) == expected
        assert _bands.bucket_pairs(band, blocks[0], other).sizes().sum() == expected


@pytest.mark.parametrize("bits", [0, 1, 9, 63])
def test_a_band_may_begin_in_one_word_and_end_in_the_next(bits: int) -> None:
    hashes = planted(20, width=144)
    numbers = [int.from_bytes(row.tobytes(), "little") for row in hashes]
    for first in range(144 - bits):
        keys = _bands.Band(first, bits, 0).keys(_words.to_words(hashes))
        assert keys.tolist() == [number >> first & (1 << bits) - 1 for number in numbers]


@pytest.mark.parametrize("width", [48, 64, 144])
def test_bands_hold_every_pair_within_the_distance(width: int) -> None:
    rng = np.random.default_rng(3)
    for threshold in range(0, width + 1, width // 48):
        differences = np.zeros((50, width), np.uint8)
        for row in differences:
            row[rng.choice(width, rng.integers(threshold + 1), replace=False)] = 1
        words = _words.to_words(np.packbits(differences, axis=1))
        for number in range(1, 17):
            bands = _bands._bands(number, min(width // number, 63), width, threshold)
            assert np.any([band.near(words) for band in bands], axis=0).all()


def test_all_equal_hashes_are_refused_or_streamed() -> None:
    hashes = np.full((5_000, 8), 7, np.uint8)
    with pytest.raises(
        ValueError, match=r"would be exactly 12,497,500 pairs.*iter_hamming_pairs\(\)"
    ):
        hamming_pairs(hashes)
    with pytest.raises(ValueError, match=r"would be more than 1,\d+,\d+ pairs"):
        hamming_pairs(hashes, max_pairs=100_000)
    pieces = [len(piece.i) for piece in iter_hamming_pairs(hashes)]
    assert sum(pieces) == 12_497_500
    assert max(pieces) <= 2**20


def test_max_pairs_is_the_most_that_are_returned() -> None:
    hashes = np.zeros((100, 8), np.uint8)
    assert len(hamming_pairs(hashes, max_pairs=4950).i) == 4950
    with pytest.raises(
        ValueError, match=r"would be exactly 4,950 pairs, expected at most max_pairs=4,949"
    ):
        hamming_pairs(hashes, max_pairs=4949)


@pytest.mark.parametrize("threshold", [np.int64(10), np.uint8(10), np.int8(10)])
def test_numpy_integers_are_integers(threshold: np.integer) -> None:
    hashes = planted(50)
    for found, expected in zip(
        hamming_pairs(hashes, max_distance=threshold), hamming_pairs(hashes), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.four_devices
def test_devices_take_turns() -> None:
    hashes = planted(300)
    distances = all_distances(hashes, hashes)
    for devices in (None, jax.devices()[:1], jax.devices()[1:]):
        found = hamming_pairs(hashes, tile_pairs=3 * 64**2, devices=devices)
        assert_pairs(found, np.triu(distances <= 10, 1), distances)


@pytest.mark.four_devices
def test_arrays_on_devices_stay_there() -> None:
    hashes = planted(100)
    placed = jax.device_put(hashes, jax.devices()[2])
    assert list(_hamming.devices_for(placed)) == [jax.devices()[2]]
    mesh = jax.sharding.Mesh(np.array(jax.devices()), "batch")
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("batch"))
    sharded = jax.device_put(hashes, sharding)
    assert list(_hamming.devices_for(sharded)) == jax.devices()
    for array in (placed, sharded):
        for found, expected in zip(hamming_pairs(array), hamming_pairs(hashes), strict=True):
            np.testing.assert_array_equal(found, expected)


HASHES = np.zeros((3, 8), np.uint8)
MISTAKES = [
    (TypeError, "expected hashes of dtype uint8, got int64", (HASHES.astype(np.int64),), {}),
    (TypeError, "expected hashes of dtype uint8, got <U16", (["00" * 8],), {}),
    (TypeError, "expected corpus of dtype uint8, got float32", (HASHES, np.float32([[1]])), {}),
    (ValueError, r"hashes of shape \(N, b\), 0 < b < 4096, got \(3, 0\)", (HASHES[:, :0],), {}),
    (ValueError, r"hashes of shape \(N, b\), 0 < b < 4096, got \(8,\)", (HASHES[0],), {}),
    (ValueError, r"one length, got \(3, 8\) and \(3, 7\)", (HASHES, HASHES[:, :7]), {}),
    (ValueError, "max_distance to be .* from 0 to 48", (HASHES[:, :6],), {"max_distance": 49}),
    (ValueError, "an integer from 0 to 64, got -1", (HASHES,), {"max_distance": -1}),
    (ValueError, "an integer from 0 to 64, got 65", (HASHES,), {"max_distance": 65}),
    (TypeError, "an integer from 0 to 64, got True", (HASHES,), {"max_distance": True}),
    (TypeError, "an integer from 0 to 64, got np.True_", (HASHES,), {"max_distance": np.True_}),
    (TypeError, "an integer from 0 to 64, got 10.0", (HASHES,), {"max_distance": 10.0}),
    (TypeError, "an integer from 0 to 64, got nan", (HASHES,), {"max_distance": float("nan")}),
    (TypeError, "an integer from 0 to 64, got None", (HASHES,), {"max_distance": None}),
    (ValueError, "expected max_pairs to be at least 1, got 0", (HASHES,), {"max_pairs": 0}),
    (ValueError, "expected tile_pairs to be at least 1, got 0", (HASHES,), {"tile_pairs": 0}),
]


@pytest.mark.parametrize(("error", "message", "arguments", "options"), MISTAKES)
def test_mistakes(error: type[Exception], message: str, arguments: tuple, options: dict) -> None:
    with pytest.raises(error, match=message):
        hamming_pairs(*arguments, **options)


def test_streams_check_their_arguments_at_once() -> None:
    with pytest.raises(ValueError, match="max_distance"):
        iter_hamming_pairs(HASHES, max_distance=65)
