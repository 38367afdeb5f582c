"""What two searches of the same images found, together: a hash and colours, say, or a network."""

from typing import Any

import numpy as np

from jaxdedup.encoding import Key
from jaxdedup.search import HammingPairs, groups

from ._matches import Matches

Together = dict[Key, list[tuple[Any, ...]]]


def union(first: Matches, second: Matches) -> Together:
    """The matches that either of two searches found.

    Args:
        first: a search.
        second: another one, of the same images by another method or threshold.

    Returns:
        By name, tuples (name, score of the first, score of the second), None for the score of one
        that did not find the match; those of the first search in its order, then the others.

    Raises:
        ValueError: there are more pairs than the ``max_pairs`` of a search.

    Example:
        >>> from jaxdedup.duplicates import find_matches
        >>> from jaxdedup.encoding import METHODS, Encodings, Recipe
        >>> def search(method, *digits):
        ...     hashes = dict(zip("abc", digits))
        ...     return find_matches(Encodings.from_map(hashes, Recipe(METHODS[method]).origin))
        >>> shapes = search("phash", "00" * 8, "00" * 7 + "01", "ff" * 8)
        >>> colours = search("imagehash-colorhash", "0" * 11, "3" + "f" * 10, "0" * 11)
        >>> union(shapes, colours)
        {'a': [('b', 1, None), ('c', None, 0)], 'b': [('a', 1, None)], 'c': [('a', None, 0)]}
        >>> intersection(shapes, colours)
        {'a': [], 'b': [], 'c': []}
    """
    a, b = _scores(first), _scores(second)
    return {
        name: [
            (other, a.get(name, {}).get(other), b.get(name, {}).get(other))
            for other in {**a.get(name, {}), **b.get(name, {})}
        ]
        for name in {**a, **b}
    }


def intersection(first: Matches, second: Matches) -> Together:
    """The matches that both of two searches found; otherwise as :func:`union`.

    Args:
        first: a search.
        second: another one.

    Returns:
        By name, tuples (name, score of the first, score of the second), in the first's order.

    Example:
        See :func:`union`.
    """
    return {
        name: [match for match in matches if None not in match[1:]]
        for name, matches in union(first, second).items()
    }


def union_groups(*searches: Matches) -> list[list[Key]]:
    """The names of each group, directly or indirectly matched by any search, largest first.

    Args:
        searches: one or more, without a corpus.

    Example:
        >>> from jaxdedup.duplicates import find_matches
        >>> from jaxdedup.encoding import METHODS, Encodings, Recipe
        >>> def search(*digits):
        ...     hashes = dict(zip("abc", digits))
        ...     return find_matches(Encodings.from_map(hashes, Recipe(METHODS["phash"]).origin))
        >>> union_groups(search("00" * 8, "00" * 8, "ff" * 8), search("00" * 8, "ff" * 8, "ff" * 8))
        [['a', 'b', 'c']]
    """
    names = list(dict.fromkeys(name for matches in searches for name in matches.names))
    number = {name: place for place, name in enumerate(names)}
    named = ([number[m.names[item]] for item in g] for m in searches for g in m.groups())
    # Each with the first of its group: no pairs of copies.
    edges = np.array([(group[0], place) for group in named for place in group], np.int32)
    i, j = edges.reshape(-1, 2).T
    found = groups(HammingPairs(i, j, np.zeros(len(i), np.uint8)), len(names))
    return sorted(([names[place] for place in group] for group in found), key=len, reverse=True)


def _scores(matches: Matches) -> dict[Key, dict[Key, Any]]:
    found = matches.to_dict(scores=True)
    return {name: {other: score for other, score, *_ in near} for name, near in found.items()}
