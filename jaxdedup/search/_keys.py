"""Ten million keys that are no ten million objects, and where each of them is."""

import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

_UTF8 = ("utf-8", "surrogatepass")  # a file name that is not UTF-8 has surrogates


class Keys(Sequence[str]):
    """Keys as one text, found by their checksums: a key becomes a string when it is looked at.

    Args:
        text: uint8[M], the keys in UTF-8, one after the other.
        ends: int64[N + 1], where each begins, and the end of the last.
        checksum: uint32[N], the CRC-32 of the keys, sorted.
        order: int32[N], which key each checksum is of.

    Example:
        >>> keys = Keys.of(["b.png", "a.png"])
        >>> keys[1], keys.places(["a.png", "c.png"]).tolist()
        ('a.png', [1, -1])
    """

    def __init__(
        self,
        text: NDArray[np.uint8],
        ends: NDArray[np.int64],
        checksum: NDArray[np.uint32],
        order: NDArray[np.int32],
    ) -> None:
        self.text, self.ends, self.checksum, self.order = text, ends, checksum, order

    @classmethod
    def of(cls, keys: Sequence[str]) -> "Keys":
        """Any keys; ValueError where one is no text, or there twice."""
        for key in keys:
            if not isinstance(key, str):
                raise TypeError(f"expected keys of type str, got {key!r:.100}")
        encoded = [key.encode(*_UTF8) for key in keys]
        ends = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=ends[1:])
        checksum = np.fromiter(map(zlib.crc32, encoded), np.uint32, len(encoded))
        order = np.argsort(checksum, kind="stable").astype(np.int32)
        text = np.frombuffer(b"".join(encoded), np.uint8)
        packed = cls(text, ends, checksum[order], order)
        packed._refuse_twice()
        return packed

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        number = range(len(self))[place]
        return self.text[self.ends[number] : self.ends[number + 1]].tobytes().decode(*_UTF8)

    def __iter__(self) -> Iterator[str]:
        text = self.text.tobytes()
        return (text[start:end].decode(*_UTF8) for start, end in pairwise(self.ends.tolist()))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.places([key])[0] >= 0

    def places(self, keys: Sequence[str]) -> NDArray[np.int64]:
        """int64[K]: where each key is, −1 where it is not."""
        encoded = [key.encode(*_UTF8) for key in keys]
        checksum = np.fromiter(map(zlib.crc32, encoded), np.uint32, len(encoded))
        first = np.searchsorted(self.checksum, checksum, side="left")
        last = np.searchsorted(self.checksum, checksum, side="right")
        places = np.full(len(keys), -1, np.int64)
        for number in np.flatnonzero(first < last).tolist():
            for place in self.order[first[number] : last[number]].tolist():
                if self[place] == keys[number]:
                    places[number] = place
        return places

    def with_more(self, more: "Keys") -> "Keys":
        """These keys, then others; ValueError where one is among both."""
        known = np.flatnonzero(self.places(more) >= 0)
        if len(known):
            raise ValueError(
                f"expected new keys, got {more[known[0]]!r:.200}, which is there already"
            )
        place = np.searchsorted(self.checksum, more.checksum, side="right")
        return Keys(
            np.concatenate([self.text, more.text]),
            np.concatenate([self.ends, more.ends[1:] + self.ends[-1]]),
            np.insert(self.checksum, place, more.checksum),
            np.insert(self.order, place, more.order + np.int32(len(self))),
        )

    def only(self, kept: NDArray[np.bool_]) -> "Keys":
        """Those that are kept, bool[N]."""
        lengths = np.diff(self.ends)
        ends = np.concatenate([[0], np.cumsum(lengths[kept])])
        still = kept[self.order]
        number = np.cumsum(kept, dtype=np.int32) - 1
        return Keys(
            self.text[np.repeat(kept, lengths)],
            ends,
            self.checksum[still],
            number[self.order[still]].astype(np.int32),
        )

    def _refuse_twice(self) -> None:
        alike = np.flatnonzero(self.checksum[1:] == self.checksum[:-1])
        seen: set[str] = set()
        for place in self.order[np.union1d(alike, alike + 1)].tolist():
            if self[place] in seen:
                raise ValueError(f"expected each key once, got {self[place]!r:.200} twice")
            seen.add(self[place])
