"""From files to padded batches of uint8 pixels, on the host: find, decode, read ahead, batch.

An image is ``uint8[H, W, 3]`` (RGB) or ``uint8[H, W]`` (grey). Nothing here imports JAX: which
images may share a batch, and how it is padded, is told by the caller as a :class:`Layout`.
"""

from ._batches import Batch as Batch
from ._batches import Failure as Failure
from ._batches import Layout as Layout
from ._batches import load_batches as load_batches
from ._decode import DecodeError as DecodeError
from ._decode import Pixels as Pixels
from ._decode import Source as Source
from ._decode import as_image as as_image
from ._decode import decode as decode
from ._files import find_files as find_files

__all__ = [
    "Batch",
    "DecodeError",
    "Failure",
    "Layout",
    "Pixels",
    "Source",
    "as_image",
    "decode",
    "find_files",
    "load_batches",
]
