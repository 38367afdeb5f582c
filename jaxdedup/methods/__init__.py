"""The encoders, with imagededup's calls: files, folders and images in, encodings out."""

from .cnn import CNN as CNN
from .hashing import AHash as AHash
from .hashing import DHash as DHash
from .hashing import PHash as PHash
from .hashing import WHash as WHash
