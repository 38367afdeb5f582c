"""What do the searches' kernels cost on accelerators, compiled for them without having one?

    pip install libtpu                  # the compiler for TPU v5e
    pip install "jax[cuda13]"           # the compiler for an H100
    python benchmarks/search_kernels.py

The bytes that a kernel moves, as multiples of what it is given and what it answers, for hashes of
64 bits and features of 64 columns: so 1.0 means that no distance is ever written to memory. As in
`benchmarks/accelerators.py`, nothing is run, and no figure is a time.

Why XOR and population counts, and not products of ±1 in the matrix units: an H100 counts 16 words
of 32 bits a cycle in each of 132 multiprocessors, some 1.8·10¹² hashes of 64 bits a second. Its
matrix units would do 1.5·10¹³ products a second, but XLA writes each as four bytes and reads them
again, of which memory bears 4·10¹¹ a second. A TPU keeps them in fast memory, but for the ±1
themselves, eight times the bytes of the hashes.
"""

import argparse
from functools import partial
from typing import Any

from accelerators import cost, targets

import jax  # isort: skip  (accelerators says first which platform this is)
import jax.numpy as jnp
from _turns import save

from jaxdedup.search import _bound, _hamming, _scan, _traced_top_k

BLOCKS = 2**12  # pairs of blocks in a call, and blocks that there are
ROWS, GROUPS = 2**16, 32  # of the corpus in a call; of queries
TILE, COLUMNS = 2048, 65
QUERIES, K = 256, 10


def kernels() -> dict[str, tuple[float, Any, tuple[Any, ...]]]:
    """By name: the bytes given and answered, the function, and the shapes that it takes."""
    of = jax.ShapeDtypeStruct
    halves = (of((BLOCKS, _hamming.BLOCK), jnp.uint32),) * 2
    numbers = of((BLOCKS,), jnp.int32)
    rows = of((8, ROWS), jnp.uint8)
    groups = of((_scan.GROUP, 8, GROUPS), jnp.uint8)
    limits = of((_scan.GROUP, GROUPS), jnp.uint8)
    sketch = of((TILE, COLUMNS), jnp.float32)
    return {
        "pairs of blocks": (
            BLOCKS * (2 * _hamming.BLOCK * 8 + 2 * 4 + _hamming.BLOCK),
            partial(_hamming._nearest, self_join=True),
            (halves, halves, numbers, numbers),
        ),
        "rows near queries": (
            ROWS * (8 + GROUPS) + GROUPS * _scan.GROUP * 9,
            _scan._near_groups.__wrapped__,
            (rows, groups, limits),
        ),
        "nearest of groups": (
            ROWS * (8 + GROUPS) + GROUPS * _scan.GROUP * 8,
            _scan.nearest_in_groups.__wrapped__,
            (rows, groups),
        ),
        "k nearest hashes": (
            (ROWS + QUERIES) * 8 + QUERIES * K * 8,
            partial(_traced_top_k.highest, kind=_traced_top_k.HASHES, k=K, exclude_self=False),
            (of((QUERIES, 8), jnp.uint8), of((ROWS, 8), jnp.uint8)),
        ),
        "bounds of features": (
            2 * TILE * COLUMNS * 4 + TILE * (TILE + 1) * 4,
            partial(_bound.bound, low_precision=True),
            (sketch, sketch),
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--save", metavar="NAME", default="search_kernels")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for target in targets():
        for name, (size, function, shapes) in kernels().items():
            figures = cost(target, size, function, *shapes)
            rows.append({"target": target, "kernel": name, "bytes": size, **figures})
            print(target, name, *(f"{key} {value:.2f}" for key, value in figures.items()), sep="\t")
    save(options.save, rows)


if __name__ == "__main__":
    main()
