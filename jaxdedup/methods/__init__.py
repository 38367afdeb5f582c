"""The encoders, with imagededup's calls: files, folders and images in, encodings out."""

from ._cnn import CNN
from ._hashes import AHash, DHash, PHash, WHash

__all__ = ["CNN", "AHash", "DHash", "PHash", "WHash"]
