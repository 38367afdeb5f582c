"""The k nearest hashes in one pass over the corpus.

A sample of the corpus limits how far away the k-th nearest hash of a query can be; what has been
found limits it ever closer. Only rows within the limits are looked at. They come in order, so that
of equals the first stays.
"""

import jax
import numpy as np
from numpy.typing import NDArray

from ._devices import is_accelerator, power_of_two
from ._nearest import Found, Nearest
from ._on_accelerator import highest_in_parts
from ._one_hash import Packed, least_distances
from ._scan import GROUP, Limits, is_for_host, nearest_in_groups, planes, scan
from ._traced_top_k import HASHES
from ._words import Distances, distances_between, to_words, where

_GROUPS = 2**10  # of distances, the nearest of which limit the others
_SAMPLE = 2**12  # hashes; or 2^10 groups of 16
_SAMPLED_AT_A_TIME = 2**16  # distances


def nearest_hashes(
    queries: Packed, corpus: Packed, k: int, device: jax.Device, *, among_themselves: bool
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Indices and distances of the k nearest, int32[B, k] each.

    An accelerator finds them by itself, as inside other programs.

    Args:
        queries: uint8[B, b].
        corpus: uint8[N, b].
        k: how many, at most as many as there are.
        device: compares many queries at a time.
        among_themselves: whether the queries are the corpus, and none is its own neighbour.
    """
    if is_for_host(queries, corpus):
        return _nearest_on_host(queries, corpus, k, among_themselves)
    nearest = Nearest(len(queries), k, np.uint16(8 * queries.shape[1] + 1))
    if is_accelerator(device):
        for some in highest_in_parts(
            queries, corpus, k, device, HASHES, among_themselves=among_themselves
        ):
            query, place = where(np.isfinite(some.score))
            nearest.add(Found(query, some.row[query, place], -some.score[query, place]))
    else:
        limits = _limits_of_a_sample(queries, corpus, k + among_themselves, device)
        for found in scan(queries, corpus, limits, device):
            nearest.add(found.among_others() if among_themselves else found)
            np.minimum(limits, nearest.worst, out=limits)
    return nearest.row, nearest.score.astype(np.int32)


def _nearest_on_host(
    queries: Packed, corpus: Packed, k: int, among_themselves: bool
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    found = np.empty((2, len(queries), k), np.int32)
    for number, query in enumerate(queries):
        row, distance = _nearest_to(query, corpus, k + among_themselves)
        if among_themselves:
            other = row != number
            row, distance = row[other], distance[other]
        found[:, number] = row[:k], distance[:k]
    return found[0], found[1]


def _nearest_to(query: Packed, corpus: Packed, k: int) -> tuple[NDArray[np.intp], Distances]:
    """The k nearest to one hash, in order."""
    nearest, distance = np.zeros(0, np.intp), np.zeros(0, np.uint16)
    for piece in least_distances(query, corpus):
        limit = int(distance[-1]) if len(distance) == k else _kth_of_some(piece.least, k)
        row, how_far = piece.near(query, corpus, limit)
        nearest, distance = np.concatenate([nearest, row]), np.concatenate([distance, how_far])
        order = np.argsort(distance, kind="stable")[:k]
        nearest, distance = nearest[order], distance[order]
    return nearest, distance


def _kth_of_some(distance: Distances, k: int) -> int:
    """A distance within which are k at least: the k-th smallest of the least of some groups."""
    count = min(max(_GROUPS, 4 * k), len(distance))
    least = distance[: len(distance) // count * count].reshape(-1, count).min(axis=0)
    return int(_kth(least[None], k)[0]) if k <= count else np.iinfo(distance.dtype).max


def _limits_of_a_sample(queries: Packed, corpus: Packed, k: int, device: jax.Device) -> Limits:
    """int64[B]: one more than a distance within which k hashes of a sample are, or more.

    If the nearest hashes of k groups are that near, so are k hashes at least.
    """
    groups = max(_SAMPLE // 4, power_of_two(4 * k))
    size = groups * GROUP
    limits = np.empty(len(queries), np.int64)
    if len(corpus) < size:
        sample = corpus[:: max(1, len(corpus) // max(_SAMPLE, 2 * k))]
        words, others = to_words(queries), np.ascontiguousarray(to_words(sample).T)
        step = max(1, _SAMPLED_AT_A_TIME // len(sample))
        for start in range(0, len(queries), step):
            some = slice(start, start + step)
            limits[some] = _kth(distances_between(words[some].T[..., None], others), k)
    else:
        sample = corpus[:: len(corpus) // size][:size].reshape(GROUP, groups, -1).swapaxes(1, 2)
        sample = jax.device_put(sample, device)
        for start, rows in planes(queries, groups, device):
            distance = np.asarray(nearest_in_groups(rows, sample)).T
            limits[start : start + len(distance)] = _kth(distance[: len(limits) - start], k)
        limits[limits == 255] = max(255, 8 * queries.shape[1])  # or more
    return limits + 1


def _kth(distance: NDArray[np.unsignedinteger], k: int) -> NDArray[np.unsignedinteger]:
    """[B]: the k-th smallest of each row of [B, N]."""
    # A stable sort of bytes counts them, which is faster than any partition.
    return np.sort(distance, axis=1, kind="stable")[:, k - 1]
