"""imagededup's ``utils.plotter``. matplotlib is imported when something is plotted."""

import os
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from jaxdedup.loading import DecodeError, decode
from jaxdedup.runtime import Path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_duplicates"]

_COLUMNS = 4
_WIDTH = 10.0  # inches, as imagededup's
_ROW_HEIGHT = 2.3


def plot_duplicates(
    image_dir: Path,
    duplicate_map: Mapping[str, Sequence[Any]],
    filename: str,
    outfile: Path | None = None,
) -> None:
    """Plots an image and its duplicates, with the scores where the map has them.

    Equals ``imagededup.utils.plot_duplicates``, with these differences: images stand upright, as
    their EXIF data says, a grey image is plotted in grey, a file that can't be loaded is named with
    the reason, the figure grows with the number of rows, and mistakes raise ValueError, never
    AssertionError.

    Args:
        image_dir: the folder of the files that the map names.
        duplicate_map: what ``find_duplicates`` returned, with or without scores.
        filename: the image; a key of the map.
        outfile: write the figure to this file too.

    Raises:
        ValueError: matplotlib is not installed, the folder does not exist, the map is not a map,
            the file name is not in it, or has no list of duplicates.

    Example:
        >>> from jaxdedup.utils import plot_duplicates
        >>> plot_duplicates("photos", {"cat.jpg": [("copy.jpg", 3)]}, "cat.jpg")
        Traceback (most recent call last):
        ...
        ValueError: expected an existing folder as image_dir, got 'photos'
    """
    duplicates = _duplicates(image_dir, duplicate_map, filename)
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ValueError(
            "plot_duplicates needs matplotlib: pip install 'jaxdedup[plot]'"
        ) from error

    figure = plt.figure(figsize=(_WIDTH, _ROW_HEIGHT * _rows(len(duplicates))))
    try:
        _draw(figure, image_dir, filename, duplicates)
        if outfile:
            figure.savefig(outfile)
        plt.show()
    finally:
        plt.close(figure)


def _duplicates(image_dir: Any, duplicate_map: Any, filename: Any) -> list[tuple[str, Any]]:
    """The names of the duplicates, and their scores where the map has them."""
    if not isinstance(image_dir, (str, os.PathLike)) or not os.path.isdir(image_dir):
        raise ValueError(f"expected an existing folder as image_dir, got {image_dir!r:.100}")
    if not isinstance(duplicate_map, Mapping):
        raise ValueError(f"expected duplicate_map to be a dict, got {type(duplicate_map).__name__}")
    if not isinstance(filename, str) or filename not in duplicate_map:
        raise ValueError(f"expected filename to be a key of duplicate_map, got {filename!r:.100}")
    duplicates = duplicate_map[filename]
    if not isinstance(duplicates, Sequence) or isinstance(duplicates, str):
        raise ValueError(
            f"expected a list of duplicates of {filename!r:.100}, got {duplicates!r:.80}"
        )
    if not len(duplicates):
        raise ValueError(f"expected an image that has duplicates, got {filename!r:.100} with none")
    return [_scored(item) for item in duplicates]


def _scored(item: Any) -> tuple[str, Any]:
    match item:
        case str():
            return item, None
        case [str() as name, None | Real() as score, *_]:
            return name, score
    raise ValueError(f"expected duplicates as names, or as (name, score), got {item!r:.80}")


def _rows(count: int) -> int:
    """One for the image itself, and those of its duplicates."""
    return 1 + -(-count // _COLUMNS)


def _draw(
    figure: "Figure", image_dir: Any, filename: str, duplicates: Sequence[tuple[str, Any]]
) -> None:
    grid = figure.add_gridspec(_rows(len(duplicates)), _COLUMNS)
    original = figure.add_subplot(grid[0, 1:3])  # in the middle of the top row
    _draw_image(original, image_dir, filename)
    original.set_title(_plain(f"Original Image: {filename}"), fontsize=11)
    for place, (name, score) in enumerate(duplicates):
        row, column = divmod(place, _COLUMNS)
        axes = figure.add_subplot(grid[row + 1, column])
        _draw_image(axes, image_dir, name)
        axes.set_title(_plain(name if score is None else f"{name} ({_number(score)})"), fontsize=6)
    figure.tight_layout()


def _draw_image(axes: "Axes", image_dir: Any, name: str) -> None:
    axes.axis("off")
    axes.set_anchor("N")
    try:
        pixels = decode(os.path.join(image_dir, name), exif_orientation=True)
    except DecodeError as error:
        text = _plain(f"can't be loaded:\n{error}")
        axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=7, wrap=True)
    else:
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255)


def _number(score: Any) -> str:
    return str(score) if isinstance(score, Integral) else f"{score:.3f}"


def _plain(text: str) -> str:
    """Without what matplotlib would read as mathematics, or can't write."""
    return text.encode("utf-8", "backslashreplace").decode().replace("$", r"\$")
