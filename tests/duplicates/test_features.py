"""find_duplicates and find_duplicates_to_remove of features, against scikit-learn."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from jaxdedup.methods import CNN


@pytest.fixture(scope="module")
def encoder() -> CNN:
    return CNN(verbose=False, model=lambda images: images.mean((1, 2)), image_size=8)


def planted(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((count, 40), np.float32)
    for row in range(1, count):
        if rng.random() < 0.7:
            noise = rng.standard_normal(40, np.float32)
            features[row] = features[rng.integers(row)] + noise * np.float32(rng.uniform(0, 1.5))
    return features


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.5, 0.9, 0.99, 1.0])
def test_equals_scikit_learn(encoder: CNN, seed: int, threshold: float) -> None:
    features = planted(2 + 3 * seed, seed)
    names = [f"{row}.jpg" for row in range(len(features))]
    similarity = cosine_similarity(features.astype(np.float64))
    wanted = {
        name: [
            (other, similarity[i, j])
            for j, other in enumerate(names)
            if i != j and similarity[i, j] >= threshold
        ]
        for i, name in enumerate(names)
    }
    encodings = dict(zip(names, features, strict=True))
    found = encoder.find_duplicates(
        encoding_map=encodings, min_similarity_threshold=threshold, scores=True
    )
    assert {name: [other for other, _ in pairs] for name, pairs in found.items()} == {
        name: [other for other, _ in pairs] for name, pairs in wanted.items()
    }
    for name, pairs in found.items():
        for (_, score), (_, exact) in zip(pairs, wanted[name], strict=True):
            assert type(score) is float
            assert score == pytest.approx(exact, abs=1e-6)

    removed: list[str] = []
    for name in names:
        if name not in removed:
            removed += [other for other, _ in wanted[name] if other not in removed]
    assert set(removed) == set(
        encoder.find_duplicates_to_remove(
            encoding_map=encodings, min_similarity_threshold=threshold
        )
    )


def test_the_default_threshold_is_nine_tenths(encoder: CNN) -> None:
    encodings = dict(enumerate(planted(60, 0)))
    assert encoder.find_duplicates(encoding_map=encodings) == encoder.find_duplicates(
        encoding_map=encodings, min_similarity_threshold=0.9
    )


def test_one_finds_exact_copies(encoder: CNN) -> None:
    features = np.random.default_rng(0).standard_normal((50, 1024), np.float32)
    found = encoder.find_duplicates(
        encoding_map=dict(enumerate(np.concatenate([features, features]))),
        min_similarity_threshold=1.0,
        scores=True,
    )
    assert found == {n: [((n + 50) % 100, 1.0)] for n in range(100)}


def test_features_without_a_direction_are_not_their_own_copies(encoder: CNN) -> None:
    features = {"a": [0, 0], "b": [0, 0], "c": [1, 2], "d": [2, 4], "e": [1, 2]}
    assert encoder.find_duplicates(encoding_map=features)["a"] == []
    assert encoder.find_duplicates_to_remove(encoding_map=features) == ["d", "e"]
    everything = encoder.find_duplicates_to_remove(None, features, -1.0)
    assert everything == ["b", "c", "d", "e"]


FORMS = {
    "row": lambda row: row[None],
    "list": lambda row: row.tolist(),
    "list of a list": lambda row: [row.tolist()],
    "float64": lambda row: row.astype(np.float64),
    "jax": jnp.asarray,
    "jax row": lambda row: jnp.asarray(row)[None],
}


@pytest.mark.parametrize("form", FORMS)
def test_takes_every_form_of_features(encoder: CNN, form: str) -> None:
    features = dict(enumerate(planted(30, 1)))
    others = {name: FORMS[form](row) for name, row in features.items()}
    assert encoder.find_duplicates(encoding_map=others) == encoder.find_duplicates(
        encoding_map=features
    )


def test_bfloat16_and_integers_are_features(encoder: CNN) -> None:
    rows = {"a": [1, 2], "b": jnp.array([1, 2], jnp.bfloat16), "c": np.array([2, -1], np.int8)}
    assert encoder.find_duplicates(encoding_map=rows) == {"a": ["b"], "b": ["a"], "c": []}


def test_a_folder_equals_its_encodings(encoder: CNN, folder: Path) -> None:
    found = encoder.find_duplicates(folder, scores=True)
    features = encoder.encode_images(folder)
    assert [name for name, _ in found["a.png"]][:2] == ["b.bmp", "c.png"]
    assert list(found) == list(features)
    assert found == encoder.find_duplicates(encoding_map=features, scores=True)


def test_too_many_pairs_are_refused_with_their_number(encoder: CNN) -> None:
    equal = {n: [1.0, 2.0] for n in range(100)}
    with pytest.raises(ValueError, match=r"4,950 pairs.*max_pairs=4,949"):
        encoder.find_duplicates(encoding_map=equal, max_pairs=4949)
