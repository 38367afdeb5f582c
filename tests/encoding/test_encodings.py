"""Encodings as columns: what they hold, show and refuse."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from jaxdedup.encoding import (
    METHODS,
    Encoded,
    Encodings,
    PackedNames,
    Recipe,
    encode,
    method_named,
    network_method,
    oriented,
    rated,
)
from tests.stored import features_of, hashes_of, origin_of

RECIPE = Recipe(METHODS["phash"])
ROWS = np.random.default_rng(0).integers(0, 256, (3, 8), np.uint8)


def test_a_mapping_of_what_people_look_at() -> None:
    encodings = Encodings(["b", "a", 7], ROWS, origin_of("phash"), {"bad": "is empty"})
    expected = {"b": ROWS[0].tobytes().hex(), "a": ROWS[1].tobytes().hex()}
    expected[7] = ROWS[2].tobytes().hex()  # type: ignore[index]
    assert dict(encodings) == encodings.to_dict() == expected
    assert list(encodings) == ["b", "a", 7]
    assert encodings == expected
    assert "c" not in encodings
    assert pickle.loads(pickle.dumps(encodings)) == encodings
    features = features_of({"a": [1, 2], "b": [[3, 4]]})
    assert features["b"].tolist() == [[3, 4]]
    assert features["b"].dtype == np.float32


def test_reprs_are_short() -> None:
    names = [f"{n}.jpg" for n in range(1000)]
    many = Encodings(names, np.zeros((1000, 8), np.uint8), origin_of("phash"), {"<b>": "is empty"})
    assert repr(many) == "<Encodings: 1,000 of phash, 1 failure>"
    html = many._repr_html_()
    assert len(html) < 1000
    assert "<td>0.jpg</td><td>0000000000000000</td>" in html


def test_a_stream_is_sorted_where_its_keys_can_be() -> None:
    stream = [Encoded(k, row) for k, row in zip("cab", ROWS, strict=True)]
    stream += [Encoded("z", None, "is empty"), Encoded("y", None, "does not exist")]
    collected = Encodings.collect(stream, RECIPE)
    assert collected.to_dict() == {k: ROWS["cab".index(k)].tobytes().hex() for k in "abc"}
    assert list(collected.failures.items()) == [("y", "does not exist"), ("z", "is empty")]
    mixed = Encodings.collect([Encoded(1, ROWS[0]), Encoded("a", ROWS[1])], RECIPE)
    assert list(mixed) == [1, "a"]
    with pytest.raises(ValueError, match="expected each name once, got 'a' twice"):
        Encodings.collect([Encoded("a", ROWS[0]), Encoded("a", ROWS[1])], RECIPE)


FEATURES = Recipe(network_method(lambda images: images.mean((1, 2)), image_size=8))
RATED = Recipe(rated(METHODS["phash"]))
WRONG_ROWS: dict[str, tuple[Recipe, list[Encoded], type[Exception], str]] = {
    "bytes of another dtype": (
        *(RECIPE, [Encoded("b", np.zeros(2, np.float32))]),
        *(TypeError, r"expected a row uint8\[8\] for 'b', got float32\[2\]"),
    ),
    "several rows": (RECIPE, [Encoded("b", ROWS[:1])], TypeError, r"for 'b', got uint8\[1, 8\]"),
    "no array": (RECIPE, [Encoded("b", bytes(8))], TypeError, r"for 'b', got b'"),
    "another width": (
        *(RECIPE, [Encoded("a", ROWS[0]), Encoded("b", ROWS[0, :7])]),
        *(ValueError, r"expected a row uint8\[8\] for 'b', got uint8\[7\]"),
    ),
    "another width than the first": (
        *(FEATURES, [Encoded("a", np.ones(3, np.float32)), Encoded("b", np.ones(4, np.float32))]),
        *(ValueError, r"expected a row float32\[3\] for 'b', got float32\[4\]"),
    ),
    "no quality": (RATED, [Encoded("b", ROWS[0])], TypeError, "quality of 'b' .* got None"),
    "too good": (
        *(RATED, [Encoded("b", ROWS[0], None, 300)]),
        *(ValueError, "quality of 'b' to be an integer from 0 to 100, got 300"),
    ),
}


WRONG_KINDS: list[tuple[str, Callable[[Any], object]]] = [
    ("a Recipe", lambda wrong: Encodings.collect([], wrong)),
    ("an Origin", lambda wrong: Encodings.from_map({}, wrong)),
    ("an Origin", lambda wrong: Encodings([], ROWS[:0], wrong)),
    ("an Origin", Recipe.from_origin),
    ("name as a string", lambda wrong: replace(METHODS["phash"], name=wrong)),
]


@pytest.mark.parametrize(("wanted", "call"), WRONG_KINDS)
def test_what_is_of_another_kind_is_told(wanted: str, call: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError, match=f"expected {wanted}.*, got "):
        call(3)


@pytest.mark.parametrize("case", WRONG_ROWS)
def test_rows_that_a_recipe_does_not_make_are_named(case: str) -> None:
    recipe, stream, error, message = WRONG_ROWS[case]
    with pytest.raises(error, match=message):
        Encodings.collect(stream, recipe)


def test_a_stream_is_of_one_recipe() -> None:
    for made, wanted, message in [
        ("phash", RECIPE, None),
        ("ahash", RECIPE, "another recipe: expected method phash, got ahash"),
        ("phash", replace(RECIPE, exif_orientation=True), "expected exif_orientation True"),
        ("phash", RATED, "expected a stream that tells quality, got one of phash"),
    ]:
        stream = encode([("a", np.eye(8, dtype=np.uint8))], Recipe(METHODS[made]))
        if message is None:
            assert list(Encodings.collect(stream, wanted)) == ["a"]
            continue
        with pytest.raises(ValueError, match=message):
            Encodings.collect(stream, wanted)


def test_columns_that_do_not_go_together() -> None:
    origin = origin_of("phash")
    for names, rows, error, message in [
        (["a"], ROWS, ValueError, r"expected rows \[1, 8\] of phash, got \[3, 8\]"),
        (["a"], ROWS[:1, :7], ValueError, r"expected rows \[1, 8\] of phash, got \[1, 7\]"),
        (["a"], ROWS[0], ValueError, "expected rows"),
        (["a"], ROWS[:1].astype(np.int64), TypeError, "rows of phash as uint8, got int64"),
        (["a"], ROWS[:1].astype(np.float32), TypeError, "rows of phash as uint8, got float32"),
        (["a"], [[1] * 8], TypeError, "rows of phash as uint8, got list"),
        (["a", "b", "a"], ROWS, ValueError, "each name once, got 'a' twice"),
    ]:
        with pytest.raises(error, match=message):
            Encodings(names, rows, origin)
    with pytest.raises(TypeError, match="expected a mapping of encodings, got list"):
        Encodings.from_map(["0" * 16], origin)  # type: ignore[arg-type]


@pytest.mark.parametrize("rows", [1, 4])
def test_bits_beyond_those_of_a_hash(rows: int) -> None:
    """Distances would count them; no digit shows them all."""
    origin = replace(origin_of("imagehash-colorhash"), orientations={1: "none", 4: "mirrors"}[rows])
    hashes = np.zeros((2, 6 * rows), np.uint8)
    hashes[1, -6] = 0b11
    assert Encodings(["a", "b"], hashes, origin)["b"][-12:].endswith("3" + "0" * 10)
    hashes[1, -6] = 0b111
    with pytest.raises(ValueError, match="hash of 42 bits for 'b', got a higher bit set"):
        Encodings(["a", "b"], hashes, origin)


def test_a_differing_origin_says_in_what() -> None:
    plain = origin_of("phash")
    assert plain.differences(replace(plain, version="9", formats=("mp4",))) == ""
    assert plain.differences(origin_of("ahash", profile="pillow6", draft=True)) == (
        "expected method phash, got ahash; size (32, 32), got (8, 8); profile pillow13, got "
        "pillow6; draft False, got True"
    )
    other = replace(origin_of("cnn"), weights="0123")
    assert "weights" in origin_of("cnn").differences(other)


OURS = {
    **METHODS,
    "of another size": method_named("whash-16"),
    "rated": rated(METHODS["dhash"]),
    "turned": oriented(METHODS["ahash"], "mirrors"),
    "rated and turned": oriented(rated(METHODS["phash"])),
}


@pytest.mark.parametrize("case", OURS)
def test_a_method_of_ones_own_is_none_of_the_package(case: str) -> None:
    ours = OURS[case]
    own = replace(ours, compute=print, load=None)  # by the same name
    assert (Recipe(ours).origin.own, Recipe(own).origin.own) == (False, True)
    assert "own False, got True" in Recipe(ours).origin.differences(Recipe(own).origin)
    assert Recipe.from_origin(Recipe(ours).origin) == Recipe(ours)
    with pytest.raises(ValueError, match=f"expected the method {ours.name}, which is somebody's"):
        Recipe.from_origin(Recipe(own).origin)


def test_how_many_features_only_the_network_knows() -> None:
    recipe = Recipe(network_method(lambda images: images.mean((1, 2)), image_size=8))
    image = np.full((9, 9, 3), 200, np.uint8)
    encodings = Encodings.collect(encode([("a", image), ("b", image)], recipe), recipe)
    assert (recipe.origin.count, encodings.origin.count) == (None, 3)
    assert recipe.origin.differences(encodings.origin) == ""
    other = Encodings.from_map({"a": [1, 2]}, recipe.origin)
    assert encodings.origin.differences(other.origin) == "expected count 3, got 2"


def test_packed_names_are_a_list() -> None:
    names = ["a", "", "ä 日本", "caf\udce9", "line\nend"]
    packed = PackedNames.of(names)
    assert list(packed) == names
    assert [packed[n] for n in (-1, 0, 2)] == [names[n] for n in (-1, 0, 2)]
    assert packed[1:4] == names[1:4]
    assert len(packed) == 5
    with pytest.raises(IndexError):
        _ = packed[5]
    assert hashes_of(dict.fromkeys(names, "0" * 16)).names == names


def test_features_are_compared() -> None:
    features = features_of({"a": [1, 2], "b": [3, 4]})
    assert features == features_of({"a": [1, 2], "b": [3, 4]})
    assert features != features_of({"a": [1, 2], "b": [3, 5]})
    assert features != features_of({"a": [1, 2], "c": [3, 4]})
    assert hashes_of({"a": "0" * 16}) != hashes_of({"a": "0" * 16}, profile="pillow6")


@pytest.mark.parametrize("failures", [(True, True), (True, False), (False, True)])
def test_two_results_of_one_key_are_refused(failures: tuple[bool, bool]) -> None:
    rows = zip(failures, ROWS, strict=False)
    stream = [
        Encoded("a", None, "is empty") if failed else Encoded("a", row) for failed, row in rows
    ]
    with pytest.raises(ValueError, match="expected each name once, got 'a' twice"):
        Encodings.collect(stream, RECIPE)
