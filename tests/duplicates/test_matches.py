"""find_matches: many equal rows, any width, two sides; against every pair compared."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from jaxdedup.duplicates import Matches, find_matches
from jaxdedup.encoding import Encodings
from tests.stored import features_of, hashes_of, origin_of


def near_rows(count: int, bits: int, seed: int) -> np.ndarray:
    """Packed bits, most of them copies or neighbours of others."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 2, (count, bits), np.uint8)
    for row in range(8, count):
        rows[row] = rows[rng.integers(8)]
        rows[row, rng.integers(0, bits, rng.choice([0, 0, 1, 2, 5]))] ^= 1
    return np.packbits(np.pad(rows, ((0, 0), (-bits % 8, 0))), axis=1)


def encodings_of(rows: np.ndarray, bits: int) -> Encodings:
    names = [f"{n}.png" for n in range(len(rows))]
    return Encodings(names, rows, replace(origin_of("phash"), count=bits))


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    differing = np.unpackbits(a, axis=1)[:, None] != np.unpackbits(b, axis=1)[None]
    return differing.sum(axis=-1)


@pytest.mark.parametrize("bits", [42, 64, 144, 256, 1024])
def test_hashes_of_any_width(bits: int) -> None:
    rows, others = near_rows(70, bits, 0), near_rows(50, bits, 1)
    others[:30] = rows[:30]
    encodings, corpus = encodings_of(rows, bits), encodings_of(others, bits)
    for limit in (0, 2, 10, bits):
        within = distances(rows, rows)
        matches = find_matches(encodings, threshold=limit)
        check(matches, within, limit, exclude_self=True)
        check(find_matches(encodings, corpus, threshold=limit), distances(rows, others), limit)

        near = coo_array((within <= limit) & ~np.eye(70, dtype=bool))
        _, labels = connected_components(near)
        groups = {frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels)}
        assert {frozenset(group) for group in matches.groups()} == {g for g in groups if len(g) > 1}
        np.fill_diagonal(within, bits + 1)
        alone = within.min(axis=1) > limit
        np.testing.assert_array_equal(matches.nearest()[~alone], within.min(axis=1)[~alone])


def check(
    matches: Matches, expected: np.ndarray, limit: int, *, exclude_self: bool = False
) -> None:
    for row, (name, found) in enumerate(matches.to_dict(scores=True).items()):
        assert name == f"{row}.png"
        near = [n for n in np.argsort(expected[row], kind="stable") if expected[row, n] <= limit]
        wanted = [(f"{n}.png", expected[row, n]) for n in near if not (exclude_self and n == row)]
        assert found == wanted


def test_features_with_copies() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((5, 9), np.float32)[rng.integers(5, size=40)]
    rows[[3, 9, 20]] = 0
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    similarity = unit @ unit.T
    encodings = features_of(dict(enumerate(rows)))
    for limit in (-1.0, 0.0, 0.5, 0.99):
        found = find_matches(encodings, threshold=limit).to_dict()
        for row in range(40):
            near = np.flatnonzero(similarity[row] >= limit)
            assert found[row] == near[near != row].tolist()


def test_copies_make_no_pairs_until_they_are_listed() -> None:
    rows = np.zeros((300_000, 8), np.uint8)
    rows[7, 0] = 1
    matches = find_matches(encodings_of(rows, 64), max_pairs=1)
    (group,) = matches.groups()
    assert group == list(range(300_000))
    assert len(matches.removable()) == 299_999
    assert repr(matches) == "<Matches of 300,000 images: 44,999,850,000 pairs>"
    with pytest.raises(ValueError, match=r"exactly 44,999,850,000 pairs.*max_pairs=1\."):
        matches.to_dict()
    both = find_matches(encodings_of(rows[:5], 64), encodings_of(rows[:4], 64), max_pairs=20)
    assert sum(map(len, both.to_dict().values())) == 20


def test_reprs_say_what_was_found() -> None:
    hashes = {"<b>": "0" * 16, "b": "0" * 15 + "1", "c": "f" * 16, "d": "0" * 16}
    matches = find_matches(hashes_of(hashes), threshold=1)
    assert repr(matches) == "<Matches of 4 images: 3 pairs>"
    cells = [("&lt;b&gt;", "b", "1"), ("&lt;b&gt;", "d", "0"), ("…", "…", "…")]
    rows = "".join(f"<tr><td>{a}</td><td>{b}</td><td>{score}</td></tr>" for a, b, score in cells)
    assert matches._repr_html_().endswith(f"<table>{rows}</table>")

    many = hashes_of({f"{n}.jpg": f"{n // 2:016x}" for n in range(1000)})
    for matches in (find_matches(many, threshold=4), find_matches(many, many)):
        listed = sum(map(len, matches.to_dict().values()))
        found = listed // 2 if matches.is_self_join else listed
        assert f": {found:,} pairs>" in repr(matches)
        assert matches._repr_html_().count("<tr>") == 6
    assert "1,000 images in 1,000:" in repr(matches)

    similar = find_matches(features_of({"a": [1, 0], "b": [3, 1], "c": [-1, 0]}), threshold=0.9)
    assert "<tr><td>a</td><td>b</td><td>0.9487</td></tr></table>" in similar._repr_html_()
    assert repr(find_matches(hashes_of({}))) == "<Matches of 0 images: 0 pairs>"


def test_two_sides_of_two_origins() -> None:
    hashes = {"a": "0" * 16}
    for other, message in [
        (hashes_of(hashes, "whash"), "expected method phash, got whash"),
        (hashes_of(hashes, draft=True), "expected draft False, got True"),
        (encodings_of(np.zeros((1, 6), np.uint8), 42), "expected count 64, got 42"),
    ]:
        with pytest.raises(ValueError, match=f"two sides were not made in one way.*{message}"):
            find_matches(hashes_of(hashes), other)
    with pytest.raises(ValueError, match=r"expected threshold .* from 0 to 42, got 43"):
        find_matches(encodings_of(np.zeros((1, 6), np.uint8), 42), threshold=43)


def test_unknown_orders_are_refused_before_the_search() -> None:
    with pytest.raises(ValueError, match="order 'score' or 'index', got 'name'"):
        find_matches(hashes_of({"a": "0" * 16}), order="name")


def test_matches_are_compared_by_identity() -> None:
    encodings = hashes_of({"a": "0" * 16, "b": "0" * 16})
    assert find_matches(encodings) != find_matches(encodings)
