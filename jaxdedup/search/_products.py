"""The products of rows of unit length, tile by tile: how similar they are, within a margin.

A few queries leave the cores waiting for memory, so each core takes rows of its own; for many a
matrix product is faster.
"""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jaxdedup.runtime import core_count

from ._checks import check_finite
from ._rows import Features, dot_products, parts, units
from ._words import where

_PRODUCTS = 2**22  # at a time
_FEWEST_ROWS, _MOST_ROWS = 2**12, 2**18  # of the corpus at a time
_FEW_QUERIES = 4
_SHARE = 2**20  # numbers in a call: of smaller ones the cores wait for each other
_AT_A_TIME = 2**18  # numbers, in the cache
_SAFE_SQUARES = 2.0**-80, 2.0**120  # between these float32 has digits and range to spare


class Tile(NamedTuple):
    """Products float32[Q, T] of some queries and the rows from ``row`` on."""

    query: slice
    row: int
    products: NDArray[np.float32]


def tiles(features: Features, corpus: Features) -> Iterator[Tile]:
    """The products of all rows of unit length, a tile at a time; raises unless all are finite."""
    queries = to_units(features, "features")
    few = len(queries) <= _FEW_QUERIES
    rows = min(max(_PRODUCTS // max(1, len(queries)), _FEWEST_ROWS), _MOST_ROWS)
    count = max(1, _PRODUCTS // rows)
    with ThreadPoolExecutor(core_count()) as pool:
        for start in range(0, len(corpus), rows):
            some = corpus[start : start + rows]
            products, squares = _multiply_on_each_core(queries if few else queries[:0], some, pool)
            # The others are divided by their lengths before they are multiplied, in float64.
            safe = _are_safe(squares)
            inverse = np.reciprocal(np.sqrt(squares, where=safe, out=np.ones_like(squares)))
            unsafe = np.flatnonzero(~safe)
            if len(unsafe):
                check_finite(some, "corpus", start)
            unit = to_units(some[unsafe], "corpus")
            for first in range(0, len(queries), count):
                query = slice(first, first + count)
                part = queries[query]
                with np.errstate(over="ignore", invalid="ignore"):
                    if not few:
                        products = part @ some.T
                    products *= inverse
                products[:, unsafe] = part @ unit.T
                yield Tile(query, start, products)


def _are_safe(squares: NDArray[np.float32]) -> NDArray[np.bool_]:
    return (squares >= _SAFE_SQUARES[0]) & (squares <= _SAFE_SQUARES[1])


def to_units(features: Features, name: str) -> Features:
    """Rows divided by their lengths; raises unless they are finite."""
    unit = np.empty_like(features)
    for part in parts(*features.shape):
        check_finite(features[part], name, part.start)
        unit[part] = units(features[part], dot_products(features[part], features[part]))
    return unit


def _multiply_on_each_core(
    queries: Features, rows: Features, pool: Executor
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The products of rows with queries, [Q, T], and with themselves, [T]."""
    products = np.empty((len(queries), len(rows)), np.float32)
    squares = np.empty(len(rows), np.float32)

    def multiply(start: int) -> None:
        part = slice(start, start + step)
        with np.errstate(over="ignore", invalid="ignore"):
            np.vecdot(rows[part], rows[part], out=squares[part])
            for query, product in zip(queries, products, strict=True):
                np.vecdot(rows[part], query, out=product[part])

    step = max(1, _SHARE // rows.shape[1])
    list(pool.map(multiply, range(0, len(rows), step)))
    return products, squares


def products_of(corpus: Features, row: NDArray[np.intp], queries: Features) -> NDArray[np.float32]:
    """[H, R]: of rows [H, R], divided by their lengths, and a query each, [H, D]."""
    products = np.empty(row.shape, np.float32)
    step = max(1, _AT_A_TIME // (row.shape[1] * corpus.shape[1]))
    for start in range(0, len(row), step):
        part = slice(start, start + step)
        some = corpus[row[part]]
        with np.errstate(over="ignore", invalid="ignore"):
            squares = np.vecdot(some, some)
            safe = _are_safe(squares)
            lengths = np.sqrt(np.where(safe, squares, 1))
            products[part] = np.vecdot(some, queries[part, None]) / lengths
        hit, turn = where(~safe)
        unit = to_units(some[hit, turn], "corpus")
        products[start + hit, turn] = np.vecdot(unit, queries[start + hit])
    return products
