"""Images on the host: sources of them, their decoding, and batches of uint8 pixels.

An image is ``uint8[H, W, 3]`` (RGB) or ``uint8[H, W]`` (grey). A source yields ``(key, item)``
pairs; an item is whatever :func:`decode` takes. Importing this does not import JAX: what is to
be done with a batch, and so which images it has room for, is told by the caller as a :class:`Plan`.
"""

from ._archive import Archive as Archive
from ._batch import Batch as Batch
from ._batch import BatchOfOne as BatchOfOne
from ._batch import Plan as Plan
from ._batches import Failure as Failure
from ._batches import load_batches as load_batches
from ._colours import Flat as Flat
from ._colours import FlatImages as FlatImages
from ._colours import Note as Note
from ._colours import Pixels as Pixels
from ._colours import Range as Range
from ._colours import as_image as as_image
from ._colours import background_colour as background_colour
from ._colours import unnoted as unnoted
from ._decode import Allocate as Allocate
from ._decode import Content as Content
from ._decode import DecodeError as DecodeError
from ._decode import Item as Item
from ._decode import Unreadable as Unreadable
from ._decode import decode as decode
from ._decode import image_size as image_size
from ._decode import orientation_of as orientation_of
from ._folder import Folder as Folder
from ._formats import known_formats as known_formats
from ._frames import Frames as Frames
from ._gate import default_pixels_in_flight as default_pixels_in_flight
from ._geometry import lies as lies
from ._geometry import trimmed as trimmed
from ._geometry import upright as upright
from ._items import own as own
from ._items import unwrapped as unwrapped
from ._open import is_source as is_source
from ._open import open_source as open_source
from ._remote import Remote as Remote
from ._remote import is_url as is_url
from ._several import Several as Several
from ._several import joined as joined
from ._sources import ImageSource as ImageSource
from ._sources import Stamp as Stamp
from ._sources import check_source as check_source
from ._table import Table as Table
