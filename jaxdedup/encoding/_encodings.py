"""Encodings as columns: keys, rows, what made them, and what could not be loaded."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from html import escape
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxdedup.runtime import counted, integer_within

from ._recipe import Origin, Recipe, check_origin, check_recipe
from ._rows import described, feature_rows, packed_hashes, refuse_higher_bits
from ._stream import Encoded, Key, Stream

_SHOWN = 5  # encodings, in a notebook
_REASONS = 3  # in a summary
_PER_CENT = range(101)


class Encodings(Mapping[Key, Any]):
    """Encodings of N images, as columns.

    As a mapping, its values are what people look at: hex digits of a hash, or features
    ``float32[1, D]``. They are made when they are asked for; the rows stay arrays.

    Args:
        names: N keys, each once.
        rows: ``uint8[N, b]`` or ``float32[N, D]``.
        origin: what made them.
        failures: by key, why an image could not be loaded.
        quality: ``uint8[N]``, how much there is to see in each image, 0 to 100; None where that was
            not told.
        vouched_for: whether it is known that no name is there twice, so that nobody need look.

    Raises:
        TypeError: the rows, or the qualities, are of another dtype, or the origin is none.
        ValueError: another number of rows or qualities than of names, rows of another width than
            their origin says, bits beyond those of a hash, qualities above 100, or two rows of one
            name.

    Example:
        >>> from jaxdedup.encoding import METHODS, Recipe, encode
        >>> recipe = Recipe(METHODS["ahash"])
        >>> encodings = Encodings.collect(
        ...     encode([("a", np.eye(8, dtype=np.uint8)), ("b", b"")], recipe), recipe
        ... )
        >>> encodings
        <Encodings: 1 of ahash, 1 failure>
        >>> encodings["a"], encodings.rows.shape, encodings.failures
        ('8040201008040201', (1, 8), {'b': 'is empty'})
    """

    def __init__(
        self,
        names: Sequence[Key],
        rows: NDArray[Any],
        origin: Origin,
        failures: Mapping[Key, str] | None = None,
        quality: NDArray[np.uint8] | None = None,
        *,
        vouched_for: bool = False,
    ) -> None:
        _check_rows(rows, names, origin)
        _check_quality(quality, len(names))
        if not vouched_for:
            refuse_twice(names)
        self.names = names
        self.rows = rows
        # A network of the user's own tells how many features it has by giving them.
        count = origin.count or rows.shape[1] // origin.row.rows or None
        self.origin = origin
        if (count, quality is not None) != (origin.count, origin.quality):
            self.origin = replace(origin, count=count, quality=quality is not None)
        self.failures = dict(failures or {})
        self.quality = quality
        self._places: dict[Key, int] | None = None

    @classmethod
    def collect(cls, stream: Iterable[Encoded], recipe: Recipe) -> "Encodings":
        """All of a stream, in sorted order where the keys have one.

        Args:
            stream: what :func:`encode` yields.
            recipe: by which it encodes.

        Raises:
            TypeError: no recipe, or a row of another dtype, of which the message names the key.
            ValueError: a row of another width, two results of one key, or a stream that encodes by
                another recipe.
        """
        check_recipe(recipe)
        if isinstance(stream, Stream):
            _refuse_other(stream.recipe, recipe)
        kind, is_rated = recipe.method.row, recipe.method.quality is not None
        width = kind.width
        names: list[Key] = []
        failures: list[tuple[Key, str]] = []
        content = bytearray()  # grows in place: rows one by one would take 100 bytes more each
        qualities = bytearray()
        for key, row, failure, quality in stream:
            if row is None:
                failures.append((key, failure or ""))
            else:
                names.append(key)
                width = _checked_width(key, row, kind.dtype, width)
                content += np.ascontiguousarray(row).data
                if is_rated:
                    if quality is None or quality not in _PER_CENT:  # to name it takes a while
                        quality = integer_within(f"the quality of {key!r:.200}", quality, 0, 100)
                    qualities.append(quality)
        rows: NDArray[Any] = np.frombuffer(content, kind.dtype).reshape(len(names), width or 0)
        order, failed = _order(names), [key for key, _ in failures]
        refuse_twice([*names, *failed])
        return cls(
            [names[place] for place in order],
            rows if order == list(range(len(names))) else rows[order],
            recipe.origin,
            dict(failures[place] for place in _order(failed)),
            np.frombuffer(qualities, np.uint8)[order] if is_rated else None,
            vouched_for=True,
        )

    def only(self, kept: NDArray[np.bool_]) -> "Encodings":
        """Some of the encodings, and all failures.

        Args:
            kept: ``bool[N]``, which.
        """
        return Encodings(
            list(compress(self.names, kept.tolist())),
            self.rows[kept],
            self.origin,
            self.failures,
            None if self.quality is None else self.quality[kept],
            vouched_for=True,
        )

    @classmethod
    def from_map(cls, encodings: Mapping[Key, Any], origin: Origin) -> "Encodings":
        """Encodings as users have them: those of a dict, say, that was written as JSON.

        Args:
            encodings: by any keys: hashes as hex digits, bytes or numbers from 0 to 255; or
                features ``(D,)`` or ``(1, D)``.
            origin: what made them, of which ``count`` is not asked of features.

        Raises:
            TypeError: it is no mapping, or the origin is none.
            ValueError: an encoding is malformed; the message names its key.

        Example:
            >>> from jaxdedup.encoding import METHODS, Recipe
            >>> origin = Recipe(METHODS["phash"]).origin
            >>> Encodings.from_map({"a.png": "00000000000000ff"}, origin).rows
            array([[  0,   0,   0,   0,   0,   0,   0, 255]], dtype=uint8)
        """
        if not isinstance(encodings, Mapping):
            raise TypeError(f"expected a mapping of encodings, got {type(encodings).__name__}")
        if check_origin(origin).dtype == "uint8":
            return cls(list(encodings), packed_hashes(encodings, _shown_bits(origin)), origin)
        return cls(list(encodings), feature_rows(encodings), replace(origin, count=None))

    def __getitem__(self, name: Key) -> Any:
        if self._places is None:
            self._places = {key: place for place, key in enumerate(self.names)}
        place = self._places[name]
        return self._shown(self.rows[place : place + 1])[0]

    def __iter__(self) -> Iterator[Key]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        """Whether names and rows are the same, and made in one way; or mappings show the same."""
        if not isinstance(other, Encodings):
            return super().__eq__(other)
        same_rows = np.array_equal(self.rows, other.rows) and list(self.names) == list(other.names)
        return same_rows and not self.origin.differences(other.origin)

    def to_dict(self) -> dict[Key, Any]:
        """All encodings as people look at them, at once."""
        return dict(zip(self.names, self._shown(self.rows), strict=True))

    def __repr__(self) -> str:
        failures = f", {counted(len(self.failures), 'failure')}" if self.failures else ""
        return f"<Encodings: {len(self):,} of {self.origin.method}{failures}>"

    def _repr_html_(self) -> str:
        some = zip(self.names[:_SHOWN], self._shown(self.rows[:_SHOWN]), strict=True)
        lines = [(str(name), f"{value!s:.60}") for name, value in some]
        lines += [("…", "…")] if len(self) > _SHOWN else []
        cells = "".join(f"<tr><td>{escape(a)}</td><td>{escape(b)}</td></tr>" for a, b in lines)
        return f"<p>{escape(repr(self))}</p><table>{cells}</table>"

    def _shown(self, rows: NDArray[Any]) -> list[Any]:
        if rows.dtype == np.uint8:
            digits = rows.tobytes().hex()
            width = 2 * rows.shape[1]
            front = width - -(-_shown_bits(self.origin) // 4)  # a digit that has no bits
            return [digits[start + front : start + width] for start in range(0, len(digits), width)]
        return list(rows[:, None])


def _shown_bits(origin: Origin) -> int:
    """Of the digits of an image: several hashes are whole bytes each."""
    row = origin.row
    return row.count or 0 if row.rows == 1 else 8 * (row.width or 0)


def check_encodings(encodings: Any) -> Encodings:
    """What was given, once it is clear that it is columns: a dict doesn't say what made it.

    Raises:
        TypeError: it is something else.

    Example:
        >>> check_encodings({"a.png": "00000000000000ff"})
        Traceback (most recent call last):
        ...
        TypeError: expected Encodings, got dict: Encodings.from_map(…, origin) makes them of one
    """
    if not isinstance(encodings, Encodings):
        hint = ": Encodings.from_map(…, origin) makes them of one"
        is_map = isinstance(encodings, Mapping)
        raise TypeError(f"expected Encodings, got {type(encodings).__name__}{hint * is_map}")
    return encodings


def _refuse_other(made: Recipe, recipe: Recipe) -> None:
    if different := recipe.origin.differences(made.origin):
        raise ValueError(f"the stream encodes by another recipe: {different}")
    if recipe.method.quality is not None and made.method.quality is None:
        raise ValueError(f"expected a stream that tells quality, got one of {made.method.name}")


def _checked_width(key: Key, row: Any, dtype: np.dtype[Any], width: int | None) -> int:
    """The width of a row: of the first one, where only the network knows."""
    found: int | None = row.shape[0] if getattr(row, "ndim", None) == 1 else None
    if found is None or row.dtype != dtype:
        wanted = f"{dtype}[{'D' if width is None else width}]"
        raise TypeError(f"expected a row {wanted} for {key!r:.200}, got {described(row)}")
    if width not in (None, found):
        raise ValueError(f"expected a row {dtype}[{width}] for {key!r:.200}, got {described(row)}")
    return found


def _check_rows(rows: NDArray[Any], names: Sequence[Key], origin: Origin) -> None:
    kind = np.uint8 if check_origin(origin).dtype == "uint8" else np.float32
    found = getattr(rows, "dtype", type(rows).__name__)
    if found != kind:
        raise TypeError(f"expected rows of {origin.method} as {kind.__name__}, got {found}")
    wanted = origin.row.width if origin.count else None
    if rows.ndim != 2 or len(rows) != len(names) or wanted not in (None, rows.shape[1]):
        raise ValueError(
            f"expected rows [{len(names)}, {wanted or 'width'}] of {origin.method}, "
            f"got {list(rows.shape)}"
        )
    if origin.dtype == "uint8" and origin.count:
        refuse_higher_bits(rows, origin.count, names)


def _check_quality(quality: NDArray[Any] | None, count: int) -> None:
    if quality is None:
        return
    if quality.dtype != np.uint8:
        raise TypeError(f"expected quality as uint8, got {quality.dtype}")
    if quality.shape != (count,) or quality.max(initial=0) > 100:
        raise ValueError(
            f"expected quality [{count}] from 0 to 100, got {list(quality.shape)} up to "
            f"{quality.max(initial=0)}"
        )


def refuse_twice(names: Sequence[Key]) -> None:
    """ValueError if a name is there twice, which it tells."""
    if len(set(names)) == len(names):
        return
    seen: set[Key] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"expected each name once, got {name!r:.200} twice")
        seen.add(name)


def commonest(failures: Mapping[Key, str]) -> str:
    """Why images could not be loaded, in a line: how many there are for the commonest reasons.

    Example:
        >>> commonest({"a.png": "is empty", "b.png": "is empty", "c.png": "does not exist"})
        '2 is empty, 1 does not exist'
    """
    reasons = Counter(failures.values()).most_common(_REASONS + 1)
    told = [f"{count:,} {reason:.80}" for reason, count in reasons[:_REASONS]]
    return ", ".join(told + ["…"] * (len(reasons) > _REASONS))


def _order(names: Sequence[Key]) -> list[int]:
    try:
        return sorted(range(len(names)), key=names.__getitem__)
    except TypeError:  # keys of several kinds
        return list(range(len(names)))
