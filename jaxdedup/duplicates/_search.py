"""Which encodings are near which: the one door to all searches of encodings.

Equal rows have the same neighbours. So only distinct ones, the kinds, are searched, and thousands
of copies of one placeholder are one group without their millions of pairs, which are made only
where somebody asks for a list of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from jaxdedup.encoding import Encodings, check_encodings, refuse_infinite
from jaxdedup.runtime import positive
from jaxdedup.search import HammingPairs, distinct_rows

from ._matches import Indices, Matches
from ._metric import Order, Pairs, Progress, check_threshold, metric_of
from ._quality import check_quality, of_quality
from ._turned import Turned, turned_pairs

DEFAULT_MAX_PAIRS = 10_000_000  # a result of this size takes some gigabytes as a dict

_NONE = np.zeros(0, np.int32)
NOTHING: Turned = HammingPairs(_NONE, _NONE, _NONE.astype(np.uint8)), None


def find_matches(
    encodings: Encodings,
    corpus: Encodings | None = None,
    *,
    threshold: int | float | None = None,
    max_pairs: int = DEFAULT_MAX_PAIRS,
    min_quality: int | None = None,
    order: Order | None = None,
) -> Matches:
    """The encodings that are near each other, or near those of a corpus.

    Encodings of several orientations (:func:`jaxdedup.encoding.oriented`) find images that are
    turned: of two images that distance counts which is least over the turns of the one, and without
    a corpus over those of either.

    Args:
        encodings: what is searched for.
        corpus: where it is searched; None for the encodings themselves, where none matches itself.
            One row an image is enough.
        threshold: inclusive: of hashes the greatest distance in bits, of features the least cosine
            similarity; None for the method's own (:func:`check_threshold`).
        max_pairs: the most pairs to hold; those of equal encodings count where they are listed.
        min_quality: of images, 0 to 100; the others, on either side, are left out, and named by
            ``low_quality``. None for 50 of PDQ, whose authors advise it, and else for any.
        order: of the matches of each: the nearest first (``"score"``), or as in the corpus
            (``"index"``); None for imagededup's, the former for hashes, the latter for features.

    Raises:
        TypeError: the threshold, or the quality, is no number, or a side is no ``Encodings``.
        ValueError: the threshold or the quality is out of range, the quality or the order is not
            known, the two were not made in one way, features are not finite (the message names
            them), or there are more pairs than ``max_pairs``.

    Example:
        >>> from jaxdedup.encoding import METHODS, Recipe
        >>> hashes = {"a.png": "00" * 8, "b.png": "ff" * 8, "c.png": "00" * 7 + "03"}
        >>> encodings = Encodings.from_map(hashes, Recipe(METHODS["phash"]).origin)
        >>> find_matches(encodings).to_dict(scores=True)
        {'a.png': [('c.png', 2)], 'b.png': [], 'c.png': [('a.png', 2)]}
    """
    metric = metric_of(check_encodings(encodings).origin)
    limit = check_threshold(encodings.origin, threshold)
    max_pairs = positive("max_pairs", max_pairs)
    if order not in (None, *get_args(Order)):
        raise ValueError(f"expected order 'score' or 'index', got {order!r:.80}")
    encodings, low = of_quality(encodings, check_quality(encodings.origin, min_quality))
    if corpus is not None:
        corpus, low_too = other_side(encodings, corpus, min_quality)
        low += low_too
    distinct, kinds = _kinds(encodings.rows)
    others, other_kinds = (None, kinds) if corpus is None else _kinds(corpus.rows)
    pairs, turns = NOTHING
    if len(distinct) and (others is None or len(others)):
        pairs, turns = _pairs(encodings, corpus, distinct, others, limit, max_pairs)
    return Matches(
        encodings.names,
        (encodings if corpus is None else corpus).names,
        kinds,
        other_kinds,
        pairs,
        metric,
        order or metric.order,
        max_pairs,
        is_self_join=corpus is None,
        turns=turns,
        low_quality=low,
    )


def iter_pairs(
    encodings: Encodings,
    *,
    threshold: int | float | None = None,
    on_progress: Progress | None = None,
) -> Iterator[Pairs]:
    """The pairs of encodings that are near each other, piece by piece, however many there are.

    Args:
        encodings: of one row an image.
        threshold: as of :func:`find_matches`.
        on_progress: called with the share of the work that is done, 0 to 1, now and then.

    Returns:
        An iterator of pieces, of a million pairs or less: ``i`` and ``j`` are places in
        ``encodings.names``, each pair is in one of the pieces, once, and the pieces in no order.

    Raises:
        TypeError: the threshold is no number.
        ValueError: the threshold is out of range, or there are rows of turned images.

    Example:
        >>> from jaxdedup.encoding import METHODS, Recipe
        >>> hashes = {"a.png": "00" * 8, "b.png": "ff" * 8, "c.png": "00" * 7 + "03"}
        >>> encodings = Encodings.from_map(hashes, Recipe(METHODS["phash"]).origin)
        >>> [(i, j, distance.tolist()) for i, j, distance in iter_pairs(encodings) if len(i)]
        [(array([0], dtype=int32), array([2], dtype=int32), [2])]
    """
    if check_encodings(encodings).origin.row.rows > 1:
        raise ValueError("expected one row an image, got those of turned images")
    limit = check_threshold(encodings.origin, threshold)
    if not len(encodings):
        return iter(())
    return metric_of(encodings.origin).iter_pairs(encodings.rows, limit, on_progress)


def _pairs(
    encodings: Encodings,
    corpus: Encodings | None,
    distinct: NDArray[Any],
    others: NDArray[Any] | None,
    limit: int | float,
    max_pairs: int,
) -> Turned:
    """The pairs of the distinct rows of either side."""
    rows, metric = encodings.origin.row.rows, metric_of(encodings.origin)
    with named_rows(encodings, corpus):
        return turned_pairs(distinct, others, rows, metric, limit, max_pairs)


def other_side(
    encodings: Encodings, corpus: Encodings, min_quality: int | None
) -> tuple[Encodings, list[str]]:
    """The corpus of that quality, one row an image, and the names of what is left out of it."""
    check_encodings(corpus)
    corpus, low = of_quality(corpus, check_quality(corpus.origin, min_quality))
    return comparable(encodings, corpus), low


def comparable(encodings: Encodings, corpus: Encodings) -> Encodings:
    """The corpus, one row an image; ValueError unless the two were made in one way."""
    corpus = upright(corpus)
    made = replace(encodings.origin, orientations="none")
    if different := made.differences(corpus.origin):
        raise ValueError(f"the two sides were not made in one way: {different}")
    return corpus


def upright(encodings: Encodings) -> Encodings:
    """Without the rows of turned images: one row an image.

    Example:
        >>> from jaxdedup.encoding import METHODS, Recipe, oriented
        >>> origin = Recipe(oriented(METHODS["phash"])).origin
        >>> upright(Encodings(["a.png"], np.zeros((1, 64), np.uint8), origin)).rows.shape
        (1, 8)
    """
    rows = check_encodings(encodings).origin.row.rows
    if rows == 1:
        return encodings
    width = encodings.rows.shape[1] // rows
    return Encodings(
        encodings.names,
        np.ascontiguousarray(encodings.rows[:, :width]),
        replace(encodings.origin, orientations="none"),
        encodings.failures,
        encodings.quality,
        vouched_for=True,
    )


@contextmanager
def named_rows(*sides: Encodings | None) -> Iterator[None]:
    """Names the features that a search refuses, which knows of rows alone."""
    try:
        yield
    except ValueError:
        for side in sides:
            if side is not None:
                refuse_infinite(side.rows, side.names)
        raise


def _kinds(rows: NDArray[Any]) -> tuple[NDArray[Any], Indices]:
    """The distinct rows, in the order in which they come first, and which of them each row is."""
    first, kinds, _ = map(np.asarray, distinct_rows(rows))
    if rows.dtype == np.float32:
        # Features that are all zero have no direction, and so are not near their copies.
        stands_for = np.where(rows.any(axis=1), first[kinds], np.arange(len(rows)))
        first, kinds = np.unique(stands_for, return_inverse=True)
    return (rows if len(first) == len(rows) else rows[first]), kinds.astype(np.int64)
