"""The highest scores by an accelerator's program, to which a corpus goes part by part."""

from collections import deque
from collections.abc import Iterator
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxdedup.devices import program_of_products

from ._devices import power_of_two, stream
from ._scan import filled
from ._traced_top_k import Kind, highest

_BYTES = 2**24  # of a part
# Queries and rows of a tile, where the k nearest are few: so there are few kernels, each of which
# takes a while to begin. Of k groups for each query all scores are written.
_TILE = 2**9, 2**20
_FEW = 2**9
_ON_THEIR_WAY = 8  # parts: each is copied by a thread, and one of them doesn't fill the bus


class Highest(NamedTuple):
    """The highest scores of each query in a part, and whose they are, [B, k], the highest first.

    Where there are fewer than k, −∞ follows. Of rows that are not all finite it is anything.
    """

    part: slice
    row: NDArray[np.int32]
    score: NDArray[np.float32]
    is_finite: bool


def highest_in_parts(
    queries: NDArray[Any],
    corpus: NDArray[Any],
    k: int,
    device: jax.Device,
    kind: Kind,
    *,
    among_themselves: bool,
) -> Iterator[Highest]:
    """The k highest scores of each query in some rows of the corpus after the other.

    Args:
        queries: [B, …].
        corpus: [N, …].
        k: how many.
        device: computes them.
        kind: of the rows.
        among_themselves: whether the queries are the corpus, and none counts for itself.
    """
    # Powers of two, so that data of many sizes shares one compiled program.
    size = max(power_of_two(k), _BYTES // power_of_two(corpus[0].nbytes))
    size = min(size, power_of_two(len(corpus)))
    some = jax.device_put(filled(queries, power_of_two(len(queries))), device)
    program = _program(kind, min(k, size), among_themselves)

    def launch(part: tuple[slice, jax.Array], device: jax.Device) -> Any:
        rows, on_device = part
        numbers = np.int32(rows.start), np.int32(rows.stop - rows.start)
        return program(some, on_device, *jax.device_put(numbers, device))

    for (rows, _), found in stream(_on_device(corpus, size, device), launch, [device]):
        row, score, is_finite = map(np.asarray, found)
        yield Highest(rows, row[: len(queries)], score[: len(queries)], bool(is_finite))


def _on_device(
    corpus: NDArray[Any], size: int, device: jax.Device
) -> Iterator[tuple[slice, jax.Array]]:
    """Parts of one size; a program would wait for one that isn't there, so some go ahead."""
    parts: deque[tuple[slice, jax.Array]] = deque()
    for start in range(0, len(corpus), size):
        rows = slice(start, min(start + size, len(corpus)))
        parts.append((rows, jax.device_put(filled(corpus[rows], size), device)))
        if len(parts) == _ON_THEIR_WAY:
            yield parts.popleft()
    yield from parts


@cache
def _program(kind: Kind, k: int, exclude_self: bool) -> Any:
    tile = _TILE if k <= _FEW else None
    search = partial(highest, kind=kind, k=k, exclude_self=exclude_self, tile=tile)

    def run(queries: jax.Array, corpus: jax.Array, first: jax.Array, count: jax.Array) -> Any:
        return *search(queries, corpus, first, count), jnp.isfinite(corpus).all()

    return program_of_products(run)
