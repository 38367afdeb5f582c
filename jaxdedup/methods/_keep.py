"""Which image of a group of duplicates stays."""

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

from PIL import Image

from jaxdedup.loading import Pixels

Keep = Literal["first", "largest", "newest", "oldest"]
Path = str | os.PathLike[str]


def check_keep(keep: Any, image_dir: Path | None) -> None:
    """ValueError unless ``keep`` is a function, or a rule whose files can be looked at."""
    if callable(keep):
        return
    if keep not in get_args(Keep):
        raise ValueError(
            f"expected keep to be one of {', '.join(get_args(Keep))}, or a function, got {keep!r}"
        )
    if keep != "first" and image_dir is None:
        raise ValueError(f"keep={keep!r} looks at the files: expected image_dir")


def turns(
    keep: Keep | Callable[[list[Any]], Any],
    names: Sequence[Any],
    items: list[int],
    image_dir: Path | None,
    decoder: Callable[[str], Pixels],
) -> tuple[list[int], Callable[[list[int]], int] | None]:
    """The order in which items have their turn, and what chooses among the items of a group.

    Args:
        keep: the rule; a function takes a list of names and gives the one that stays.
        names: of all items.
        items: those that have duplicates.
        image_dir: the folder of the files.
        decoder: decodes a file that Pillow can't open.
    """
    if callable(keep):
        return items, lambda group: _chosen(keep, names, group)
    if keep == "first":
        return items, None
    paths = {item: os.path.join(image_dir or "", names[item]) for item in items}
    if keep == "largest":
        return sorted(items, key=lambda item: -_pixel_count(paths[item], decoder)), None
    sign = -1 if keep == "newest" else 1
    return sorted(items, key=lambda item: sign * os.stat(paths[item]).st_mtime_ns), None


def _chosen(keep: Callable[[list[Any]], Any], names: Sequence[Any], group: list[int]) -> int:
    members = [names[item] for item in group]
    chosen = keep(list(members))
    if chosen not in members:
        raise ValueError(f"expected keep to return one of {members!r:.200}, got {chosen!r}")
    return group[members.index(chosen)]


def _pixel_count(path: str, decoder: Callable[[str], Pixels]) -> int:
    try:
        with Image.open(path) as image:
            return image.width * image.height
    except Exception:  # what only imageio opens
        height, width = decoder(path).shape[:2]
        return height * width
