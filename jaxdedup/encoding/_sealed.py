"""What files hold beside names and rows: what made them, and a checksum that vouches for all."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from ._encodings import Encodings
from ._names import PackedNames
from ._recipe import Origin

UTF8 = ("utf-8", "surrogatepass")  # a file name that is not UTF-8 has surrogates


def sealed(encodings: Encodings, failures: Mapping[Any, str] | None = None) -> dict[str, Any]:
    """What a file holds beside names, rows and, where it does, failures."""
    origin = json.dumps(encodings.origin.to_dict())
    return {
        "origin": origin,
        "checksum": _checksum(encodings.names, encodings.rows, origin, failures),
    }


def unsealed(
    texts: Mapping[str, str],
    names: Sequence[str],
    rows: NDArray[Any],
    failures: Mapping[Any, str] | None = None,
) -> Encodings:
    """The encodings of a file; ValueError where its checksum is another one."""
    origin, checksum = stored_origin(texts), texts.get("checksum")
    names = PackedNames.of(names)
    if checksum is not None and checksum != _checksum(names, rows, texts["origin"], failures):
        raise ValueError("it is damaged: its checksum is another one")
    return Encodings(names, rows, origin, failures, vouched_for=checksum is not None)


def stored_origin(texts: Mapping[str, Any]) -> Origin:
    """What made the encodings of a file; ValueError where it does not say."""
    if "origin" not in texts:
        early = "version" in texts and "method" in texts
        told = ": it is of an early version; encode the images again" if early else ""
        raise ValueError(f"it does not say what made them{told}")
    return Origin.from_dict(json.loads(texts["origin"]))


def _checksum(
    names: Sequence[str], rows: NDArray[Any], origin: str, failures: Mapping[Any, str] | None
) -> str:
    digest = hashlib.sha256(origin.encode())
    packed = PackedNames.of(names)
    for part in (packed.text.encode(*UTF8), packed.lengths.tobytes(), rows.tobytes()):
        digest.update(part)
    if failures:
        digest.update(json.dumps(list(failures.items())).encode())
    return digest.hexdigest()
