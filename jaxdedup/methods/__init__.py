"""The encoders, with imagededup's calls: files, folders and images in, encodings out."""

from ._cnn import CNN as CNN
from ._hashes import AHash as AHash
from ._hashes import DHash as DHash
from ._hashes import PHash as PHash
from ._hashes import WHash as WHash
