"""What the calls refuse, what they warn of, and what they write."""

import inspect
import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxdedup.methods import CNN, PHash
from tests.stored import hashes_of

HASHES = {"a.jpg": "00" * 8, "b.jpg": "00" * 7 + "01", "c.jpg": "ff" * 8}
FEATURES = {"a.jpg": [1.0, 0.0], "b.jpg": [2.0, 0.0], "c.jpg": [0.0, 1.0]}


@pytest.fixture(scope="module")
def cnn() -> CNN:
    return CNN(verbose=False, model=lambda images: images.mean((1, 2)), image_size=8)


@pytest.fixture(scope="module")
def phash() -> PHash:
    return PHash(verbose=False)


# As in imagededup 0.3.3.post2; what is ours alone can only be given by keyword.
_FILES = ["recursive", "num_enc_workers"]
SIGNATURES = {
    PHash.find_duplicates: [
        *["image_dir", "encoding_map", "max_distance_threshold", "scores", "outfile"],
        *["search_method", *_FILES, "num_dist_workers"],
    ],
    PHash.find_duplicates_to_remove: [
        *["image_dir", "encoding_map", "max_distance_threshold", "outfile"],
        *[*_FILES, "num_dist_workers"],
    ],
    CNN.find_duplicates: [
        *["image_dir", "encoding_map", "min_similarity_threshold", "scores", "outfile"],
        *[*_FILES, "num_sim_workers"],
    ],
    CNN.find_duplicates_to_remove: [
        *["image_dir", "encoding_map", "min_similarity_threshold", "outfile"],
        *[*_FILES, "num_sim_workers"],
    ],
}


@pytest.mark.parametrize("call", SIGNATURES, ids=lambda call: call.__qualname__)
def test_the_arguments_are_imagededups(call: Callable) -> None:
    parameters = list(inspect.signature(call).parameters.values())[1:]
    by_position = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert by_position == SIGNATURES[call]
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters[len(by_position) :])


BAD_HASHES: dict[str, tuple[Any, str]] = {
    "long": ("0" * 17, "16 hex digits"),
    "not hex": ("g" * 16, "16 hex digits, got 'gggggggggggggggg' for 'bad'"),
    "white space": (" " * 16, "16 hex digits"),
    "None": (None, "'bad', got None"),
    "seven bytes": (b"1234567", "8 bytes for 'bad'"),
    "two rows": (np.zeros((2, 8), np.uint8), r"'bad', got uint8\[2, 8\]"),
    "floats": (np.zeros(8), r"'bad', got float64\[8\]"),
    "too large": ([256] * 8, "0 to 255 for 'bad'"),
    "negative": ([-1] * 8, "0 to 255 for 'bad'"),
    "ragged": ([[1], [2, 3]], "one encoding for 'bad'"),
}


@pytest.mark.parametrize("case", BAD_HASHES)
@pytest.mark.parametrize("bad_first", [True, False])
def test_a_bad_hash_is_named(phash: PHash, case: str, bad_first: bool) -> None:
    value, message = BAD_HASHES[case]
    good = {"good": "0" * 16}
    hashes = {"bad": value, **good} if bad_first else {**good, "bad": value}
    with pytest.raises(ValueError, match=message):
        phash.find_duplicates(encoding_map=hashes)


BAD_FEATURES: dict[str, tuple[Any, str]] = {
    "another length": ([1.0], "expected 2 features for 'bad', as the first encoding has, got 1"),
    "NaN": ([1.0, float("nan")], "finite features for 'bad', got NaN or infinity"),
    "infinity": ([1.0, float("inf")], "finite features for 'bad'"),
    "beyond float32": ([1.0, 1e300], "finite features for 'bad'"),
    "a hash": ("0" * 16, "features of shape .* for 'bad', got '0000000000000000'"),
    "None": (None, "for 'bad', got None"),
    "nothing": ([], "for 'bad'"),
    "complex": ([1j, 2j], "for 'bad'"),
    "bool": ([True, False], "for 'bad'"),
    "two rows": (np.zeros((2, 2)), r"for 'bad', got float64\[2, 2\]"),
}


@pytest.mark.parametrize("case", BAD_FEATURES)
def test_bad_features_are_named(cnn: CNN, case: str) -> None:
    value, message = BAD_FEATURES[case]
    with pytest.raises(ValueError, match=message):
        cnn.find_duplicates(encoding_map={"good": [1.0, 2.0], "bad": value})


def test_nothing_to_search_in(phash: PHash, cnn: CNN, tmp_path: Path) -> None:
    for encoder in (phash, cnn):
        for find in (encoder.find_duplicates, encoder.find_duplicates_to_remove):
            for nothing in ({}, {"encoding_map": {}}):
                with pytest.raises(ValueError, match="image directory or encodings!"):
                    find(**nothing)
            with pytest.raises(ValueError, match="folder"):
                find(tmp_path / "missing")
            with pytest.raises(TypeError, match="dict of encodings, got list"):
                find(encoding_map=["0" * 16])


DISTANCES = {
    True: TypeError,
    np.True_: TypeError,
    10.0: TypeError,
    "10": TypeError,
    -1: ValueError,
    65: ValueError,
}
SIMILARITIES = {
    True: TypeError,
    "0.9": TypeError,
    1j: TypeError,
    float("nan"): ValueError,
    -1.01: ValueError,
    1.01: ValueError,
    2: ValueError,
}


@pytest.mark.parametrize(("threshold", "error"), DISTANCES.items())
def test_distances_out_of_range(phash: PHash, threshold: Any, error: type[Exception]) -> None:
    # Before the folder is read: it does not exist.
    for find in (phash.find_duplicates, phash.find_duplicates_to_remove):
        with pytest.raises(error, match="max_distance_threshold to be an integer from 0 to 64"):
            find("missing", max_distance_threshold=threshold)


@pytest.mark.parametrize(("threshold", "error"), SIMILARITIES.items())
def test_similarities_out_of_range(cnn: CNN, threshold: Any, error: type[Exception]) -> None:
    for find in (cnn.find_duplicates, cnn.find_duplicates_to_remove):
        with pytest.raises(error, match=r"min_similarity_threshold to be a number from -1.0"):
            find("missing", min_similarity_threshold=threshold)


def test_numpy_thresholds_are_numbers(phash: PHash, cnn: CNN) -> None:
    assert phash.find_duplicates(None, HASHES, np.uint8(1)) == phash.find_duplicates(
        None, HASHES, 1
    )
    assert cnn.find_duplicates(None, FEATURES, np.float32(0.5)) == cnn.find_duplicates(
        None, FEATURES, 0.5
    )
    assert cnn.find_duplicates(None, FEATURES, 1)["a.jpg"] == ["b.jpg"]


@pytest.mark.parametrize("name", [None, "bktree", "brute_force", "brute_force_cython"])
def test_search_methods_of_imagededup_change_nothing(phash: PHash, name: str | None) -> None:
    found = phash.find_duplicates(encoding_map=HASHES, search_method=name, num_dist_workers=0)
    assert found == {"a.jpg": ["b.jpg"], "b.jpg": ["a.jpg"], "c.jpg": []}


def test_unknown_arguments_are_refused(phash: PHash, cnn: CNN) -> None:
    with pytest.raises(ValueError, match=r"search_method among bktree, .* got 'faiss'"):
        phash.find_duplicates(encoding_map=HASHES, search_method="faiss")
    with pytest.raises(TypeError, match="a number of workers to be an integer"):
        phash.find_duplicates(encoding_map=HASHES, num_dist_workers="all")
    with pytest.raises(TypeError, match="a number of workers to be an integer"):
        cnn.find_duplicates(encoding_map=FEATURES, num_sim_workers=1.5)
    with pytest.raises(TypeError, match="search_method"):
        cnn.find_duplicates(encoding_map=FEATURES, search_method="bktree")
    with pytest.raises(ValueError, match="expected image_dir where cache is given"):
        phash.find_duplicates(encoding_map=HASHES, cache="cache.sqlite")
    with pytest.raises(ValueError, match="max_pairs"):
        phash.find_duplicates(encoding_map=HASHES, max_pairs=0)


def test_meaningless_arguments_are_warned_of(phash: PHash, tmp_path: Path) -> None:
    with pytest.warns(SyntaxWarning, match="recursive parameter is irrelevant") as caught:
        phash.find_duplicates(encoding_map=HASHES, recursive=True)
    assert caught[0].filename == __file__
    with pytest.warns(RuntimeWarning, match="num_enc_workers has no effect") as caught:
        phash.find_duplicates_to_remove(encoding_map=HASHES, num_enc_workers=2)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="encoding_map has no effect"):
        assert phash.find_duplicates(tmp_path, HASHES) == {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        phash.find_duplicates(tmp_path, recursive=True, num_enc_workers=0, num_dist_workers=0)


def test_outfile_is_imagededups_json(phash: PHash, cnn: CNN, tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    found = phash.find_duplicates(encoding_map=HASHES, scores=True, outfile=path)
    # Written by imagededup 0.3.3.post2 for the same call.
    assert path.read_text().rstrip("\n") == (
        '{\n  "a.jpg": [\n    [\n      "b.jpg",\n      1\n    ]\n  ],\n  "b.jpg": [\n    [\n'
        '      "a.jpg",\n      1\n    ]\n  ],\n  "c.jpg": []\n}'
    )
    assert found["a.jpg"] == [("b.jpg", 1)]

    cnn.find_duplicates(encoding_map=FEATURES, scores=True, outfile=str(path))
    assert json.loads(path.read_text())["b.jpg"] == [["a.jpg", 1.0]]
    phash.find_duplicates_to_remove(encoding_map=HASHES, outfile=path)
    assert json.loads(path.read_text()) == ["b.jpg"]
    assert os.listdir(tmp_path) == ["found.json"]


def test_outfile_takes_any_name_once(phash: PHash, tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    hashes = {np.int64(1): "0" * 16, ("b", 2): "0" * 16, Path("c/d"): "0" * 16, "e": "f" * 16}
    phash.find_duplicates(encoding_map=hashes, scores=True, outfile=path)
    assert json.loads(path.read_text()) == {
        "1": [["('b', 2)", 0], ["c/d", 0]],
        "('b', 2)": [["1", 0], ["c/d", 0]],
        "c/d": [["1", 0], ["('b', 2)", 0]],
        "e": [],
    }
    with pytest.raises(ValueError, match="two names have the same text"):
        phash.find_duplicates(encoding_map={1: "0" * 16, "1": "0" * 16}, outfile=path)


def test_outfile_is_whole_or_not_at_all(
    phash: PHash, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "found.json"
    path.write_text("before")

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        phash.find_duplicates(encoding_map=HASHES, outfile=path)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["found.json"]


def test_a_bad_outfile_is_told_before_the_work(phash: PHash, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="folder that can be written to"):
        phash.find_duplicates("missing", outfile=tmp_path / "missing" / "found.json")


def test_stored_encodings_know_what_made_them(phash: PHash) -> None:
    stored = hashes_of(HASHES)
    assert phash.find_duplicates(encoding_map=stored) == phash.find_duplicates(encoding_map=HASHES)
    for other, message in (
        (hashes_of(HASHES, "dhash"), "expected method phash, got dhash; size"),
        (hashes_of(HASHES, profile="pillow9"), "expected profile pillow13, got pillow9"),
        (hashes_of(HASHES, draft=True), "expected draft False, got True"),
    ):
        with pytest.raises(ValueError, match=rf"encoding_map was made .*PHash.*: {message}"):
            phash.find_duplicates(encoding_map=other)
    draft = PHash(verbose=False, draft=True)
    stored = hashes_of(HASHES, draft=True)
    assert draft.find_duplicates(encoding_map=stored)
