"""Perceptual hashes as array functions: uint8 images in, packed 64-bit hashes out.

Images are ``uint8[..., H, W, 3]`` (RGB) or ``uint8[..., H, W]`` (grey); an array of three or more
axes whose last axis is 3 long is RGB. Hashes are ``uint8[..., 8]``: 64 bits, row by row, most
significant bit first. The functions are pure and jitted, and may be called under ``jax.jit``,
``jax.vmap``, ``jax.lax.map`` and ``jax.shard_map``; their arithmetic is in integers throughout,
so that every one of these, on every device, gives the same bits.
"""

from ._ahash import AHASH as AHASH
from ._ahash import ahash as ahash
from ._dhash import DHASH as DHASH
from ._dhash import dhash as dhash
from ._method import HashMethod as HashMethod
from ._method import hash_resized as hash_resized
from ._packed import from_hex as from_hex
from ._packed import hamming_distance as hamming_distance
from ._packed import to_bits as to_bits
from ._packed import to_hex as to_hex
from ._phash import PHASH as PHASH
from ._phash import phash as phash
from ._whash import WHASH as WHASH
from ._whash import whash as whash

__all__ = [
    "AHASH",
    "DHASH",
    "PHASH",
    "WHASH",
    "HashMethod",
    "ahash",
    "dhash",
    "from_hex",
    "hamming_distance",
    "hash_resized",
    "phash",
    "to_bits",
    "to_hex",
    "whash",
]
