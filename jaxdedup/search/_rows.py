"""Feature rows on the host, in float64: what decides how similar two of them are."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32]  # [N, D]

_AT_A_TIME = 2**18  # numbers


def parts(count: int, width: int) -> Iterator[slice]:
    """So many rows, as many at a time as the host deals with best."""
    step = max(1, _AT_A_TIME // width)
    return (slice(start, start + step) for start in range(0, count, step))


def dot_products(a: Features, b: Features) -> NDArray[np.float64]:
    """The products of rows with rows, summed in one order whatever the number of rows."""
    return np.einsum("nd,nd->n", a.astype(np.float64), b.astype(np.float64))


def similarities(a: Features, b: Features) -> NDArray[np.float32]:
    """The cosine similarities of rows with rows, from −1 to 1; with a row of zeros it is 0."""
    return divided(dot_products(a, b), dot_products(a, a), dot_products(b, b))


def divided(
    products: NDArray[np.float64], squares_a: NDArray[np.float64], squares_b: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Similarities, of products and of the squares of the rows' lengths."""
    # √(s·s) is s exactly: a row and its copy have the similarity 1.
    lengths = np.sqrt(squares_a * squares_b)
    return np.clip((products / np.where(lengths > 0, lengths, 1)).astype(np.float32), -1, 1)


def units(features: Features, squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows divided by their lengths, whose squares are given; rows of zeros stay zeros."""
    lengths = np.sqrt(squares)[:, None]
    return features / np.where(lengths > 0, lengths, 1)
