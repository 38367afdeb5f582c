"""A corpus that is opened, not read: what a query doesn't look at costs nothing.

Adding and removing happens in memory, and a file appears whole or not at all. One that another
writer has changed meanwhile is left as it is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxdedup.duplicates import DEFAULT_MAX_PAIRS, Matches, find_nearest, upright
from jaxdedup.encoding import Encodings, Origin, refuse_infinite
from jaxdedup.runtime import Path

from ._file import IndexFile, write_index
from ._keys import Keys


class Index:
    """Encodings to be searched, made by :meth:`build` or :meth:`open`.

    Attributes:
        origin: what made them: only encodings of the same origin go in, or are searched for.

    Example:
        >>> from jaxdedup.encoding import METHODS, Recipe
        >>> origin = Recipe(METHODS["phash"]).origin
        >>> hashes = {"a.png": "00" * 8, "b.png": "ff" * 8, "c.png": "00" * 7 + "03"}
        >>> index = Index.build(Encodings.from_map(hashes, origin))
        >>> index
        <Index: 3 of phash>
        >>> new = Encodings.from_map({"new.png": "00" * 7 + "01"}, origin)
        >>> index.query(new, threshold=2).to_dict(scores=True)
        {'new.png': [('a.png', 1), ('c.png', 1)]}
    """

    def __init__(
        self, arrays: Mapping[str, NDArray[Any]], origin: Origin, file: IndexFile | None = None
    ) -> None:
        self._arrays = arrays  # the rows, and those of the keys
        self._file = file  # what has been read or written
        self.origin = origin

    @classmethod
    def build(cls, encodings: Encodings) -> "Index":
        """Make an index in memory.

        Args:
            encodings: by texts, file names say. Of several rows an image the upright one goes in.

        Raises:
            TypeError: a key is no text, or these are no ``Encodings``.
            ValueError: features are NaN or infinite.
        """
        encodings = upright(encodings)
        return cls(_arrays(encodings), encodings.origin)

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
        return cls(file, file.origin, file)

    @property
    def encodings(self) -> Encodings:
        """All that is there, in the order in which it went in, as it is mapped; without quality."""
        keys = Keys(self._arrays)
        return Encodings(keys, self._arrays["rows"], self.origin, vouched_for=True)

    def __len__(self) -> int:
        return len(self._arrays["rows"])

    def __repr__(self) -> str:
        return f"<Index: {len(self):,} of {self.origin.method}>"

    def places(self, keys: Sequence[str]) -> NDArray[np.int64]:
        """Where encodings are.

        Args:
            keys: K of them.

        Returns:
            int64[K], counting as :attr:`encodings` does; −1 where there is none.

        Raises:
            TypeError: it is one string.
        """
        if isinstance(keys, str):
            raise TypeError(f"expected a list of keys, got one, {keys!r:.200}")
        return Keys(self._arrays).places(keys)

    def save(self, path: Path) -> None:
        """Write the index, whole or not at all, to a new file or the one that it came from.

        Args:
            path: the file.

        Raises:
            FileExistsError: there is another file, or another writer has changed it meanwhile.
            ValueError: the weights of the network can't be seen, or no recipe has such an origin.
            OSError: the file can't be written.
        """
        self.origin.refuse_unstorable("file")
        self._file = write_index(path, dict(self._arrays), self.origin, self._file)

    def add(self, encodings: Encodings) -> None:
        """Put encodings after those that are there.

        Args:
            encodings: by keys that are not there.

        Raises:
            TypeError: a key is no text, or these are no ``Encodings``.
            ValueError: another origin, a key that is there already, NaN or infinite features.
        """
        encodings = upright(encodings)
        if different := self.origin.differences(encodings.origin):
            raise ValueError(f"the index was made in another way: {different}")
        more = _arrays(encodings)
        keys = Keys(self._arrays).with_more(Keys(more))
        rows = np.concatenate([self._arrays["rows"], more["rows"]])
        self._arrays = {"rows": rows, **keys.arrays}

    def remove(self, keys: Sequence[str]) -> None:
        """Take encodings out; those after them move up.

        Args:
            keys: of the encodings.

        Raises:
            TypeError: it is one string.
            KeyError: a key is not there; then nothing is taken out.
        """
        places = self.places(keys)
        if (places < 0).any():
            raise KeyError(f"expected keys of the index, got {keys[int(places.argmin())]!r:.200}")
        kept = np.ones(len(self), bool)
        kept[places] = False
        keys_left = Keys(self._arrays).only(kept)
        self._arrays = {"rows": self._arrays["rows"][kept], **keys_left.arrays}

    def query(
        self,
        encodings: Encodings,
        *,
        k: int | None = None,
        threshold: int | float | None = None,
        max_pairs: int = DEFAULT_MAX_PAIRS,
    ) -> Matches:
        """Find what is near encodings: :func:`jaxdedup.duplicates.find_nearest` in the index.

        Args:
            encodings: what is searched for, of several orientations maybe.
            k: how many to find for each; or
            threshold: the greatest distance, or the least similarity, inclusive.
            max_pairs: the most to find in all, with a threshold.

        Returns:
            The matches of each, the nearest first and equally near ones in order.

        Raises:
            TypeError: neither or both of ``k`` and ``threshold``.
            ValueError: another origin, a ``k`` greater than the index or a threshold out of range,
                more than ``max_pairs``.
        """
        return find_nearest(
            encodings, self.encodings, k=k, threshold=threshold, max_pairs=max_pairs
        )


def _arrays(encodings: Encodings) -> dict[str, NDArray[Any]]:
    refuse_infinite(encodings.rows, encodings.names)
    return {"rows": encodings.rows, **Keys.of(encodings.names).arrays}
