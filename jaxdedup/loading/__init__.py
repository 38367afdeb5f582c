"""Images on the host: sources of them, their decoding, and batches of uint8 pixels.

An image is ``uint8[H, W, 3]`` (RGB) or ``uint8[H, W]`` (grey). A source yields ``(key, item)``
pairs; an item is whatever :func:`decode` takes. Importing this does not import JAX: what is to
be done with a batch, and so which images it has room for, is told by the caller as a :class:`Plan`.
"""

from ._archive import Archive
from ._batches import Batch, Failure, Plan, load_batches
from ._decode import DecodeError, Item, Pixels, Unreadable, as_image, decode, image_size, own
from ._folder import Folder
from ._open import is_source, open_source
from ._sources import ImageSource, Stamp

__all__ = [
    "Archive",
    "Batch",
    "DecodeError",
    "Failure",
    "Folder",
    "ImageSource",
    "Item",
    "Pixels",
    "Plan",
    "Stamp",
    "Unreadable",
    "as_image",
    "decode",
    "image_size",
    "is_source",
    "load_batches",
    "open_source",
    "own",
]
