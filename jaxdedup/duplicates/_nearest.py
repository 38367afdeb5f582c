"""What is nearest to an image in a large corpus, of which no more is looked at than that takes."""

import numpy as np

from jaxdedup.encoding import Encodings, check_encodings
from jaxdedup.runtime import positive

from ._matches import Matches
from ._metric import check_threshold, metric_of
from ._quality import check_quality, of_quality
from ._search import DEFAULT_MAX_PAIRS, NOTHING, named_rows, other_side
from ._turned import Turned, nearest_turned, turned_pairs


def find_nearest(
    encodings: Encodings,
    corpus: Encodings,
    *,
    k: int | None = None,
    threshold: int | float | None = None,
    max_pairs: int = DEFAULT_MAX_PAIRS,
    min_quality: int | None = None,
) -> Matches:
    """The k encodings of a corpus that are nearest, or all that are near enough.

    With a threshold, what :func:`find_matches` finds, which prepares the whole corpus to be
    searched for many. Encodings of several orientations find images that are turned; a match counts
    once, as it is turned when it is nearest.

    Args:
        encodings: what is searched for.
        corpus: where it is searched; one row an image is enough.
        k: how many to find for each; or
        threshold: inclusive: of hashes the greatest distance in bits, of features the least cosine
            similarity.
        max_pairs: the most to find in all, with a threshold.
        min_quality: of images, as of :func:`find_matches`.

    Returns:
        The matches of each, the nearest first and equally near ones in the order of the corpus.
        ``others`` are those of the corpus that are among them.

    Raises:
        TypeError: neither or both of ``k`` and ``threshold``, no number, or no ``Encodings``.
        ValueError: the two were not made in one way, ``k`` is greater than the corpus, the
            threshold is out of range, features are not finite, or more than ``max_pairs`` are near.

    Example:
        >>> from jaxdedup.encoding import METHODS, Recipe
        >>> origin = Recipe(METHODS["phash"]).origin
        >>> corpus = Encodings.from_map({"a.png": "00" * 8, "b.png": "ff" * 8}, origin)
        >>> new = Encodings.from_map({"new.png": "00" * 7 + "03"}, origin)
        >>> find_nearest(new, corpus, k=1).to_dict(scores=True)
        {'new.png': [('a.png', 2)]}
    """
    if (k is None) == (threshold is None):
        raise TypeError(f"expected either k or threshold, got {k!r} and {threshold!r}")
    check_encodings(encodings)
    encodings, low = of_quality(encodings, check_quality(encodings.origin, min_quality))
    corpus, low_too = other_side(encodings, corpus, min_quality)
    limit = check_threshold(encodings.origin, threshold)
    max_pairs = positive("max_pairs", max_pairs)
    with named_rows(encodings, corpus):
        pairs, turns = _pairs(encodings, corpus, k, limit, max_pairs)
    places, j = np.unique(pairs.j, return_inverse=True)
    return Matches(
        encodings.names,
        [corpus.names[place] for place in places.tolist()],
        np.arange(len(encodings)),
        np.arange(len(places)),
        pairs._replace(j=j.astype(np.int32)),
        metric_of(encodings.origin),
        "score",
        max_pairs,
        is_self_join=False,
        turns=turns,
        low_quality=low + low_too,
    )


def _pairs(
    encodings: Encodings, corpus: Encodings, k: int | None, limit: int | float, max_pairs: int
) -> Turned:
    rows, others, turns = encodings.rows, corpus.rows, encodings.origin.row.rows
    metric = metric_of(encodings.origin)
    if len(rows) and k is not None:
        return nearest_turned(rows, others, turns, metric, k)
    if len(rows) and len(others):
        return turned_pairs(rows, others, turns, metric, limit, max_pairs)
    return NOTHING
