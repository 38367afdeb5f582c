"""A corpus that stays: rows, their keys and what made them, in one file that is mapped, not read.

Adding and removing happens in memory, and a file appears whole or not at all. One that another
writer has changed meanwhile is left as it is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from jaxdedup.runtime import Path

from ._checks import check_features, check_finite, check_hashes
from ._cosine import cosine_pairs
from ._hamming import hamming_pairs
from ._index_file import IndexFile, write_index
from ._keys import Keys
from ._pairs import DEFAULT_MAX_PAIRS, Neighbours, neighbours
from ._top_k import cosine_top_k, hamming_top_k


class Index:
    """Rows to be searched, by their keys; made by :meth:`build` or :meth:`open`.

    Attributes:
        rows: uint8[N, b], hashes, compared by Hamming distance; or float32[N, D], features,
            compared by cosine similarity.
        keys: N strings, each there once.
        origin: what made the rows: only rows of the same origin go in, or are searched for.

    Example:
        >>> hashes = np.array([[0] * 8, [255] * 8, [0] * 7 + [3]], np.uint8)
        >>> index = Index.build(hashes, ["a", "b", "c"], {"method": "phash"})
        >>> index
        Index of 3 × uint8[8], method: phash
        >>> near = index.query(hashes[:1], {"method": "phash"}, threshold=2)
        >>> [index.keys[row] for row in near.indices]
        ['a', 'c']
    """

    def __init__(self, file: IndexFile | None, origin: Mapping[str, str]) -> None:
        self._file = file  # what has been saved
        self._rows: NDArray[np.uint8] | NDArray[np.float32] | None = None
        self._keys: Keys | None = None
        self.origin = dict(origin)

    @classmethod
    def build(cls, rows: ArrayLike, keys: Sequence[str], origin: Mapping[str, str]) -> "Index":
        """Make an index in memory.

        Args:
            rows: uint8[N, b] or float32[N, D], finite.
            keys: N strings.
            origin: what made the rows, as texts by name.

        Raises:
            TypeError: rows of another dtype, keys or an origin that are no texts.
            ValueError: rows of another shape, as many keys as there are not rows, a key twice.
        """
        for text in (*origin, *origin.values()):
            if not isinstance(text, str):
                raise TypeError(f"expected an origin of texts by name, got {text!r:.100} in it")
        index = cls(None, origin)
        index._rows, index._keys = _checked(rows, keys)
        return index

    @classmethod
    def open(cls, path: Path) -> "Index":
        """Map a file that :meth:`save` wrote; nothing is read but what is used.

        Args:
            path: the file.

        Raises:
            ValueError: it is no index, or damaged. What only an array's checksum tells, is told
                when that is first used.
            OSError: the file can't be read.
        """
        file = IndexFile(path)
        return cls(file, file.origin)

    @property
    def rows(self) -> NDArray[np.uint8] | NDArray[np.float32]:
        """The rows, in the order in which they went in."""
        if self._rows is None:
            assert self._file is not None
            self._rows = self._file.array("rows")
        return self._rows

    @property
    def keys(self) -> Keys:
        """The keys, in the order of the rows."""
        if self._keys is None:
            assert self._file is not None
            names = "text", "ends", "checksum", "order"
            self._keys = Keys(*(self._file.array(f"keys.{name}") for name in names))
        return self._keys

    def __len__(self) -> int:
        return self._shape_and_type()[0][0]

    def __repr__(self) -> str:
        (count, width), dtype = self._shape_and_type()
        origin = "".join(f", {name}: {text}" for name, text in self.origin.items())
        return f"Index of {count:,} × {dtype}[{width}]{origin}"

    def _shape_and_type(self) -> tuple[tuple[int, ...], "np.dtype[Any]"]:
        if self._rows is None and self._file is not None:
            return self._file.shape_and_type("rows")  # which leaves the rows where they are
        return self.rows.shape, self.rows.dtype

    def save(self, path: Path) -> None:
        """Write the index, whole or not at all, to a new file or the one that it came from.

        Args:
            path: the file.

        Raises:
            FileExistsError: there is another file, or another writer has changed it meanwhile.
            OSError: the file can't be written.
        """
        keys = self.keys
        arrays: dict[str, NDArray[Any]] = {
            "keys.ends": keys.ends,
            "keys.checksum": keys.checksum,
            "keys.order": keys.order,
            "rows": self.rows,
            "keys.text": keys.text,
        }
        self._file = write_index(path, arrays, self.origin, self._file)

    def add(self, rows: ArrayLike, keys: Sequence[str], origin: Mapping[str, str]) -> None:
        """Put rows after those that are there.

        Args:
            rows: uint8[K, b] or float32[K, D], as wide as those that are there.
            keys: K strings that are not there.
            origin: what made the rows.

        Raises:
            TypeError: as :meth:`build`, or rows of another dtype than those that are there.
            ValueError: as :meth:`build`; another origin or width; a key that is there already.
        """
        self._refuse_other(origin)
        more, more_keys = _checked(rows, keys)
        self._check_like(more)
        together = self.keys.with_more(more_keys)
        self._rows, self._keys = np.concatenate([self.rows, more]), together

    def remove(self, keys: Sequence[str]) -> None:
        """Take rows out; those after them move up.

        Args:
            keys: of the rows.

        Raises:
            KeyError: a key is not there; then nothing is taken out.
        """
        places = self.keys.places(keys)
        if (places < 0).any():
            raise KeyError(f"expected keys of the index, got {keys[int(places.argmin())]!r:.200}")
        kept = np.ones(len(self), bool)
        kept[places] = False
        self._rows, self._keys = self.rows[kept], self.keys.only(kept)

    def query(
        self,
        rows: ArrayLike,
        origin: Mapping[str, str],
        *,
        k: int | None = None,
        threshold: float | None = None,
        max_pairs: int = DEFAULT_MAX_PAIRS,
    ) -> Neighbours:
        """Find what is near rows, the nearest first and equally near ones in order.

        Equals :func:`hamming_top_k` and :func:`hamming_pairs`, or :func:`cosine_top_k` and
        :func:`cosine_pairs`.

        Args:
            rows: uint8[B, b] or float32[B, D], as wide as those of the index.
            origin: what made them.
            k: how many to find for each; or
            threshold: the greatest distance, or the least similarity, inclusive.
            max_pairs: the most to find in all, with a threshold.

        Returns:
            For each of the rows the indices of rows of the index, and distances or similarities.

        Raises:
            TypeError: rows of another dtype, neither or both of ``k`` and ``threshold``.
            ValueError: another origin or width, a ``k`` greater than the index or a threshold out
                of range, more than ``max_pairs``.
        """
        if (k is None) == (threshold is None):
            raise TypeError(f"expected either k or threshold, got {k!r} and {threshold!r}")
        self._refuse_other(origin)
        self._check_like(rows)
        hashes = self.rows.dtype == np.uint8
        if k is not None:
            top = (hamming_top_k if hashes else cosine_top_k)(rows, self.rows, k=k)
            starts = np.arange(len(top.indices) + 1) * k
            return Neighbours(starts, np.ravel(top.indices), np.ravel(top[1]))
        limit: Any = threshold  # which the searches check
        pairs = (
            hamming_pairs(rows, self.rows, max_distance=limit, max_pairs=max_pairs)
            if hashes
            else cosine_pairs(rows, self.rows, min_similarity=limit, max_pairs=max_pairs)
        )
        return neighbours(pairs, np.shape(rows)[0], both_ways=False)

    def _refuse_other(self, origin: Mapping[str, str]) -> None:
        """ValueError that says what differs, unless the origins are the same."""
        for name in {**self.origin, **origin}:
            here, there = self.origin.get(name), origin.get(name)
            if here != there:
                raise ValueError(
                    f"expected rows of the origin of the index, {name}={here!r:.200}, "
                    f"got {there!r:.200}"
                )

    def _check_like(self, rows: ArrayLike) -> None:
        check = check_hashes if self.rows.dtype == np.uint8 else check_features
        check(rows, self.rows)


def _checked(
    rows: ArrayLike, keys: Sequence[str]
) -> tuple[NDArray[np.uint8] | NDArray[np.float32], Keys]:
    host = np.asarray(rows)
    if host.dtype == np.uint8:
        check_hashes(host, None)
    else:
        check_features(host, None)
        check_finite(host, "features", 0)
    if len(host) != len(keys):
        raise ValueError(f"expected a key for each row, got {len(keys)} for {len(host)} rows")
    return host, Keys.of(keys)
