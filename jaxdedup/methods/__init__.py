"""The encoders: files, folders and iterables of images in, encodings out, as imagededup's."""

from typing import TYPE_CHECKING, Any

from ._hashes import AHash as AHash
from ._hashes import DHash as DHash
from ._hashes import PHash as PHash
from ._hashes import WHash as WHash

if TYPE_CHECKING:
    from ._cnn import CNN as CNN

__all__ = ["CNN", "AHash", "DHash", "PHash", "WHash"]


def __getattr__(name: str) -> Any:
    if name == "CNN":  # brings in flax, which users of hashes need not wait for
        from ._cnn import CNN

        return CNN
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
