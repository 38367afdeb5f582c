"""Encoding as a stream of keyed rows, by recipes that are values; encodings as columns; files.

A :class:`Method` says what an image becomes, a :class:`Recipe` all that this depends on beside the
image, and :func:`encode` makes keyed rows of keyed images, as they come. :class:`Encodings` holds
them as arrays, with the :class:`Origin` that files and caches keep too.
"""

from ._device import decode_batches, decoder, encode_pixels
from ._encodings import Encodings, commonest
from ._files import load, refuse_unsavable, save
from ._method import METHODS, Bits, Features, Method, hash_method, method_named, mobilenet_method
from ._network import network_method
from ._recipe import Origin, Recipe
from ._source import encode_source
from ._stream import Encoded, Key, encode

__all__ = [
    "METHODS",
    "Bits",
    "Encoded",
    "Encodings",
    "Features",
    "Key",
    "Method",
    "Origin",
    "Recipe",
    "commonest",
    "decode_batches",
    "decoder",
    "encode",
    "encode_pixels",
    "encode_source",
    "hash_method",
    "load",
    "method_named",
    "mobilenet_method",
    "network_method",
    "refuse_unsavable",
    "save",
]
