"""Pairs of near rows, a pair of blocks of rows at a time, and the groups that all of them make."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxdedup.search import (
    HammingPairs,
    connected_components,
    distinct_rows,
    iter_cosine_pairs,
    iter_hamming_pairs,
)

from ._shards import Folder, Shards


@dataclass(frozen=True)
class Search:
    """What all tasks of a search share.

    Attributes:
        shards: of the rows.
        limit: the threshold.
        copies: whether equal rows are searched each for itself.
        max_pairs: the most pairs that a task may write.
        step: the rows of a block.
        run: what tells this search from others.
        folder: of the matches.
    """

    shards: Shards
    limit: int | float
    copies: bool
    max_pairs: int
    step: int
    run: dict[str, Any]
    folder: Folder

    def tasks(self) -> dict[str, tuple[int, int]]:
        """By file, the numbers of two blocks."""
        blocks = range(-(-self.shards.count // self.step))
        return {f"{a:06}-{b:06}.parquet": (a, b) for a in blocks for b in blocks if a <= b}

    def pairs(self, a: int, b: int) -> Iterator[tuple[NDArray[Any], ...]]:
        """The pairs of rows of two blocks, or of one, in pieces: i, j and how near."""
        numbers, rows, links = self._block(a)
        if a == b:
            yield from links
            others, other_rows = numbers, None
        else:
            others, other_rows, _ = self._block(b)
        for i, j, score in self._near(rows, other_rows):
            yield numbers[i], others[j], score

    def _near(self, rows: NDArray[Any], others: NDArray[Any] | None) -> Iterator[tuple[Any, ...]]:
        if self.shards.origin.dtype == "uint8":
            return iter_hamming_pairs(rows, others, max_distance=int(self.limit))
        return iter_cosine_pairs(rows, others, min_similarity=self.limit)

    def _block(self, number: int) -> tuple[NDArray[np.int64], NDArray[Any], list[Any]]:
        """The numbers and rows of a block, and pairs that stand for those that are left out."""
        start = number * self.step
        numbers, rows = self.shards.block(start, start + self.step)
        if self.copies:
            return numbers, rows, []
        first, kind, _ = distinct_rows(rows)
        is_hash = rows.dtype == np.uint8
        # Features that are all zero have no direction, and so are not near their copies.
        copy = np.flatnonzero((first[kind] != np.arange(len(rows))) & (is_hash | rows.any(axis=1)))
        score = np.full(len(copy), 0 if is_hash else 1, np.uint8 if is_hash else np.float32)
        links = [(numbers[first[kind[copy]]], numbers[copy], score)]
        return numbers[first], rows[first], links


def search_blocks(search: Search, file: str, a: int, b: int) -> None:
    """Write the pairs of two blocks."""
    import pyarrow
    import pyarrow.parquet

    is_hash = search.shards.origin.dtype == "uint8"
    name, kind = ("distance", pyarrow.uint16()) if is_hash else ("similarity", pyarrow.float32())
    columns = {"i": pyarrow.int64(), "j": pyarrow.int64(), name: kind}
    schema = pyarrow.schema(columns.items(), {"run": json.dumps(search.run)})
    count = 0
    with (
        search.folder.writing(file) as path,
        pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer,
    ):
        for piece in search.pairs(a, b):
            count += len(piece[0])
            if count > search.max_pairs:
                raise ValueError(
                    f"expected at most max_pairs={search.max_pairs:,} pairs of two blocks, got "
                    "more: copies=False leaves out those of equal rows"
                )
            arrays = [pyarrow.array(part) for part in piece]
            writer.write_table(pyarrow.table(arrays, list(columns)).cast(schema))


def refuse_another_run(run: dict[str, Any], other: dict[str, Any], folder: Folder) -> None:
    """ValueError where a search was another one than the matches of a folder are of."""
    both = [(name, run[name], other.get(name)) for name in run]
    changed = [f"{name} {wanted}, got {got}" for name, wanted, got in both if wanted != got]
    if changed:
        raise ValueError(f"expected matches in {folder.url!r:.100} of {'; '.join(changed)}")


def run_of(folder: Folder, name: str) -> dict[str, Any]:
    """What tells the search that wrote a file of matches from others."""
    metadata = folder.schema(name).metadata or {}
    if b"run" not in metadata:
        raise ValueError(f"expected matches in {folder.url}/{name}, got another table")
    return dict(json.loads(metadata[b"run"]))


def labels(tables: Iterable[Any], count: int) -> NDArray[Any]:
    """The smallest row of each row's component, from pairs in pieces."""
    parent = np.arange(count, dtype=np.min_scalar_type(count))
    for table in tables:
        pairs = np.stack([_roots(parent, table[name].to_numpy()) for name in ("i", "j")])
        roots, ends = np.unique(pairs, return_inverse=True)
        i, j = ends.reshape(2, -1).astype(np.int32)
        joined = connected_components(HammingPairs(i, j, np.zeros(0, np.uint8)), len(roots))
        parent[roots] = roots[joined]  # in order: the smallest root of each component
    while not np.array_equal(above := parent[parent], parent):
        parent = above
    return parent


def _roots(parent: NDArray[Any], rows: NDArray[Any]) -> NDArray[Any]:
    roots = parent[rows]
    while not np.array_equal(above := parent[roots], roots):
        roots = above
    parent[rows] = roots  # the next way up is short
    return roots
