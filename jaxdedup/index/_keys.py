"""Ten million keys that are no ten million objects, and where each of them is."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NAMES = ("keys.text", "keys.ends", "keys.checksum", "keys.order")
_UTF8 = ("utf-8", "surrogatepass")  # a file name that is not UTF-8 has surrogates


class Keys(Sequence[str]):
    """Keys as one text, found by their checksums: a key becomes a string when it is looked at.

    Args:
        arrays: of which each is first looked at when it is needed.
            ``"keys.text"`` uint8[M], the keys in UTF-8, one after the other;
            ``"keys.ends"`` int64[N + 1], where each begins, and the end of the last;
            ``"keys.checksum"`` uint32[N], the CRC-32 of the keys, sorted;
            ``"keys.order"`` int32[N], which key each checksum is of.

    Example:
        >>> keys = Keys.of(["b.png", "a.png"])
        >>> keys[1], keys.places(["a.png", "c.png"]).tolist()
        ('a.png', [1, -1])
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._arrays = arrays

    @classmethod
    def of(cls, keys: Sequence[str]) -> "Keys":
        """Any keys.

        Raises:
            TypeError: one is no text.
        """
        if isinstance(keys, Keys):
            return keys
        for key in keys:
            if not isinstance(key, str):
                raise TypeError(f"expected keys of type str, got {key!r:.100}")
        encoded, checksum = _encoded(keys)
        ends = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=ends[1:])
        order = np.argsort(checksum, kind="stable").astype(np.int32)
        return cls(_named(np.frombuffer(b"".join(encoded), np.uint8), ends, checksum[order], order))

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of them, by name."""
        return {name: self._arrays[name] for name in _NAMES}

    def __len__(self) -> int:
        return len(self._arrays["keys.ends"]) - 1

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        number = range(len(self))[place]
        start, end = self._arrays["keys.ends"][number : number + 2]
        return self._arrays["keys.text"][start:end].tobytes().decode(*_UTF8)

    def __iter__(self) -> Iterator[str]:
        text = self._arrays["keys.text"].tobytes()
        ends = pairwise(self._arrays["keys.ends"].tolist())
        return (text[start:end].decode(*_UTF8) for start, end in ends)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.places([key])[0] >= 0

    def places(self, keys: Sequence[str]) -> NDArray[np.int64]:
        """int64[K]: where each key is, −1 where it is not."""
        sorted_, order = self._arrays["keys.checksum"], self._arrays["keys.order"]
        _, checksum = _encoded(keys)
        first = np.searchsorted(sorted_, checksum, side="left")
        last = np.searchsorted(sorted_, checksum, side="right")
        places = np.full(len(checksum), -1, np.int64)
        for number in np.flatnonzero(first < last).tolist():
            for place in order[first[number] : last[number]].tolist():
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
        a, b = self.arrays, more.arrays
        place = np.searchsorted(a["keys.checksum"], b["keys.checksum"], side="right")
        arrays = _named(
            np.concatenate([a["keys.text"], b["keys.text"]]),
            np.concatenate([a["keys.ends"], b["keys.ends"][1:] + a["keys.ends"][-1]]),
            np.insert(a["keys.checksum"], place, b["keys.checksum"]),
            np.insert(a["keys.order"], place, b["keys.order"] + np.int32(len(self))),
        )
        return Keys(arrays)

    def only(self, kept: NDArray[np.bool_]) -> "Keys":
        """Those that are kept, bool[N]."""
        arrays = self.arrays
        order = arrays["keys.order"]
        lengths = np.diff(arrays["keys.ends"])
        still = kept[order]
        number = np.cumsum(kept, dtype=np.int32) - 1
        return Keys(
            _named(
                arrays["keys.text"][np.repeat(kept, lengths)],
                np.concatenate([[0], np.cumsum(lengths[kept])]),
                arrays["keys.checksum"][still],
                number[order[still]].astype(np.int32),
            )
        )


def _named(*arrays: NDArray[Any]) -> dict[str, NDArray[Any]]:
    return dict(zip(_NAMES, arrays, strict=True))


def _encoded(keys: Sequence[str]) -> tuple[list[bytes], NDArray[np.uint32]]:
    """The keys in UTF-8, and their checksums."""
    encoded = [key.encode(*_UTF8) for key in keys]
    return encoded, np.fromiter(map(zlib.crc32, encoded), np.uint32, len(encoded))
