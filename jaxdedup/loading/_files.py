"""Which files of a folder are to be encoded."""

import os


def find_files(
    directory: str | os.PathLike[str], *, recursive: bool = False
) -> tuple[list[str], dict[str, str]]:
    """List the files of a folder, in sorted order.

    Hidden files and folders, whose names begin with a dot, are left out. Links to files are
    followed, links to folders are not, so that a loop of links can't trap the walk. Whether a
    file is an image is only known once it is opened, so every other entry is listed.

    Args:
        directory: the folder.
        recursive: whether to list the files of sub-folders too.

    Returns:
        The paths relative to the folder, with forward slashes, and the sub-folders that could not
        be read, each with the reason.

    Raises:
        ValueError: the path is not a folder.
        OSError: the folder itself can't be read.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ["b.jpg", "a.png", ".hidden.png"]:
        ...         pathlib.Path(folder, name).touch()
        ...     find_files(folder)
        (['a.png', 'b.jpg'], {})
    """
    top = os.fspath(directory)
    if not os.path.isdir(top):
        raise ValueError(f"expected an existing folder, got {top!r}")
    unreadable: dict[str, str] = {}

    def relative(path: str) -> str:
        return os.path.relpath(path, top).replace(os.sep, "/")

    def note(error: OSError) -> None:
        if error.filename == top:
            raise error
        unreadable[relative(error.filename)] = error.strerror or str(error)

    files = []
    for folder, subfolders, names in os.walk(top, onerror=note):
        subfolders[:] = [name for name in subfolders if recursive and not name.startswith(".")]
        files += [
            relative(os.path.join(folder, name)) for name in names if not name.startswith(".")
        ]
    return sorted(files), unreadable
