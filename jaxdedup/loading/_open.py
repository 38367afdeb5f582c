"""From a path to the source that it is."""

import os

from jaxdedup.runtime import Path

from ._archive import ARCHIVES, Archive
from ._folder import Folder
from ._remote import Remote, is_url
from ._sources import ImageSource, check_source
from ._table import Table


def is_source(path: Path) -> bool:
    """Whether a path is a folder, a URL or, by its suffix, an archive.

    Example:
        >>> is_source("photos.tar.gz"), is_source("hashes.npz")
        (True, False)
    """
    return os.path.isdir(path) or is_url(path) or os.fspath(path).lower().endswith(ARCHIVES)


def open_source(
    path: Path | ImageSource,
    *,
    recursive: bool = False,
    follow_links: bool = False,
    column: str | None = None,
    key: str | None = None,
) -> ImageSource:
    """The images of a folder, an archive, or a Parquet file; all of them may be URLs for fsspec.

    Args:
        path: the folder; or a file that ends in ``.zip``, ``.tar`` (``.tar.gz``, ``.tgz``, …) or
            ``.parquet``, sub-folders of which are always taken. A source is given back as it is.
        recursive: of a folder, whether to take the images of sub-folders too.
        follow_links: of a folder, whether sub-folders may be links.
        column: of a Parquet file, the column of images.
        key: of a Parquet file, the column of keys.

    Raises:
        TypeError: neither a path nor a source.
        ValueError: it is none of these, or column or key are given for something else.
        OSError: it can't be read.

    Example:
        >>> open_source("photos")
        Traceback (most recent call last):
        ...
        ValueError: expected an existing folder, got 'photos'
    """
    if not isinstance(path, (str, os.PathLike)):
        check_source(path)
        return path
    suffix = os.path.splitext(path)[1].lower()
    if suffix == ".parquet" and not os.path.isdir(path):
        return Table(path, column, key)
    if column is not None or key is not None:
        raise ValueError(f"expected a .parquet file where a column is given, got {path!r:.100}")
    if os.fspath(path).lower().endswith(ARCHIVES) and not os.path.isdir(path):
        return Archive(path)
    if is_url(path):
        return Remote(path, recursive=recursive)
    return Folder(path, recursive=recursive, follow_links=follow_links)
