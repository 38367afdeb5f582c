"""An index against searches of the same rows, before and after it was written, damaged, shared."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from jaxdedup.search import (
    Index,
    _index_file,
    cosine_pairs,
    cosine_top_k,
    hamming_pairs,
    hamming_top_k,
)

ORIGIN = {"method": "phash", "profile": "pillow13"}


def some_rows(kind: str, count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if kind == "features":
        return rng.standard_normal((count, 5)).astype(np.float32)
    return rng.integers(0, 2, (count, 6 if kind == "42 bits" else 8), np.uint8)


def some_keys(count: int, folder: str = "a") -> list[str]:
    # The last ones are no UTF-8, and of more than one byte a letter.
    return [f"{folder}/{n}.png" for n in range(count - 2)] + [f"{folder}/\udcff", f"{folder}/ä"]


KINDS = ["64 bits", "42 bits", "features"]


def assert_holds(index: Index, rows: np.ndarray, keys: list[str]) -> None:
    """Each row and key is there, in order, and searches find what they find without an index."""
    np.testing.assert_array_equal(index.rows, rows)
    assert len(index) == len(keys)
    assert list(index.keys) == keys
    assert [index.keys[n] for n in range(len(keys))] == keys
    assert index.keys.places([*keys, "nowhere"]).tolist() == [*range(len(keys)), -1]
    queries = rows[:7]
    if rows.dtype == np.uint8:
        pairs = hamming_pairs(queries, rows, max_distance=4)
        near = index.query(queries, ORIGIN, threshold=4)
    else:
        pairs = cosine_pairs(queries, rows, min_similarity=0.5)
        near = index.query(queries, ORIGIN, threshold=0.5)
    found = {
        (query, row): score
        for query, part, scores in zip(
            range(len(queries)),
            np.split(near.indices, near.starts[1:]),
            np.split(near.score, near.starts[1:]),
            strict=False,
        )
        for row, score in zip(part.tolist(), scores.tolist(), strict=True)
    }
    assert found == {(i, j): s for i, j, s in zip(*(c.tolist() for c in pairs), strict=True)}
    if len(rows) >= 3:
        top = (hamming_top_k if rows.dtype == np.uint8 else cosine_top_k)(queries, rows, k=3)
        near = index.query(queries, ORIGIN, k=3)
        np.testing.assert_array_equal(near.indices.reshape(-1, 3), top.indices)
        np.testing.assert_array_equal(near.score.reshape(-1, 3), top[1])
        assert near.starts.tolist() == list(range(0, 3 * len(queries) + 1, 3))


@pytest.mark.parametrize("kind", KINDS)
def test_what_goes_in_is_found(kind: str, tmp_path: Path) -> None:
    rows, keys, path = some_rows(kind, 50), some_keys(50), tmp_path / "corpus.idx"
    index = Index.build(rows, keys, ORIGIN)
    assert_holds(index, rows, keys)
    index.save(path)
    assert_holds(index, rows, keys)
    assert_holds(Index.open(path), rows, keys)
    assert Index.open(path).origin == ORIGIN


@pytest.mark.parametrize("kind", KINDS)
def test_adding_and_removing(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "corpus.idx"
    rows, more = some_rows(kind, 40), some_rows(kind, 30, seed=1)
    keys, more_keys = some_keys(40), some_keys(30, "b")
    Index.build(rows, keys, ORIGIN).save(path)
    index = Index.open(path)
    index.add(more, more_keys, ORIGIN)
    assert_holds(index, np.concatenate([rows, more]), keys + more_keys)
    index.remove([*keys[::3], more_keys[-2]])
    kept = np.setdiff1d(np.arange(70), [*range(0, 40, 3), 68])
    expected = np.concatenate([rows, more])[kept], [(keys + more_keys)[n] for n in kept]
    assert_holds(index, *expected)
    assert_holds(Index.open(path), rows, keys)  # until it is saved
    index.save(path)
    assert_holds(Index.open(path), *expected)
    index.add(rows[:1], keys[:1], ORIGIN)
    index.remove(list(index.keys))
    assert_holds(index, rows[:0], [])
    index.save(path)
    assert_holds(Index.open(path), rows[:0], [])


def test_other_programs_can_read_it(tmp_path: Path) -> None:
    rows, keys, path = some_rows("64 bits", 9), some_keys(9), tmp_path / "corpus.idx"
    Index.build(rows, keys, ORIGIN).save(path)
    arrays = load_file(path)
    np.testing.assert_array_equal(arrays["rows"], rows)
    text, ends = arrays["keys.text"].tobytes(), arrays["keys.ends"].tolist()
    assert text[ends[3] : ends[4]].decode() == keys[3]


def test_keys_of_one_checksum_are_told_apart() -> None:
    keys = ["plumless", "buckeroo"]  # the CRC-32 of both is 4ddb0c25
    index = Index.build(some_rows("64 bits", 2), keys, ORIGIN)
    assert index.keys.places(keys[::-1]).tolist() == [1, 0]
    index.remove(["plumless"])
    assert "plumless" not in index.keys
    index.add(some_rows("64 bits", 1), ["plumless"], ORIGIN)
    assert index.keys.places(keys).tolist() == [1, 0]


def saved(path: Path) -> bytes:
    Index.build(some_rows("64 bits", 20), some_keys(20), ORIGIN).save(path)
    return path.read_bytes()


def use_all_of(path: Path) -> None:
    index = Index.open(path)
    index.query(index.rows[:1], ORIGIN, k=1)
    assert index.keys[0]


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
    index.add(some_rows("64 bits", 3, seed=1), some_keys(3, "b"), ORIGIN)

    class Full(bytes):
        def __len__(self) -> int:
            raise OSError("no space left")

    monkeypatch.setattr(_index_file, "_header", lambda arrays, origin: Full())
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
        index.add(some_rows("64 bits", 3), some_keys(3, folder), ORIGIN)
    one.save(path)
    with pytest.raises(FileExistsError, match="another writer has changed it; open it again"):
        other.save(path)
    one.remove(["b/0.png"])
    one.save(path)
    assert "b/0.png" not in Index.open(path).keys
    with pytest.raises(FileExistsError, match="expected a new file"):
        Index.build(some_rows("64 bits", 3), some_keys(3), ORIGIN).save(path)
    other.save(tmp_path / "other.idx")
    assert "c/ä" in Index.open(tmp_path / "other.idx").keys


def test_writers_at_once_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "corpus.idx"
    saved(path)
    refused: list[str] = []

    def write(folder: str) -> None:
        index = Index.open(path)
        index.add(some_rows("64 bits", 3), some_keys(3, folder), ORIGIN)
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
    assert {key.split("/")[0] for key in Index.open(path).keys} == {"a", *expected}
    assert expected


ROWS, KEYS = some_rows("64 bits", 4), some_keys(4)
OTHER = {**ORIGIN, "profile": "pillow9"}
MISTAKES: list[tuple[type[Exception], str, Callable[[Index], object]]] = [
    (ValueError, "got 3 for 4 rows", lambda index: Index.build(ROWS, KEYS[:3], ORIGIN)),
    (ValueError, "each key once, got 'a' twice", lambda i: Index.build(ROWS[:2], ["a", "a"], {})),
    (TypeError, "keys of type str, got 3", lambda index: Index.build(ROWS[:1], [3], ORIGIN)),
    (TypeError, "origin of texts by name, got 8", lambda i: Index.build(ROWS, KEYS, {"size": 8})),
    (TypeError, "dtype float32, got int64", lambda i: Index.build(ROWS.astype(int), KEYS, {})),
    (
        ValueError,
        "finite features, got NaN or infinity in row 1",
        lambda i: Index.build(np.float32([[1], [np.nan]]), ["a", "b"], {}),
    ),
    (ValueError, "new keys, got 'a/0.png'", lambda index: index.add(ROWS[:1], KEYS[:1], ORIGIN)),
    (ValueError, r"got \(1, 7\) and \(4, 8\)", lambda i: i.add(ROWS[:1, :7], ["b"], ORIGIN)),
    (ValueError, "profile='pillow13', got 'pillow9'", lambda i: i.add(ROWS[:1], ["b"], OTHER)),
    (ValueError, "profile='pillow13', got 'pillow9'", lambda i: i.query(ROWS, OTHER, k=1)),
    (ValueError, "profile='pillow13', got None", lambda i: i.query(ROWS, {"method": "phash"}, k=1)),
    (KeyError, "keys of the index, got 'b'", lambda index: index.remove(["a/0.png", "b"])),
    (TypeError, "either k or threshold, got None and None", lambda i: i.query(ROWS, ORIGIN)),
    (TypeError, "either k or threshold", lambda i: i.query(ROWS, ORIGIN, k=1, threshold=1)),
    (ValueError, "k of at most 4, .*got 5", lambda index: index.query(ROWS, ORIGIN, k=5)),
    (ValueError, "from 0 to 64, got 65", lambda index: index.query(ROWS, ORIGIN, threshold=65)),
    (ValueError, r"got \(4, 7\) and \(4, 8\)", lambda index: index.query(ROWS[:, :7], ORIGIN, k=1)),
    (TypeError, "uint8, got float32", lambda i: i.query(np.ones((1, 8), np.float32), ORIGIN, k=1)),
]


@pytest.mark.parametrize(("error", "message", "mistake"), MISTAKES)
def test_mistakes(error: type[Exception], message: str, mistake: Callable[[Index], object]) -> None:
    index = Index.build(ROWS, KEYS, ORIGIN)
    with pytest.raises(error, match=message):
        mistake(index)
    assert_holds(index, ROWS, KEYS)


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


def test_repr_is_short() -> None:
    assert repr(Index.build(ROWS, KEYS, ORIGIN)) == (
        "Index of 4 × uint8[8], method: phash, profile: pillow13"
    )
