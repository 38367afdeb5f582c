"""find_duplicates and find_duplicates_to_remove of hashes, against imagededup."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from jaxdedup.duplicates import find_matches
from jaxdedup.methods import AHash, PHash
from tests.stored import hashes_of

HERE = Path(__file__).parent
HASHES = json.loads((HERE.parent / "search" / "imagededup_maps.json").read_text())["sets"]
IMAGEDEDUP = json.loads((HERE / "imagededup_results.json").read_text())["sets"]


def as_map(number: int) -> dict[str, str]:
    return {f"{row}.jpg": digits for row, digits in enumerate(HASHES[number]["hashes"])}


def digest(duplicates: dict[str, list[tuple[str, int]]], to_remove: list[str]) -> str:
    """As in make_imagededup_results.py."""
    found = [[name, [list(pair) for pair in pairs]] for name, pairs in duplicates.items()]
    text = json.dumps([found, sorted(to_remove)], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def test_there_are_enough_sets() -> None:
    assert len(IMAGEDEDUP) == len(HASHES) >= 20


@pytest.mark.parametrize("number", range(len(IMAGEDEDUP)))
def test_equals_imagededup(number: int) -> None:
    """At some thresholds, whose pairs are the search's, and those are tested at every one."""
    encoder, hashes = PHash(verbose=False), as_map(number)
    at_12 = encoder.find_duplicates(None, hashes, 12, True)
    assert at_12 == {
        name: [tuple(pair) for pair in pairs] for name, pairs in IMAGEDEDUP[number]["at 12"].items()
    }
    without_scores = {name: [other for other, _ in pairs] for name, pairs in at_12.items()}
    assert encoder.find_duplicates(None, hashes, 12) == without_scores
    to_remove = encoder.find_duplicates_to_remove(None, hashes, 12)
    digests = IMAGEDEDUP[number]["digests"]
    for threshold in range(0, 65, 8):
        matches = find_matches(hashes_of(hashes), threshold=threshold)
        found = digest(matches.to_dict(scores=True), matches.removable())
        assert found == digests[threshold], threshold
    assert digest(at_12, to_remove) == digests[12]


def test_the_default_threshold_is_ten() -> None:
    hashes = as_map(19)
    encoder = PHash(verbose=False)
    assert encoder.find_duplicates(encoding_map=hashes) == encoder.find_duplicates(
        encoding_map=hashes, max_distance_threshold=10
    )


FORMS = {
    "upper case": str.upper,
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "packed": lambda digits: np.frombuffer(bytes.fromhex(digits), np.uint8),
    "packed row": lambda digits: np.frombuffer(bytes.fromhex(digits), np.uint8)[None],
    "integers": lambda digits: np.frombuffer(bytes.fromhex(digits), np.uint8).astype(np.int64),
    "list": lambda digits: list(bytes.fromhex(digits)),
}


@pytest.mark.parametrize("form", FORMS)
def test_takes_every_form_of_a_hash(form: str) -> None:
    encoder, hashes = PHash(verbose=False), as_map(9)
    others = {name: FORMS[form](digits) for name, digits in hashes.items()}
    assert encoder.find_duplicates(encoding_map=others) == encoder.find_duplicates(
        encoding_map=hashes
    )


def test_takes_any_hashable_as_a_name() -> None:
    zeros = "0" * 16
    names = [1, "1", (2, 3), None, Path("a"), b"b", np.int64(7)]
    found = PHash(verbose=False).find_duplicates(encoding_map=dict.fromkeys(names, zeros))
    assert list(found) == names
    assert found[(2, 3)] == [1, "1", None, Path("a"), b"b", np.int64(7)]


def test_scores_are_plain_integers() -> None:
    found = PHash(verbose=False).find_duplicates(
        encoding_map={"a": "0" * 16, "b": "0" * 15 + "3"}, scores=True
    )
    assert found == {"a": [("b", 2)], "b": [("a", 2)]}
    assert type(found["a"][0][1]) is int


@pytest.mark.parametrize("count", [1, 2])
def test_few_images(count: int) -> None:
    hashes = {str(n): "ab" * 8 for n in range(count)}
    encoder = PHash(verbose=False)
    found = encoder.find_duplicates(encoding_map=hashes, max_distance_threshold=0)
    assert found == ({"0": []} if count == 1 else {"0": ["1"], "1": ["0"]})
    assert encoder.find_duplicates_to_remove(encoding_map=hashes) == ["1"][: count - 1]


def test_a_folder_equals_its_encodings(folder: Path) -> None:
    encoder = AHash(verbose=False)
    found = encoder.find_duplicates(folder, scores=True, recursive=True)
    assert list(encoder.skipped) == ["bad.png"]
    assert found["d.png"] == [("sub/d.png", 0)]
    hashes = encoder.encode_images(folder, recursive=True)
    assert found == encoder.find_duplicates(encoding_map=hashes, scores=True)
    assert list(found) == list(hashes)


def test_an_empty_folder_has_none(tmp_path: Path) -> None:
    assert PHash(verbose=False).find_duplicates(tmp_path) == {}
    assert PHash(verbose=False).find_duplicates_to_remove(tmp_path) == []


def test_too_many_pairs_are_refused_with_their_number() -> None:
    equal = dict.fromkeys(range(10_000), "5a" * 8)
    encoder = PHash(verbose=False)
    with pytest.raises(ValueError, match=r"49,995,000 pairs.*max_pairs"):
        encoder.find_duplicates(encoding_map=equal)
    few = dict(list(equal.items())[:100])
    with pytest.raises(ValueError, match=r"4,950 pairs.*max_pairs=4,949"):
        encoder.find_duplicates(encoding_map=few, max_pairs=4949)
    assert len(encoder.find_duplicates(encoding_map=few, max_pairs=4950)[0]) == 99


def test_equal_hashes_are_one_pair_to_those_who_remove_them() -> None:
    encoder = PHash(verbose=False)
    near = {"near": "5a" * 7 + "5b"}
    equal = dict.fromkeys(range(10_000), "5a" * 8)
    removed = encoder.find_duplicates_to_remove(encoding_map=equal | near, max_pairs=1)
    assert removed == [*range(1, 10_000), "near"]
    assert encoder.find_duplicates_to_remove(encoding_map=near | equal) == list(equal)
    last = encoder.find_duplicates_to_remove(encoding_map=equal, keep=lambda names: names[-1])
    assert last == list(range(9_999))
