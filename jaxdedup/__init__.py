"""Image fingerprinting for JAX: imagededup's hashes, bit for bit, and CNN encodings.

The encoders, which read files and folders, are in :mod:`jaxdedup.methods`. Here are the hashes as
array functions, for use inside JAX programs. They, and the rooms (``jaxdedup.search``, …), are
imported when they are first asked for: who only decodes images need not wait for JAX.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .hashing import ahash as ahash
    from .hashing import dhash as dhash
    from .hashing import from_hex as from_hex
    from .hashing import hamming_distance as hamming_distance
    from .hashing import phash as phash
    from .hashing import to_bits as to_bits
    from .hashing import to_hex as to_hex
    from .hashing import whash as whash

__version__ = "0.1.0"

__all__ = [
    "ahash",
    "dhash",
    "from_hex",
    "hamming_distance",
    "phash",
    "to_bits",
    "to_hex",
    "whash",
]

_ROOMS = (
    "duplicates",
    "encoding",
    "evaluation",
    "hashing",
    "image",
    "loading",
    "methods",
    "mobilenet",
    "report",
    "search",
    "utils",
)


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    if name in __all__:
        return getattr(import_module(f"{__name__}.hashing"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})
