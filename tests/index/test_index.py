"""An index against searches of the same encodings: written, changed, damaged, shared."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from jaxdedup.duplicates import find_matches, find_nearest
from jaxdedup.encoding import METHODS, Encodings, Origin, Recipe, oriented
from jaxdedup.index import Index, _file
from tests.stored import origin_of

ORIGINS = {
    "64 bits": origin_of("phash"),
    "42 bits": origin_of("imagehash-colorhash"),
    "features": Origin("cnn", (224, 224), 5, "pillow13", dtype="float32", weights="0" * 16),
}
ORIGIN = ORIGINS["64 bits"]


def some_rows(kind: str, count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if kind == "features":
        return rng.standard_normal((count, 5)).astype(np.float32)
    return rng.integers(0, 2, (count, 6 if kind == "42 bits" else 8), np.uint8)


def some_keys(count: int, folder: str = "a") -> list[str]:
    # The last ones are no UTF-8, and of more than one byte a letter.
    return [f"{folder}/{n}.png" for n in range(count - 2)] + [f"{folder}/\udcff", f"{folder}/ä"]


def some(count: int, folder: str = "a", kind: str = "64 bits", seed: int = 0) -> Encodings:
    return Encodings(some_keys(count, folder)[-count:], some_rows(kind, count, seed), ORIGINS[kind])


def assert_holds(index: Index, expected: Encodings) -> None:
    """Each row and key is there, in order, and searches find what they find without an index."""
    keys = list(expected.names)
    np.testing.assert_array_equal(index.encodings.rows, expected.rows)
    assert len(index) == len(keys)
    assert list(index.encodings.names) == keys
    assert [index.encodings.names[n] for n in range(len(keys))] == keys
    assert index.places([*keys, "nowhere"]).tolist() == [*range(len(keys)), -1]
    queries = Encodings(keys[:7], expected.rows[:7], expected.origin)
    threshold = 4 if expected.rows.dtype == np.uint8 else 0.5
    found = index.query(queries, threshold=threshold).to_dict(scores=True)
    wanted = find_matches(queries, expected, threshold=threshold, order="score")
    assert found == wanted.to_dict(scores=True)
    if len(keys) >= 3:
        found = index.query(queries, k=3).to_dict(scores=True)
        assert found == find_nearest(queries, expected, k=3).to_dict(scores=True)


@pytest.mark.parametrize("kind", ORIGINS)
def test_what_goes_in_is_found(kind: str, tmp_path: Path) -> None:
    encodings, path = some(50, kind=kind), tmp_path / "corpus.idx"
    index = Index.build(encodings)
    assert_holds(index, encodings)
    index.save(path)
    assert_holds(index, encodings)
    assert_holds(Index.open(path), encodings)
    assert Index.open(path).origin == encodings.origin


@pytest.mark.parametrize("kind", ORIGINS)
def test_adding_and_removing(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "corpus.idx"
    first, more = some(40, kind=kind), some(30, "b", kind, seed=1)
    names, rows = [*first.names, *more.names], np.concatenate([first.rows, more.rows])
    Index.build(first).save(path)
    index = Index.open(path)
    index.add(more)
    assert_holds(index, Encodings(names, rows, first.origin))
    index.remove([*first.names[::3], more.names[-2]])
    kept = np.setdiff1d(np.arange(70), [*range(0, 40, 3), 68])
    expected = Encodings([names[n] for n in kept], rows[kept], first.origin)
    assert_holds(index, expected)
    assert_holds(Index.open(path), first)  # until it is saved
    index.save(path)
    assert_holds(Index.open(path), expected)
    index.remove(list(index.encodings.names))
    index.save(path)
    assert len(Index.open(path)) == 0
    assert Index.open(path).query(first, threshold=0).to_dict()["a/1.png"] == []


def test_of_turned_images_the_upright_row_goes_in() -> None:
    turned = Recipe(oriented(METHODS["phash"])).origin
    rows = some_rows("64 bits", 8 * 20).reshape(20, -1)
    index = Index.build(Encodings(some_keys(20), rows, turned))
    assert_holds(index, Encodings(some_keys(20), rows[:, :8], ORIGIN))
    index.add(Encodings(some_keys(3, "b"), rows[:3], turned))
    assert len(index) == 23
    near = index.query(Encodings(["new"], rows[:1], turned), k=2).to_dict(scores=True)
    assert near == {"new": [("a/0.png", 0, "none"), ("b/0.png", 0, "none")]}


def test_other_programs_can_read_it(tmp_path: Path) -> None:
    encodings, path = some(9), tmp_path / "corpus.idx"
    Index.build(encodings).save(path)
    arrays = load_file(path)
    np.testing.assert_array_equal(arrays["rows"], encodings.rows)
    text, ends = arrays["keys.text"].tobytes(), arrays["keys.ends"].tolist()
    assert text[ends[3] : ends[4]].decode() == encodings.names[3]


def test_keys_of_one_checksum_are_told_apart() -> None:
    keys = ["plumless", "buckeroo"]  # the CRC-32 of both is 4ddb0c25
    index = Index.build(Encodings(keys, ROWS[:2], ORIGIN))
    assert index.places(keys[::-1]).tolist() == [1, 0]
    index.remove(["plumless"])
    assert "plumless" not in index.encodings.names
    index.add(Encodings(keys[:1], ROWS[:1], ORIGIN))
    assert index.places(keys).tolist() == [1, 0]


def saved(path: Path) -> bytes:
    Index.build(some(20)).save(path)
    return path.read_bytes()


def use_all_of(path: Path) -> None:
    index = Index.open(path)
    index.query(some(3), k=1)
    index.add(some(2, "b"))


def test_every_flipped_bit_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "corpus.idx"
    whole = saved(path)
    text = whole[8 : whole.index(b"}}") + 2]
    for place in [*range(0, len(whole), 7), len(whole) - 1]:
        if (
            8 + len(text)
            <= place
            < len(whole) - sum(array.nbytes for array in load_file(path).values())
        ):
            continue  # spaces that fill up the header
        damaged = bytearray(whole)
        damaged[place] ^= 4
        path.with_name("damaged").write_bytes(damaged)
        with pytest.raises(ValueError, match="expected an index"):
            use_all_of(path.with_name("damaged"))


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_files_that_are_cut_short(share: float, tmp_path: Path) -> None:
    whole = saved(tmp_path / "corpus.idx")
    path = tmp_path / "short"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match="expected an index"):
        Index.open(path)
    path.write_bytes(whole + b"1")
    with pytest.raises(ValueError, match=rf"of {len(whole):,} bytes in .*, got {len(whole) + 1:,}"):
        Index.open(path)


def test_a_file_that_could_not_be_written_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "corpus.idx"
    whole = saved(path)
    index = Index.open(path)
    index.add(some(3, "b"))

    class Full(bytes):
        def __len__(self) -> int:
            raise OSError("no space left")

    monkeypatch.setattr(_file, "_header", lambda arrays, origin: Full())
    with pytest.raises(OSError, match="no space left"):
        index.save(path)
    with pytest.raises(OSError, match="no space left"):
        index.save(tmp_path / "new.idx")
    assert path.read_bytes() == whole
    assert [entry.name for entry in tmp_path.iterdir()] == ["corpus.idx"]
    monkeypatch.undo()
    index.save(path)
    assert len(Index.open(path)) == 23


def test_of_two_writers_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "corpus.idx"
    saved(path)
    one, other = Index.open(path), Index.open(path)
    for index, folder in ((one, "b"), (other, "c")):
        index.add(some(3, folder))
    one.save(path)
    with pytest.raises(FileExistsError, match="another writer has changed it; open it again"):
        other.save(path)
    one.remove(["b/0.png"])
    one.save(path)
    assert "b/0.png" not in Index.open(path).encodings.names
    with pytest.raises(FileExistsError, match="expected a new file"):
        Index.build(some(3)).save(path)
    other.save(tmp_path / "other.idx")
    assert "c/ä" in Index.open(tmp_path / "other.idx").encodings.names


def test_writers_at_once_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "corpus.idx"
    saved(path)
    refused: list[str] = []

    def write(folder: str) -> None:
        index = Index.open(path)
        index.add(some(3, folder))
        try:
            index.save(path)
        except FileExistsError:
            refused.append(folder)

    threads = [threading.Thread(target=write, args=[str(n)]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = {str(n) for n in range(8)} - set(refused)
    assert {key.split("/")[0] for key in Index.open(path).encodings.names} == {"a", *expected}
    assert expected


ROWS = some_rows("64 bits", 4)
FOUR, NEW = some(4), some(3, "b")
OTHER = Encodings(["b"], ROWS[:1], replace(ORIGIN, profile="pillow9"))
NAN = Encodings(
    ["a", "b"], np.float32([[1, 2], [0, np.nan]]), replace(ORIGINS["features"], count=2)
)
MISTAKES: list[tuple[type[Exception], str, Callable[[Index], object]]] = [
    (TypeError, "keys of type str, got 3", lambda _: Index.build(Encodings([3], ROWS[:1], ORIGIN))),
    (ValueError, "finite features for 'b', got NaN or infinity", lambda _: Index.build(NAN)),
    (ValueError, "new keys, got 'a/0.png', which is there", lambda index: index.add(FOUR)),
    (ValueError, "profile pillow13, got pillow9", lambda index: index.add(OTHER)),
    (TypeError, "expected Encodings, got dict: .*from_map", lambda index: index.add({"b": "00"})),
    (ValueError, "method phash, got cnn", lambda index: index.add(some(2, kind="features"))),
    (ValueError, "profile pillow9, got pillow13", lambda index: index.query(OTHER, k=1)),
    (ValueError, "method cnn, got phash", lambda index: index.query(NAN, k=1)),
    (KeyError, "keys of the index, got 'b'", lambda index: index.remove(["a/0.png", "b"])),
    (TypeError, "either k or threshold, got None and None", lambda index: index.query(NEW)),
    (TypeError, "either k or threshold", lambda index: index.query(NEW, k=1, threshold=1)),
    (ValueError, "k of at most 4, .*got 5", lambda index: index.query(NEW, k=5)),
    (ValueError, "k to be at least 1, got 0", lambda index: index.query(NEW, k=0)),
    (ValueError, "from 0 to 64, got 65", lambda index: index.query(NEW, threshold=65)),
    (ValueError, "exactly 12 pairs", lambda index: index.query(NEW, threshold=64, max_pairs=11)),
]


@pytest.mark.parametrize(("error", "message", "mistake"), MISTAKES)
def test_mistakes(error: type[Exception], message: str, mistake: Callable[[Index], object]) -> None:
    index = Index.build(FOUR)
    with pytest.raises(error, match=message):
        mistake(index)
    assert_holds(index, FOUR)


def test_no_queries_find_nothing() -> None:
    for kind, threshold in {"64 bits": 10, "features": 0.9}.items():
        nothing = Encodings.from_map({}, ORIGINS[kind])
        index = Index.build(some(4, kind=kind))
        assert index.query(nothing, k=2).to_dict() == {}
        assert index.query(nothing, threshold=threshold).to_dict() == {}


def test_a_model_of_ones_own_stays_in_memory(tmp_path: Path) -> None:
    features = some(4, kind="features")
    own = Encodings(features.names, features.rows, replace(features.origin, weights=None))
    with pytest.raises(ValueError, match="no file for a model of your own"):
        Index.build(own).save(tmp_path / "corpus.idx")
    unknown = Encodings(["a"], ROWS[:1], replace(ORIGIN, method="mine"))
    with pytest.raises(ValueError, match=r"expected a method among phash, .*, got 'mine'"):
        Index.build(unknown).save(tmp_path / "corpus.idx")
    assert not any(tmp_path.iterdir())


def test_something_else_is_no_index(tmp_path: Path) -> None:
    path = tmp_path / "corpus.idx"
    for content in (b"", b"\0" * 100, b"PK\3\4" * 50, len(b"[]").to_bytes(8, "little") + b"[]"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="expected an index in"):
            Index.open(path)
    header = json.dumps({"__metadata__": {"format": "jaxdedup index 9"}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ValueError, match="of the format 'jaxdedup index 9'"):
        Index.open(path)
    with pytest.raises(FileNotFoundError):
        Index.open(tmp_path / "nothing.idx")


def test_one_string_is_no_list_of_keys() -> None:
    index = Index.build(Encodings(["a", "b", "ab"], some_rows("64 bits", 3), ORIGIN))
    for call in (index.remove, index.places):
        with pytest.raises(TypeError, match="expected a list of keys, got one, 'ab'"):
            call("ab")
    assert len(index) == 3
