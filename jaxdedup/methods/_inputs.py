"""What the calls of the encoders take: a folder, and how to encode it, or a map of encodings."""

import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jaxdedup import runtime
from jaxdedup.duplicates import Keep
from jaxdedup.encoding import Orientations
from jaxdedup.loading import Folder, Frames, ImageSource
from jaxdedup.runtime import Path

EncodingMap = Mapping[Any, Any]
Against = Path | ImageSource | EncodingMap
Choice = Keep | Callable[[list[Any]], Any]

# Stack frames: Inputs.map, _given, _matches, _find_duplicates or _find_removable, the public call,
# its caller.
_TO_CALLER = 6
_RECURSIVE = "recursive parameter is irrelevant when using encodings."
_WORKERS = "Parameter num_enc_workers has no effect since encodings are already provided"
_NOTHING = "Provide either an image directory or encodings!"


class Inputs(NamedTuple):
    """Where the encodings come from: a folder, and how to encode it, or a map; and the corpus."""

    image_dir: Path | ImageSource | None
    encoding_map: EncodingMap | None
    recursive: bool
    num_enc_workers: int | None
    cache: Path | None
    orientations: Orientations = "none"
    against: Against | None = None

    @property
    def of_corpus(self) -> "Inputs | None":
        """Where those of the corpus come from, if that is a folder: it has a cache of its own."""
        if self.against is None or isinstance(self.against, Mapping):
            return None
        cache = None if self.cache is None else f"{os.fspath(self.cache)}-against"
        return self._replace(image_dir=self.against, cache=cache, against=None)

    def source(self, *, follow_links: bool, frames: bool) -> ImageSource:
        """The images of the folder."""
        path = self.image_dir
        if isinstance(path, Folder | Frames):
            return path
        if not isinstance(path, (str, os.PathLike)):
            raise ValueError(f"Please provide a valid directory path! Got {path!r:.80}")
        folder = Folder(path, recursive=self.recursive, follow_links=follow_links)
        return Frames(folder) if frames else folder

    def workers(self, usual: int | None) -> int | None:
        """How many threads decode."""
        if self.num_enc_workers is None:
            return usual
        return max(1, runtime.integer("num_enc_workers", self.num_enc_workers))

    def map(self) -> EncodingMap | None:
        """The map; None where there is a folder, which comes first. The other's arguments are
        refused or warned of."""
        if self.image_dir is not None:
            if self.encoding_map is not None:
                message = "encoding_map has no effect where image_dir is given"
                warnings.warn(message, stacklevel=_TO_CALLER)
            return None
        if self.encoding_map is None:
            raise ValueError(_NOTHING)
        if isinstance(self.encoding_map, Mapping) and not self.encoding_map:
            raise ValueError(f"{_NOTHING} Got an empty encoding_map")
        if self.cache is not None:
            raise ValueError("expected image_dir where cache is given")
        if self.recursive:
            warnings.warn(_RECURSIVE, SyntaxWarning, stacklevel=_TO_CALLER)
        if self.num_enc_workers is not None:
            warnings.warn(_WORKERS, RuntimeWarning, stacklevel=_TO_CALLER)
        return self.encoding_map


def check_workers(count: int | None) -> None:
    """For num_dist_workers and num_sim_workers, which change nothing here."""
    if count is not None:
        runtime.integer("a number of workers", count)
