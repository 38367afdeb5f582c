"""Groups: the connected components of a list of pairs."""

import numpy as np
from numpy.typing import NDArray

from ._pairs import CosinePairs, HammingPairs, Indices


def connected_components(pairs: HammingPairs | CosinePairs, count: int) -> Indices:
    """Labels each item with the smallest index that a chain of pairs leads to.

    Equals ``scipy.sparse.csgraph.connected_components`` up to the names of the labels. Two items
    of a group need not be near each other, only near to neighbours of neighbours.

    Source: Zhang, Azad, Hu, "FastSV: a distributed-memory connected component algorithm with fast
    convergence", 2020.

    Args:
        pairs: what :func:`hamming_pairs` or :func:`cosine_pairs` returned for a self-join.
        count: N, the number of items.

    Returns:
        int32[N]; an item without neighbours is labelled with its own index.

    Example:
        >>> import numpy as np
        >>> from jaxdedup.search import hamming_pairs
        >>> hashes = np.array([[0] * 8, [255] * 8, [0] * 7 + [1]], np.uint8)
        >>> connected_components(hamming_pairs(hashes, max_distance=1), 3).tolist()
        [0, 1, 0]
    """
    label = np.arange(count, dtype=np.int32)
    i, j = pairs.i, pairs.j
    while True:
        # Labels only ever fall, and each is an index of the same component. Hang the roots of both
        # ends, then both ends themselves, below the other end's grandparent; then halve the paths.
        grandparent = label[label]
        smaller = np.minimum(grandparent[i], grandparent[j])
        lowered = label.copy()
        for place in (label[i], label[j], i, j):
            np.minimum.at(lowered, place, smaller)
        lowered = np.minimum(lowered, lowered[lowered])
        if np.array_equal(lowered, label):
            return label
        label = lowered


def groups(pairs: HammingPairs | CosinePairs, count: int) -> list[NDArray[np.int64]]:
    """Lists the groups that have two members or more, see :func:`connected_components`.

    Args:
        pairs: what :func:`hamming_pairs` or :func:`cosine_pairs` returned for a self-join.
        count: N, the number of items.

    Returns:
        An int64 array of indices for each group, members and groups in ascending order.

    Example:
        >>> import numpy as np
        >>> from jaxdedup.search import hamming_pairs
        >>> hashes = np.array([[0] * 8, [255] * 8, [0] * 7 + [1]], np.uint8)
        >>> [group.tolist() for group in groups(hamming_pairs(hashes, max_distance=1), 3)]
        [[0, 2]]
    """
    label = connected_components(pairs, count)
    members = np.flatnonzero(np.bincount(label, minlength=count)[label] > 1)
    members = members[np.argsort(label[members], kind="stable")]
    return np.split(members, np.flatnonzero(np.diff(label[members])) + 1) if len(members) else []
