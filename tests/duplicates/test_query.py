"""Searching stored encodings for new ones."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from jaxdedup.encoding import load, save
from jaxdedup.methods import CNN, DHash, PHash
from tests.stored import hashes_of


def random_hashes(count: int, seed: int) -> dict[str, str]:
    rng = np.random.default_rng(seed)
    near = rng.integers(0, 4, (count, 8), np.uint8)  # 16 bits of which differ at random
    return {f"{seed}-{n}": row.tobytes().hex() for n, row in enumerate(near)}


@pytest.mark.parametrize("threshold", [0, 3, 10, 64])
def test_hashes_equal_a_loop(threshold: int) -> None:
    queries, corpus = random_hashes(20, 0), random_hashes(70, 1)
    found = PHash(verbose=False).search(queries, corpus, threshold, scores=True)
    for name, digits in queries.items():
        distances = [
            (other, (int(digits, 16) ^ int(text, 16)).bit_count()) for other, text in corpus.items()
        ]
        near = [pair for pair in distances if pair[1] <= threshold]
        assert found[name] == sorted(near, key=lambda pair: pair[1])
    assert list(found) == list(queries)


def test_features_equal_scikit_learn_nearest_first() -> None:
    encoder = CNN(verbose=False, model=lambda images: images.mean((1, 2)), image_size=8)
    rng = np.random.default_rng(0)
    queries, corpus = rng.standard_normal((9, 5)), rng.standard_normal((30, 5))
    found = encoder.search(dict(enumerate(queries)), dict(enumerate(corpus)), 0.5, scores=True)
    for row, similarities in enumerate(cosine_similarity(queries, corpus)):
        order = [n for n in np.argsort(-similarities) if similarities[n] >= 0.5]
        assert [other for other, _ in found[row]] == order
        np.testing.assert_allclose(
            [score for _, score in found[row]], similarities[order], atol=1e-6
        )


def test_nothing_is_left_out() -> None:
    encoder, hashes = PHash(verbose=False), {"a": "0" * 16, "b": "f" * 16}
    assert encoder.search(hashes, hashes) == {"a": ["a"], "b": ["b"]}
    assert encoder.search(hashes, {}) == {"a": [], "b": []}
    assert encoder.search({}, hashes) == {}


@pytest.mark.parametrize("suffix", ["npz", "parquet", "json", "csv"])
def test_stored_hashes_are_a_corpus(tmp_path: Path, folder: Path, suffix: str) -> None:
    encoder = DHash(verbose=False)
    hashes = encoder.encode_images(folder)
    path = tmp_path / f"hashes.{suffix}"
    save(path, hashes_of(hashes, "dhash"))
    found = encoder.search({"new": hashes["e.png"]}, load(path))
    assert found == {"new": ["e.png"]}
    assert found == encoder.search({"new": hashes["e.png"]}, hashes)


def test_methods_and_profiles_are_not_mixed() -> None:
    encoder, hashes = PHash(verbose=False), {"a": "0" * 16}
    for stored, message in [
        (hashes_of(hashes, "ahash"), "expected method phash, got ahash"),
        (hashes_of(hashes, profile="pillow6"), "expected profile pillow13, got pillow6"),
        (hashes_of(hashes, draft=True), "expected draft False, got True"),
    ]:
        with pytest.raises(ValueError, match=f"corpus was made in another way.*{message}"):
            encoder.search(hashes, stored)
        with pytest.raises(ValueError, match="queries was made in another way"):
            encoder.search(stored, hashes)


def test_sides_that_do_not_go_together() -> None:
    encoder = CNN(verbose=False, model=lambda images: images.mean((1, 2)), image_size=8)
    with pytest.raises(ValueError, match="expected count 2, got 1"):
        encoder.search({"a": [1.0, 2.0]}, {"b": [1.0]})
    with pytest.raises(ValueError, match="16 hex digits, got 'x' for 'b'"):
        PHash(verbose=False).search({"a": "0" * 16}, {"b": "x"})
    with pytest.raises(ValueError, match=r"6 pairs.*max_pairs=5"):
        PHash(verbose=False).search(
            dict.fromkeys("ab", "0" * 16), dict.fromkeys("cde", "0" * 16), max_pairs=5
        )
