"""Pairs of feature rows within a cosine similarity.

The device bounds the similarities of a tile from above, the host computes those that may reach the
threshold in float64, with one formula for each pair. So no result depends on the tiles, the device
or how it rounds, and a row equals its copy exactly.

The bound needs only some of the columns: with x = (p, q) and y = (u, v) of unit length,
x·y <= p·u + |q||v| (Cauchy and Schwarz). A tile of "sketches" (p, |q|) is one matrix product, as
short as the data allows.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import isqrt
from typing import NamedTuple

import jax
import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from jaxdedup.runtime import number_within, positive

from ._bound import bound, margin
from ._checks import check_features, check_finite
from ._devices import devices_for, is_accelerator, rows_of, stream
from ._pairs import DEFAULT_MAX_PAIRS, CosinePairs, collect
from ._products import tiles
from ._rows import Features, divided, dot_products, parts, similarities, units
from ._words import where

_TILE_PAIRS = 2**22, 2**24  # comparisons at a time, on a CPU and elsewhere

Candidates = tuple[NDArray[np.int64], NDArray[np.int64]]  # i, j

_FEW_QUERIES = 2**6
_SAMPLE = 512  # rows that decide how long the sketches are
_FEWEST_COLUMNS = 16
# What a pair costs the host, in products of whole rows on the device: on a CPU, which is the host,
# and elsewhere.
_HOST_COSTS = 200, 2**20
_DENSE = 256  # a tile where one pair in so many may be near is worth a whole product


class _Rows(NamedTuple):
    """Features float32[N, D], the squares of their lengths float64[N], and the rows of a tile."""

    features: Features
    squares: NDArray[np.float64]
    tile: int

    def units(self, rows: slice) -> NDArray[np.float64]:
        """Rows divided by their lengths; rows of zeros stay zeros."""
        return units(self.features[rows], self.squares[rows])

    def tiles(self) -> Iterator[slice]:
        """The rows of each tile; the last one may be short."""
        for start in range(0, len(self.features), self.tile):
            yield slice(start, min(start + self.tile, len(self.features)))


def cosine_pairs(
    features: ArrayLike,
    corpus: ArrayLike | None = None,
    *,
    min_similarity: float = 0.9,
    max_pairs: int = DEFAULT_MAX_PAIRS,
    tile_pairs: int | None = None,
    devices: Sequence[jax.Device] | None = None,
) -> CosinePairs:
    """Finds all pairs of rows whose cosine similarity is at least ``min_similarity``.

    Equals ``sklearn.metrics.pairwise.cosine_similarity`` in float64, rounded to float32 and
    compared in float32: 1.0 finds rows of the same direction, copies above all. Like there, a row
    of zeros has the similarity 0 with everything. The result is the same, bit for bit, on every
    device and for every size of the tiles.

    Args:
        features: float32[N, D], finite.
        corpus: float32[M, D] to search ``features`` in; None finds the pairs within ``features``.
        min_similarity: −1.0 to 1.0, inclusive.
        max_pairs: the most pairs to return; more are an error that says how many there are.
        tile_pairs: comparisons that a device makes at a time; they take about ten bytes each, and
            those that turn out near another fifty on the host. By default some as suit it.
        devices: take turns with the tiles; by default those that hold ``features`` if it is a
            jax.Array, and all local devices otherwise.

    Returns:
        Pairs sorted by (i, j). ``i`` counts ``features``; ``j`` counts ``corpus``, or
        ``features`` where there is none: then i < j, every pair is there once and no row is paired
        with itself.

    Raises:
        TypeError: features are not float32, or the threshold is no real number (bool is none).
        ValueError: a shape other than (N, D), NaN or infinity, a threshold out of range, too many
            pairs.

    Example:
        >>> import numpy as np
        >>> features = np.array([[1, 0], [0, 1], [3, 4], [30, 40]], np.float32)
        >>> i, j, similarity = cosine_pairs(features, min_similarity=0.7)
        >>> i.tolist(), j.tolist(), similarity.round(3).astype(str).tolist()
        ([1, 1, 2], [2, 3, 3], ['0.8', '0.8', '1.0'])
    """
    max_pairs = positive("max_pairs", max_pairs)
    candidates, score = _prepare(features, corpus, min_similarity, tile_pairs, devices)
    none = np.zeros(0, np.int32)
    nothing = CosinePairs(none, none, none.astype(np.float32))
    return collect(candidates, score, nothing, max_pairs)


def iter_cosine_pairs(
    features: ArrayLike,
    corpus: ArrayLike | None = None,
    *,
    min_similarity: float = 0.9,
    tile_pairs: int | None = None,
    devices: Sequence[jax.Device] | None = None,
    on_progress: Callable[[float], object] | None = None,
) -> Iterator[CosinePairs]:
    """Yields what :func:`cosine_pairs` finds piece by piece, for results too large to hold.

    Args:
        features: float32[N, D], finite.
        corpus: float32[M, D] or None, as in :func:`cosine_pairs`.
        min_similarity: −1.0 to 1.0, inclusive.
        tile_pairs: as in :func:`cosine_pairs`.
        devices: as in :func:`cosine_pairs`.
        on_progress: called with the share of the work that is done, 0 to 1, now and then.

    Returns:
        An iterator of pieces of at most ``tile_pairs`` pairs. Every pair is in one of them, once;
        the order of the pairs depends on ``tile_pairs``. Arguments are checked at once, not at the
        first piece.

    Raises:
        TypeError: as in :func:`cosine_pairs`.
        ValueError: as in :func:`cosine_pairs`.

    Example:
        >>> import numpy as np
        >>> sum(len(piece.i) for piece in iter_cosine_pairs(np.ones((100, 8), np.float32)))
        4950
    """
    candidates, score = _prepare(features, corpus, min_similarity, tile_pairs, devices, on_progress)
    return map(score, candidates)


def _prepare(
    features: ArrayLike,
    corpus: ArrayLike | None,
    min_similarity: float,
    tile_pairs: int | None,
    devices: Sequence[jax.Device] | None,
    on_progress: Callable[[float], object] | None = None,
) -> tuple[Iterator[Candidates], Callable[[Candidates], CosinePairs]]:
    """Checks the arguments; the pairs that may reach the threshold, and what decides on them."""
    check_features(features, corpus)
    threshold = np.float32(number_within("min_similarity", min_similarity, -1, 1))
    devices = devices or devices_for(features)
    if tile_pairs is None:
        tile_pairs = _TILE_PAIRS[is_accelerator(devices[0])]
    tile = max(1, isqrt(positive("tile_pairs", tile_pairs)))
    if corpus is not None and np.shape(features)[0] <= _FEW_QUERIES:
        both = np.asarray(features), np.asarray(corpus)
        candidates = _scan(*both, threshold, tile**2)
        return candidates, partial(_decide, *both, threshold)
    rows = _to_rows(features, "features", tile)
    others = None if corpus is None else _to_rows(corpus, "corpus", tile)
    candidates = _search(rows, others, threshold, devices, on_progress)
    score = partial(_score, rows, rows if others is None else others, threshold)
    return candidates, score


def _scan(
    features: Features,
    corpus: Features,
    threshold: np.float32,
    tile_pairs: int,
) -> Iterator[Candidates]:
    """The candidates for a few rows, of all their products: that takes less time than sketches."""
    reach = threshold - margin(features.shape[1], low_precision=False)
    for tile in tiles(features, corpus):
        i, j = where(tile.products >= reach)
        for part in (slice(n, n + tile_pairs) for n in range(0, len(i), tile_pairs)):
            yield i[part] + tile.query.start, j[part] + tile.row


def _decide(
    features: Features, corpus: Features, threshold: np.float32, candidates: Candidates
) -> CosinePairs:
    """Those of the candidates that reach the threshold."""
    i, j = candidates
    similarity = np.empty(len(i), np.float32)
    for part in parts(len(i), features.shape[1]):
        similarity[part] = similarities(features[i[part]], corpus[j[part]])
    return _reached(i, j, similarity, threshold)


def _to_rows(features: ArrayLike, name: str, tile: int) -> _Rows:
    host = np.ascontiguousarray(features)
    squares = np.empty(len(host))
    for part in parts(*host.shape):
        check_finite(host[part], name, part.start)
        squares[part] = dot_products(host[part], host[part])
    # A power of two, so that data of many sizes shares one compiled program.
    return _Rows(host, squares, min(tile, 1 << max(0, len(host) - 1).bit_length()))


def _search(
    rows: _Rows,
    corpus: _Rows | None,
    threshold: np.float32,
    devices: Sequence[jax.Device],
    on_progress: Callable[[float], object] | None,
) -> Iterator[Candidates]:
    others = rows if corpus is None else corpus
    if len(rows.features) == 0 or len(others.features) == 0:
        return
    low_precision = any(is_accelerator(device) for device in devices)
    columns = _choose_columns(rows, others, float(threshold), low_precision)
    reach = threshold - margin(len(columns), low_precision)
    dense = rows.tile * others.tile / _DENSE if len(columns) < rows.features.shape[1] else np.inf

    sketches_a = _on_devices(rows, columns, devices)
    sketches_b = sketches_a if corpus is None else _on_devices(corpus, columns, devices)

    def launch(tile: tuple[int, int], device: jax.Device) -> tuple[jax.Array, jax.Array]:
        a, b = sketches_a[device][tile[0]], sketches_b[device][tile[1]]
        return bound(a, b, same=a is b, low_precision=low_precision)

    tiles_a, tiles_b = list(rows.tiles()), list(others.tiles())
    tiles = [
        (a, b) for a in range(len(tiles_a)) for b in range(a if corpus is None else 0, len(tiles_b))
    ]
    for number, ((a, b), (bounds, highest)) in enumerate(stream(tiles, launch, devices), start=1):
        if on_progress:
            on_progress(number / len(tiles))
        if np.asarray(highest).max() < reach:
            continue
        i, j = _reaching(bounds, highest, reach)
        if len(i) > dense:
            sides = (rows, tiles_a[a]), (others, tiles_b[b])
            i, j = _reaching_in_full(*sides, threshold, *bounds.devices())
        yield _wanted(i + tiles_a[a].start, j + tiles_b[b].start, rows, corpus)


def _wanted(
    i: NDArray[np.intp], j: NDArray[np.intp], rows: _Rows, corpus: _Rows | None
) -> Candidates:
    """Those that are rows, and not what fills the last tile; of one side, each pair once."""
    count = len((rows if corpus is None else corpus).features)
    wanted = (i < len(rows.features)) & (j < count)
    if corpus is None:
        wanted &= i < j
    return i[wanted], j[wanted]


def _reaching(bounds: jax.Array, highest: jax.Array, reach: np.float32) -> Candidates:
    """Where the bounds reach the threshold, in rows and columns of the tile."""
    near = np.flatnonzero(np.asarray(highest) >= reach)
    row, column = np.nonzero(rows_of(bounds, near) >= reach)
    return near[row], column


def _reaching_in_full(
    a: tuple[_Rows, slice], b: tuple[_Rows, slice], threshold: np.float32, device: jax.Device
) -> Candidates:
    """The same with all columns: the bounds are the similarities, up to their rounding."""
    every = np.arange(a[0].features.shape[1])
    sketches = jax.device_put([_sketch(*a, every), _sketch(*b, every)], device)
    bounds, highest = bound(*sketches, low_precision=False)
    return _reaching(bounds, highest, threshold - margin(len(every), False))


def _choose_columns(
    rows: _Rows, corpus: _Rows, threshold: float, low_precision: bool
) -> NDArray[np.int64]:
    """The columns of the sketches: as few of the heaviest as rule out almost every pair."""
    a, b = (
        side.units(slice(None, None, -(-len(side.features) // _SAMPLE))) for side in (rows, corpus)
    )
    width = a.shape[1]
    order = np.argsort(-(a**2).sum(axis=0) - (b**2).sum(axis=0), kind="stable")
    far = a @ b.T < threshold
    best, cost = width, float(width)
    for count in (width // 2, width // 4, width // 8, width // 16):
        if count < _FEWEST_COLUMNS:
            break
        kept, rest = order[:count], order[count:]
        bounds = a[:, kept] @ b[:, kept].T
        bounds += np.outer(np.linalg.norm(a[:, rest], axis=1), np.linalg.norm(b[:, rest], axis=1))
        undecided = np.mean(far & (bounds >= threshold - margin(count, low_precision)))
        new_cost = count + float(undecided) * width * _HOST_COSTS[low_precision]
        if new_cost < cost:
            best, cost = count, new_cost
    return np.sort(order[:best])


def _on_devices(
    rows: _Rows, columns: NDArray[np.int64], devices: Sequence[jax.Device]
) -> dict[jax.Device, list[jax.Array]]:
    on_device: dict[jax.Device, list[jax.Array]] = {device: [] for device in devices}
    for tile in rows.tiles():
        sketch = _sketch(rows, tile, columns)
        for device in devices:
            on_device[device].append(jax.device_put(sketch, device))
    return on_device


def _sketch(rows: _Rows, tile: slice, columns: NDArray[np.int64]) -> Features:
    """float32[tile, len(columns) + 1]: those columns of unit rows, and the length of the rest."""
    units = rows.units(tile)
    sketch = np.zeros((rows.tile, len(columns) + 1), np.float32)
    sketch[: len(units), :-1] = units[:, columns]
    units[:, columns] = 0
    sketch[: len(units), -1] = np.linalg.norm(units, axis=1)
    return sketch


def _score(
    rows: _Rows, corpus: _Rows, threshold: np.float32, candidates: Candidates
) -> CosinePairs:
    """Those of the candidates that reach the threshold."""
    i, j = candidates
    similarity = np.empty(len(i), np.float32)
    for part in parts(len(i), rows.features.shape[1]):
        products = dot_products(rows.features[i[part]], corpus.features[j[part]])
        similarity[part] = divided(products, rows.squares[i[part]], corpus.squares[j[part]])
    return _reached(i, j, similarity, threshold)


def _reached(
    i: NDArray[np.intp], j: NDArray[np.intp], similarity: NDArray[np.float32], threshold: np.float32
) -> CosinePairs:
    reached = similarity >= threshold
    return CosinePairs(
        i[reached].astype(np.int32), j[reached].astype(np.int32), similarity[reached]
    )
