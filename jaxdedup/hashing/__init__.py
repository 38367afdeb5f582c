"""Perceptual hashes as array functions: uint8 images in, packed hashes out.

Images are ``uint8[..., H, W, 3]`` (RGB) or ``uint8[..., H, W]`` (grey); an array of three or more
axes whose last axis is 3 long is RGB. Hashes of n bits are ``uint8[..., ceil(n / 8)]``, by default
``uint8[..., 8]``: row by row, the most significant bit first; where n is no multiple of 8,
right-aligned as a number is. The functions are pure and jitted, and may be called under
``jax.jit``, ``jax.vmap``, ``jax.lax.map`` and ``jax.shard_map``; their arithmetic is in integers
throughout, so that every one of these, on every device, gives the same bits.

A hash of a size, as a value, is a :class:`HashMethod`. What is not in ``__all__`` is for the other
families of hashes: exact comparisons, and checks.
"""

from ._ahash import ahash as ahash
from ._ahash import ahash_method as ahash_method
from ._dct import FEW_FREQUENCIES as FEW_FREQUENCIES
from ._dct import compare_to_mean as compare_to_mean
from ._dct import compare_to_median as compare_to_median
from ._dct import low_frequencies as low_frequencies
from ._dct import refuse_large_basis as refuse_large_basis
from ._dct import row_frequencies as row_frequencies
from ._dhash import dhash as dhash
from ._dhash import dhash_method as dhash_method
from ._method import HashMethod as HashMethod
from ._method import checked_power_of_two as checked_power_of_two
from ._method import hash_images as hash_images
from ._method import over_batch as over_batch
from ._method import pack_bits as pack_bits
from ._method import sized_name as sized_name
from ._packed import from_hex as from_hex
from ._packed import hamming_distance as hamming_distance
from ._packed import to_bits as to_bits
from ._packed import to_hex as to_hex
from ._pdq import PDQ as PDQ
from ._pdq import pdq as pdq
from ._pdq_host import pdq_method as pdq_method
from ._pdq_host import pdq_on_host as pdq_on_host
from ._phash import phash as phash
from ._phash import phash_method as phash_method
from ._quality import Rated as Rated
from ._quality import luma_quality as luma_quality
from ._quality import split_quality as split_quality
from ._quality import with_quality as with_quality
from ._whash import block_sums as block_sums
from ._whash import twice_median as twice_median
from ._whash import whash as whash
from ._whash import whash_method as whash_method

__all__ = [
    "PDQ",
    "HashMethod",
    "ahash",
    "ahash_method",
    "dhash",
    "dhash_method",
    "from_hex",
    "hamming_distance",
    "pack_bits",
    "pdq",
    "pdq_method",
    "pdq_on_host",
    "phash",
    "phash_method",
    "to_bits",
    "to_hex",
    "whash",
    "whash_method",
]
