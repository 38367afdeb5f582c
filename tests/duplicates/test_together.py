"""union and intersection of two searches, against sets of pairs."""

import numpy as np

from jaxdedup.duplicates import find_matches, intersection, union
from jaxdedup.encoding import Encodings
from tests.stored import origin_of

NAMES = [f"{n}.png" for n in range(30)]


def test_pairs_and_both_scores() -> None:
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 2, (30, 8), np.uint8) for _ in range(2)]
    distances = [(a[:, None] != a[None]).sum(-1) for a in rows]
    searches = [
        find_matches(Encodings(NAMES, a, origin_of(method)), threshold=2)
        for a, method in zip(rows, ("phash", "dhash"), strict=True)
    ]
    either, both = union(*searches), intersection(*searches)
    assert list(either) == list(both) == NAMES
    for i, name in enumerate(NAMES):
        near = [{NAMES[j] for j in range(30) if j != i and d[i, j] <= 2} for d in distances]
        assert {match[0] for match in either[name]} == near[0] | near[1]
        assert {match[0] for match in both[name]} == near[0] & near[1]
        for other, *scores in either[name]:
            j = NAMES.index(other)
            assert scores == [d[i, j] if d[i, j] <= 2 else None for d in distances]
        found = [match[1] for match in either[name] if match[1] is not None]
        assert found == sorted(found)
