"""ImageHash's hashes as array functions, bit for bit; imagededup's are in :mod:`jaxdedup`.

Images are ``uint8[..., H, W, 3]`` (RGB) or ``uint8[..., H, W]`` (grey). They become grey before
they are resized; with imagededup it is after, so that the bits of the two families differ. Hashes
of n bits are ``uint8[..., ceil(n / 8)]``, right-aligned: ``jaxdedup.to_hex(hashes, bits=n)`` equals
``str`` of ImageHash's, and ``imagehash.hex_to_hash`` reads it. Everything is pure and jitted, and
its arithmetic is in integers throughout.

Equal to ImageHash 4.3.2, but where the median that is compared with is itself among equal numbers:
there ImageHash's bit follows the rounding noise of its floats, ours follows the tie. That concerns
`whash`, of small images most, and `phash` of images that equal their own transpose or are made of
blocks. ``whash(mode="db4")`` and ``crop_resistant_hash`` are not here.

Source: J. Buchner, ImageHash, https://github.com/JohannesBuchner/imagehash.
"""

from collections.abc import Callable

from jaxdedup.hashing import HashMethod

from ._colours import colorhash as colorhash
from ._colours import colorhash_method
from ._luma import average_hash as average_hash
from ._luma import (
    average_hash_method,
    dhash_method,
    dhash_vertical_method,
    phash_method,
    phash_simple_method,
    whash_method,
)
from ._luma import dhash as dhash
from ._luma import dhash_vertical as dhash_vertical
from ._luma import phash as phash
from ._luma import phash_simple as phash_simple
from ._luma import whash as whash

__all__ = [
    "HASHES",
    "average_hash",
    "colorhash",
    "dhash",
    "dhash_vertical",
    "phash",
    "phash_simple",
    "whash",
]

#: By the name after ``imagehash-``, what makes the hashes of all sizes.
HASHES: dict[str, Callable[..., HashMethod]] = {
    "average_hash": average_hash_method,
    "phash": phash_method,
    "phash_simple": phash_simple_method,
    "dhash": dhash_method,
    "dhash_vertical": dhash_vertical_method,
    "whash": whash_method,
    "colorhash": colorhash_method,
}
