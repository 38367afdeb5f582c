"""distinct_rows against np.unique."""

import numpy as np
import pytest

from jaxdedup.search import distinct_rows

ROWS = {
    "hashes of 64 bits": np.random.default_rng(0).integers(0, 2, (300, 8), np.uint8),
    "hashes of 42 bits": np.random.default_rng(1).integers(0, 2, (50, 6), np.uint8),
    "features": np.random.default_rng(2).integers(0, 2, (200, 5)).astype(np.float32),
    "all equal": np.full((100, 32), 7, np.uint8),
    "no row": np.zeros((0, 8), np.uint8),
    "not contiguous": np.random.default_rng(3).integers(0, 2, (90, 16), np.uint8)[::2, ::4],
}


@pytest.mark.parametrize("name", ROWS)
def test_equals_numpy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxdedup.search._distinct._COMPARED", 700)  # several parts
    rows = ROWS[name]
    _, first, kind, counts = np.unique(
        rows, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    found = distinct_rows(rows)
    order = np.argsort(first)
    np.testing.assert_array_equal(found.first, first[order])
    np.testing.assert_array_equal(order[found.kind], kind)
    np.testing.assert_array_equal(found.counts, counts[order])
    assert found.first.dtype == found.kind.dtype == np.int32


def test_zeros_of_either_sign_are_two_kinds() -> None:
    assert distinct_rows(np.array([[0.0], [-0.0]], np.float32)).kind.tolist() == [0, 1]


def test_a_single_number_has_no_rows() -> None:
    with pytest.raises(ValueError, match=r"shape \(N, …\), got \(\)"):
        distinct_rows(np.uint8(3))
