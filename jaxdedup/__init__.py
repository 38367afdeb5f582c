"""Image fingerprinting for JAX: imagededup's hashes, bit for bit, and CNN encodings.

The encoders, which read files and folders, are in :mod:`jaxdedup.methods`. Here are the hashes as
array functions, for use inside JAX programs. They, and the rooms (``jaxdedup.search``, …), are
imported when they are first asked for: who only decodes images need not wait for JAX.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .hashing import (
        ahash,
        dhash,
        from_hex,
        hamming_distance,
        pdq,
        phash,
        to_bits,
        to_hex,
        whash,
    )

__version__ = "0.1.0"

__all__ = [
    "ahash",
    "dhash",
    "from_hex",
    "hamming_distance",
    "pdq",
    "phash",
    "to_bits",
    "to_hex",
    "whash",
]

_ROOMS = (
    "duplicates encoding evaluation hashing image imagehash index integrations loading methods "
    "mobilenet networks report search utils"
)


def __getattr__(name: str) -> Any:
    if name in _ROOMS.split():
        return import_module(f"{__name__}.{name}")
    if name in __all__:
        return getattr(import_module(f"{__name__}.hashing"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS.split()})
