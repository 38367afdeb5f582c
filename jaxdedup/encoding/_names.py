"""A million names that are no million objects."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray


class PackedNames(Sequence[str]):
    """Names as one text: each becomes a string when it is looked at.

    Args:
        text: the names, one after the other.
        lengths: int32[N], of each in characters.

    Raises:
        ValueError: the lengths are not those of the text.

    Example:
        >>> list(PackedNames("a.pngb.jpg", np.array([5, 5])))
        ['a.png', 'b.jpg']
    """

    def __init__(self, text: str, lengths: NDArray[Any]) -> None:
        self.text = text
        if lengths.ndim != 1 or lengths.dtype.kind not in "iu":
            raise ValueError(f"expected lengths of names, got {lengths.dtype}{list(lengths.shape)}")
        self.lengths = np.asarray(lengths, np.int32)
        self._ends = np.concatenate([[0], np.cumsum(self.lengths, dtype=np.int64)])
        if self._ends[-1] != len(text) or (len(lengths) and self.lengths.min() < 0):
            raise ValueError("its names and their lengths do not go together")

    @classmethod
    def of(cls, names: Sequence[str]) -> "PackedNames":
        """Any names, packed."""
        if isinstance(names, PackedNames):
            return names
        return cls("".join(names), np.fromiter(map(len, names), np.int32, len(names)))

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        number = range(len(self))[place]
        return self.text[self._ends[number] : self._ends[number + 1]]

    def __iter__(self) -> Iterator[str]:
        return (self.text[start:end] for start, end in pairwise(self._ends.tolist()))
