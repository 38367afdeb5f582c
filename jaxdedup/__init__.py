"""Image fingerprinting for JAX: imagededup's hashes, bit for bit, and CNN encodings.

The encoders, which read files and folders, are in :mod:`jaxdedup.methods`. Here are the hashes as
array functions, for use inside JAX programs.
"""

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
