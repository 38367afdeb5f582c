"""Encoding as a stream of keyed rows, by recipes that are values; encodings as columns; files.

A :class:`Method` says what an image becomes, a :class:`Recipe` all that this depends on beside the
image, and :func:`encode` makes keyed rows of keyed images, as they come. :class:`Encodings` holds
them as arrays, with the :class:`Origin` that files and caches keep too.
"""

from ._device import decode_batches as decode_batches
from ._device import decoder as decoder
from ._device import encode_pixels as encode_pixels
from ._device import whole_decoder as whole_decoder
from ._encodings import Encodings as Encodings
from ._encodings import check_encodings as check_encodings
from ._encodings import commonest as commonest
from ._files import SUFFIXES as SUFFIXES
from ._files import holds_shards as holds_shards
from ._files import is_shard as is_shard
from ._files import load as load
from ._files import refuse_unsavable as refuse_unsavable
from ._files import save as save
from ._method import METHODS as METHODS
from ._method import Bits as Bits
from ._method import Features as Features
from ._method import Method as Method
from ._method import hash_method as hash_method
from ._method import method_named as method_named
from ._method import mobilenet_method as mobilenet_method
from ._method import rated as rated
from ._names import PackedNames as PackedNames
from ._network import CustomModel as CustomModel
from ._network import custom_method as custom_method
from ._network import network_method as network_method
from ._network import pretrained_method as pretrained_method
from ._network import weighted_method as weighted_method
from ._parquet import from_arrow as from_arrow
from ._parquet import origin_of as origin_of
from ._parquet import pyarrow_modules as pyarrow_modules
from ._parquet import rows_of as rows_of
from ._parquet import to_arrow as to_arrow
from ._recipe import Origin as Origin
from ._recipe import Recipe as Recipe
from ._rows import refuse_infinite as refuse_infinite
from ._source import encode_source as encode_source
from ._source import refuse_other_cache as refuse_other_cache
from ._stream import Encoded as Encoded
from ._stream import Key as Key
from ._stream import encode as encode
from ._turns import INVERSE_TURNS as INVERSE_TURNS
from ._turns import TURNS as TURNS
from ._turns import Orientations as Orientations
from ._turns import oriented as oriented
