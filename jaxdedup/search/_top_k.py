"""The k nearest of a corpus: exact on arrays, and inside other JAX programs."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from jaxdedup.runtime import positive

from ._checks import check_features, check_hashes
from ._devices import devices_for
from ._nearest_hashes import nearest_hashes
from ._nearest_rows import nearest_rows
from ._traced_top_k import traced_nearest_hashes, traced_nearest_rows

Indices = jax.Array | NDArray[np.int32]


class HammingTopK(NamedTuple):
    """The k nearest of each of B hashes: ``indices`` and ``distance``, int32[B, k].

    NumPy arrays, and jax.Arrays where they are traced.
    """

    indices: Indices
    distance: Indices


class CosineTopK(NamedTuple):
    """The k nearest of each of B rows: ``indices`` int32[B, k], ``similarity`` float32[B, k].

    NumPy arrays, and jax.Arrays where they are traced.
    """

    indices: Indices
    similarity: jax.Array | NDArray[np.float32]


def hamming_top_k(hashes: ArrayLike, corpus: ArrayLike | None = None, *, k: int) -> HammingTopK:
    """Finds the k nearest neighbours of each hash.

    Equals a stable sort of all distances: of equals, the one with the smaller index comes first.
    May be traced.

    Args:
        hashes: uint8[B, b], packed.
        corpus: uint8[N, b]; None searches ``hashes`` themselves, and no hash is its own neighbour.
        k: how many, at most N, or B − 1 without a corpus.

    Returns:
        Indices into the corpus and distances in bits, nearest first.

    Raises:
        TypeError: hashes are not uint8, or k is not an integer.
        ValueError: a shape other than (N, b), two widths, or more neighbours than there are.

    Example:
        >>> import numpy as np
        >>> hashes = np.array([[0] * 8, [255] * 8, [0] * 7 + [3]], np.uint8)
        >>> hamming_top_k(hashes, k=1).indices[:, 0].tolist()
        [2, 2, 0]
    """
    check_hashes(hashes, corpus)
    k = _check_k(k, hashes, corpus)
    others, alone = (hashes, True) if corpus is None else (corpus, False)
    if _is_traced(hashes, others):
        rows = jnp.asarray(hashes), jnp.asarray(others)
        return HammingTopK(*traced_nearest_hashes(*rows, k, among_themselves=alone))
    device = devices_for(hashes)[0]
    found = nearest_hashes(
        np.asarray(hashes), np.asarray(others), k, device, among_themselves=alone
    )
    return HammingTopK(*found)


def cosine_top_k(features: ArrayLike, corpus: ArrayLike | None = None, *, k: int) -> CosineTopK:
    """Finds the k rows most similar to each row.

    Equals a stable sort of all similarities as :func:`cosine_pairs` computes them: the same, bit
    for bit, on every device; of equals, the one with the smaller index comes first. May be traced:
    then they are computed in float32, up to about 1e-6, and NaN is not looked for.

    Args:
        features: float32[B, D], finite.
        corpus: float32[N, D]; None searches ``features`` themselves, and no row is its own
            neighbour.
        k: how many, at most N, or B − 1 without a corpus.

    Returns:
        Indices into the corpus and similarities, −1 to 1, most similar first.

    Raises:
        TypeError: features are not float32, or k is not an integer.
        ValueError: a shape other than (N, D), NaN or infinity, or more neighbours than there are.

    Example:
        >>> import numpy as np
        >>> features = np.array([[1, 0], [0, 1], [3, 4]], np.float32)
        >>> cosine_top_k(features, k=1).indices[:, 0].tolist()
        [2, 2, 1]
    """
    check_features(features, corpus)
    k = _check_k(k, features, corpus)
    others, alone = (features, True) if corpus is None else (corpus, False)
    if _is_traced(features, others):
        rows = jnp.asarray(features), jnp.asarray(others)
        return CosineTopK(*traced_nearest_rows(*rows, k, among_themselves=alone))
    device = devices_for(features)[0]
    found = nearest_rows(
        np.asarray(features), np.asarray(others), k, device, among_themselves=alone
    )
    return CosineTopK(*found)


def _is_traced(*arrays: ArrayLike) -> bool:
    return any(isinstance(array, jax.core.Tracer) for array in arrays)


def _check_k(k: int, queries: ArrayLike, corpus: ArrayLike | None) -> int:
    k = positive("k", k)
    available = jnp.shape(queries)[0] - 1 if corpus is None else jnp.shape(corpus)[0]
    if k > available:
        raise ValueError(f"expected k of at most {available}, the neighbours there are, got {k}")
    return k
