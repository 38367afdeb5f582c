"""From a path to the source that it is."""

import os

from jaxdedup.runtime import Path

from ._archive import Archive
from ._folder import Folder
from ._sources import ImageSource


def is_source(path: Path) -> bool:
    """Whether a path is a folder or, by its suffix, a zip file."""
    return os.path.isdir(path) or os.fspath(path).lower().endswith(".zip")


def open_source(
    path: Path | ImageSource, *, recursive: bool = False, follow_links: bool = False
) -> ImageSource:
    """The images of a folder, or of a zip file.

    Args:
        path: the folder, or a file that ends in ``.zip``, sub-folders of which are always taken. A
            source is given back as it is.
        recursive: of a folder, whether to take the images of sub-folders too.
        follow_links: of a folder, whether sub-folders may be links.

    Raises:
        ValueError: it is neither.
        OSError: it can't be read.

    Example:
        >>> open_source("photos")
        Traceback (most recent call last):
        ...
        ValueError: expected an existing folder, got 'photos'
    """
    if not isinstance(path, (str, os.PathLike)):
        return path
    is_archive = is_source(path) and not os.path.isdir(path)
    if is_archive:
        return Archive(path)
    return Folder(path, recursive=recursive, follow_links=follow_links)
