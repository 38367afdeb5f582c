"""What files hold beside their columns: what made them, and a checksum that vouches for all."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._encodings import Encodings, refuse_twice
from ._names import PackedNames
from ._recipe import Origin

UTF8 = ("utf-8", "surrogatepass")  # a file name that is not UTF-8 has surrogates


def sealed(
    encodings: Encodings, rows: NDArray[Any], failures: Mapping[Any, str] | None = None
) -> dict[str, Any]:
    """What a file holds beside its columns; ``rows`` and ``failures`` are as it keeps them."""
    origin = json.dumps(encodings.origin.to_dict())
    checksum = _checksum(encodings.names, origin, failures, rows, encodings.quality)
    return {"origin": origin, "checksum": checksum}


def unsealed(
    texts: Mapping[str, str],
    names: Sequence[str],
    rows: NDArray[Any],
    quality: NDArray[np.uint8] | None,
    failures: Mapping[Any, str] | None = None,
) -> Encodings:
    """The encodings of a file; ValueError where its checksum is another one."""
    origin, checksum = stored_origin(texts), texts.get("checksum")
    names = PackedNames.of(names)
    whole = rows.astype(np.float32) if rows.dtype == np.float16 else rows
    found = Encodings(names, whole, origin, failures, quality, vouched_for=checksum is not None)
    if checksum not in (None, _checksum(names, texts["origin"], failures, rows, quality)):
        raise ValueError(
            "it was changed (then give from_arrow its origin) or is damaged: its checksum is "
            "another one"
        )
    return found


def stored_origin(texts: Mapping[str, Any]) -> Origin:
    """What made the encodings of a file; ValueError where it does not say."""
    if texts.get("origin") is None:
        early = "version" in texts and "method" in texts
        told = ": it is of an early version; encode the images again" if early else ""
        raise ValueError(f"it does not say what made them{told}")
    return Origin.from_dict(parsed(texts["origin"]))


def parsed(text: str | bytes) -> Any:
    """What JSON holds, each name of an object once; ValueError where it is none."""
    try:
        return json.loads(text, object_pairs_hook=each_once)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"it is no JSON from {place} on") from None
    except (UnicodeDecodeError, RecursionError):
        raise ValueError("it is no JSON") from None


def each_once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A dict; ValueError if a name is there twice."""
    pairs = list(pairs)
    refuse_twice([name for name, _ in pairs])
    return dict(pairs)


def _checksum(
    names: Sequence[str],
    origin: str,
    failures: Mapping[Any, str] | None,
    *columns: NDArray[Any] | None,
) -> str:
    digest = hashlib.sha256(origin.encode())
    packed = PackedNames.of(names)
    digest.update(packed.text.encode(*UTF8))
    for column in (packed.lengths, *columns):
        if column is not None:
            digest.update(np.ascontiguousarray(column).data)
    if failures:
        digest.update(json.dumps(list(failures.items())).encode())
    return digest.hexdigest()
