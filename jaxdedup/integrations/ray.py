"""Encode and search on a cluster, with Ray: shards in, shards out, and the groups of all of them.

A task reads one shard, or two blocks of rows, and writes one Parquet file, whole or not at all. So
nothing is shuffled, tasks know nothing of each other, machines may go away, and a run that is
started again does only what is not there yet. Folders may be on any file system of fsspec that all
machines reach.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from jaxdedup import encoding
from jaxdedup.duplicates import check_threshold
from jaxdedup.encoding import Encodings, Recipe, origin_of, save
from jaxdedup.loading import open_source
from jaxdedup.runtime import Path, positive

from ._cluster import run
from ._search import Search, labels, refuse_another_run, run_of, search_blocks
from ._shards import Folder, Shards
from ._table import items_of

_DEFAULT_BLOCK_BYTES = 2**26
_DEFAULT_MAX_PAIRS = 100_000_000


def encode(
    shards: Iterable[Path] | Mapping[str, Any] | Any,
    recipe: Recipe,
    output: Path,
    *,
    column: str | None = None,
    key: str | None = None,
    num_cpus: int | None = None,
    num_gpus: float | None = None,
    progress: bool = True,
) -> dict[str, str]:
    """Encode shards of images, a task each, into a folder of Parquet shards.

    Equals :func:`jaxdedup.encoding.encode`, row for row. A shard that is in the folder is not
    encoded again.

    Args:
        shards: what :func:`jaxdedup.loading.open_source` opens; or, by name, iterables of
            ``(key, item)`` that pickle; or a ``ray.data.Dataset``, whose blocks are the shards.
            Keys are those of the shards: let them differ.
        recipe: what is made of the images.
        output: a folder, made where there is none, for ``key``, ``row`` and ``failure`` of each
            image (:func:`jaxdedup.encoding.to_arrow`). :func:`jaxdedup.encoding.load` reads it.
        column: of Parquet files and datasets, the column of images.
        key: of Parquet files and datasets, the column of keys.
        num_cpus: cores of a task; None for as many as the smallest node has for each of its GPUs,
            or at all: a process a node, then, which compiles once. Less where others hold cores.
        num_gpus: GPUs of a task; None for 1 where every node has one.
        progress: whether to show it.

    Returns:
        By shard, why it could not be encoded; the log tells too. The others are there.

    Raises:
        TypeError: ``shards`` is a single path.
        ValueError: there are no shards, the columns of a dataset are not named, the network's
            weights can't be seen, or the folder holds shards of another run.
    """
    if isinstance(shards, (str, os.PathLike)):
        raise TypeError(f"expected several shards, got the path {os.fspath(shards)!r:.100}")
    named = _by_name(shards, column, key)
    if not named:
        raise ValueError("expected at least one shard, got none")
    if recipe.origin.weights is None:
        raise ValueError("expected no file for a model of your own: its weights have no name")
    folder = Folder.at(output)
    there = set(folder.names())
    if strange := sorted(there - {_file_name(name) for name in named}):
        raise ValueError(
            f"expected shards of {next(iter(named))!r:.100}, … in {folder.url!r:.100}, got "
            f"{strange[0]!r:.100} of another run"
        )
    if there:
        origin = origin_of(folder.schema(min(there)))
        recipe.origin.refuse_unless_same(origin, f"this run and {folder.url!r:.100}")
    todo = {name: (source,) for name, source in named.items() if _file_name(name) not in there}
    label = "encode" if progress else None
    return run(_encode_shard, (recipe, folder, column, key), todo, label, num_cpus, num_gpus)


def find_matches(
    rows: Path,
    output: Path,
    *,
    threshold: int | float | None = None,
    copies: bool = True,
    max_pairs: int = _DEFAULT_MAX_PAIRS,
    block_bytes: int = _DEFAULT_BLOCK_BYTES,
    num_cpus: int | None = None,
    num_gpus: float | None = None,
    progress: bool = True,
) -> dict[str, str]:
    """Find the pairs of rows that are near each other, in a task for each pair of blocks of rows.

    Equals :func:`jaxdedup.search.hamming_pairs` or :func:`jaxdedup.search.cosine_pairs` of all
    rows, pair for pair. A pair of blocks that is in the folder is not searched again.

    Args:
        rows: the folder that :func:`encode` wrote. Rows are numbered through its shards by name.
        output: a folder, made where there is none, for Parquet files of ``i`` and ``j``, int64, and
            ``distance`` or ``similarity``. Every pair is there once, as i < j.
        threshold: as of :func:`jaxdedup.duplicates.find_matches`.
        copies: False to let the first of equal rows of a block stand for the others in all pairs
            but one, with itself: the groups are the same, without the square of the copies.
        max_pairs: the most pairs that a task may write.
        block_bytes: of the rows of a block; a task needs some ten times as much memory.
        num_cpus: as of :func:`encode`.
        num_gpus: as of :func:`encode`.
        progress: whether to show it.

    Returns:
        By file, why its blocks could not be searched; the log tells too. The others are there.

    Raises:
        TypeError: the threshold is no number.
        ValueError: the threshold is out of range, there are no rows, or several an image, they were
            made in several ways, or the folder holds matches of another run.
    """
    shards = Shards(Folder.at(rows))
    origin = shards.origin
    if not shards.count:
        raise ValueError(f"expected rows in {shards.folder.url!r:.100}, got none")
    if origin.row.rows > 1:
        raise ValueError(f"expected one row an image, got orientations={origin.orientations!r}")
    limit = check_threshold(origin, threshold)
    width = max(1, (origin.row.width or 0) * origin.row.dtype.itemsize)
    step = max(1, positive("block_bytes", block_bytes) // width)
    this = {"threshold": limit, "copies": copies, "block": step, **shards.identity}
    folder = Folder.at(output)
    done = set(folder.names())
    if done:
        refuse_another_run(this, run_of(folder, min(done)), folder)
    search = Search(shards, limit, copies, positive("max_pairs", max_pairs), step, this, folder)
    todo = {file: blocks for file, blocks in search.tasks().items() if file not in done}
    label = "search" if progress else None
    return run(search_blocks, search, todo, label, num_cpus, num_gpus)


def groups(rows: Path, matches: Path) -> Any:
    """The groups of images that are near each other, directly or by way of others.

    Equals ``scipy.sparse.csgraph.connected_components``. It runs here, on arrays: some 13 bytes
    a row, and one file of matches at a time.

    Args:
        rows: the folder that :func:`encode` wrote.
        matches: the folder that :func:`find_matches` wrote, whole.

    Returns:
        ``pyarrow.Table`` of ``key`` and ``group``, ordered by group: the number of its first row.
        What is near nothing is left out.

    Raises:
        ValueError: the matches are of other rows, or not all there.
    """
    import pyarrow

    shards, folder = Shards(Folder.at(rows)), Folder.at(matches)
    there = folder.names()
    if not there:
        raise ValueError(f"expected matches in {folder.url!r:.100}, got none")
    of = run_of(folder, there[0])
    refuse_another_run({**of, **shards.identity}, of, folder)
    blocks = -(-shards.count // of["block"])
    if len(there) != blocks * (blocks + 1) // 2:
        raise ValueError(
            f"expected {blocks * (blocks + 1) // 2} files of matches in {folder.url!r:.100}, got "
            f"{len(there)}: find_matches goes on where it was stopped"
        )
    label = labels((folder.read(name, ["i", "j"]) for name in there), shards.count)
    grouped = label != np.arange(shards.count, dtype=label.dtype)
    grouped[label[grouped]] = True
    members = np.flatnonzero(grouped)
    table = pyarrow.table({"key": shards.keys(members), "group": label[members].astype(np.int64)})
    return table.take(np.argsort(label[members], kind="stable"))


def _encode_shard(shared: tuple[Any, ...], name: str, source: Any) -> None:
    recipe, folder, column, key = shared
    if hasattr(source, "schema"):  # a block of a dataset
        items: Iterable[tuple[str, Any]] = items_of(source, key, column)
    else:
        is_path = isinstance(source, (str, os.PathLike))
        items = open_source(source, column=column, key=key) if is_path else source
    stream = encoding.encode(items, recipe)
    encodings = Encodings.collect(stream, recipe)
    with folder.writing(_file_name(name)) as path:
        save(path, encodings)


def _by_name(shards: Any, column: str | None, key: str | None) -> Mapping[str, Any]:
    if isinstance(shards, Mapping):
        return shards
    if hasattr(shards, "to_arrow_refs"):
        if None in (column, key):
            raise ValueError(f"expected column and key of a dataset, got {column!r} and {key!r}")
        # In order, so that blocks have the same numbers when it is started again.
        shards.context.execution_options.preserve_order = True
        return {f"block-{number:06}": ref for number, ref in enumerate(shards.to_arrow_refs())}
    return {os.fspath(path): _absolute(path) for path in shards}


def _absolute(path: Path) -> str:
    """A path for processes that run elsewhere; a URL as it is."""
    text = os.fspath(path)
    return text if "://" in text else os.path.abspath(text)


def _file_name(name: str) -> str:
    """The file of a shard: its name, and what tells it from others of that name."""
    stem = re.sub(r"[^\w.-]+", "_", os.path.basename(name.rstrip("/"))).lstrip(".")
    digest = hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()
    return f"{stem:.80}-{digest[:12]}.parquet"
