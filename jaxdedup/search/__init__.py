"""Neighbours among packed hashes or feature rows: exact, in tiles, never an N×N matrix.

Hashes are ``uint8[N, b]``, 8·b bits packed in any one order, and compared by Hamming distance in
bits; features are ``float32[N, D]`` and compared by cosine similarity. Thresholds are inclusive.
Without a corpus a search is a self-join: each unordered pair once, as i < j, and nothing is its own
neighbour. With a corpus, i counts the queries and j the corpus, and nothing is left out.

The searches run on the devices and list their findings on the host, as NumPy arrays, since their
number depends on the data: they cannot be traced. ``hamming_top_k`` and ``cosine_top_k`` can.
Memory is bounded by the data, a tile of stated size and the result.
"""

from ._cosine import cosine_pairs as cosine_pairs
from ._cosine import iter_cosine_pairs as iter_cosine_pairs
from ._distinct import DistinctRows as DistinctRows
from ._distinct import distinct_rows as distinct_rows
from ._groups import connected_components as connected_components
from ._groups import groups as groups
from ._hamming import hamming_pairs as hamming_pairs
from ._hamming import iter_hamming_pairs as iter_hamming_pairs
from ._pairs import CosinePairs as CosinePairs
from ._pairs import HammingPairs as HammingPairs
from ._pairs import Neighbours as Neighbours
from ._pairs import neighbours as neighbours
from ._top_k import CosineTopK as CosineTopK
from ._top_k import HammingTopK as HammingTopK
from ._top_k import cosine_top_k as cosine_top_k
from ._top_k import hamming_top_k as hamming_top_k

__all__ = [
    "CosinePairs",
    "CosineTopK",
    "DistinctRows",
    "HammingPairs",
    "HammingTopK",
    "Neighbours",
    "connected_components",
    "cosine_pairs",
    "cosine_top_k",
    "distinct_rows",
    "groups",
    "hamming_pairs",
    "hamming_top_k",
    "iter_cosine_pairs",
    "iter_hamming_pairs",
    "neighbours",
]
