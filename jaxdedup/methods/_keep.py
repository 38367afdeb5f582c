"""Which image of a group of duplicates stays."""

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image

from jaxdedup.loading import Pixels

from ._duplicates import Matches

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


def to_remove(
    matches: Matches,
    keep: Keep | Callable[[list[Any]], Any],
    image_dir: Path | None,
    decoder: Callable[[str], Pixels],
) -> list[int]:
    """Which items can go, as each has a duplicate that stays.

    Takes the images in turn: one that is not decided on yet forms a group with those of its
    duplicates that are not, one of the group stays, and the duplicates of that one go. With the
    images in the order of the map and the first to stay, these are the files that imagededup's
    ``find_duplicates_to_remove`` names.

    Args:
        matches: of a search without a corpus.
        keep: the rule that puts the images into an order, in which the first stays; or a function
            that takes a group's names, in the order of the map, and gives the one that stays.
        image_dir: the folder of the files.
        decoder: decodes a file that Pillow can't open.

    Returns:
        Items in ascending order. No two of the others are duplicates.
    """
    starts, indices = matches.near.starts.tolist(), matches.near.indices.tolist()
    undecided = np.ones(len(matches.names), bool).tolist()
    with_duplicates = np.flatnonzero(np.diff(matches.near.starts)).tolist()
    removed: list[int] = []

    def rivals(item: int) -> list[int]:
        return [other for other in indices[starts[item] : starts[item + 1]] if undecided[other]]

    for item in _turns(keep, with_duplicates, matches.names, image_dir, decoder):
        if not undecided[item]:
            continue
        kept, duplicates = item, rivals(item)
        if callable(keep) and duplicates:
            kept = _chosen(keep, sorted([item, *duplicates]), matches.names)
            duplicates = rivals(kept)
        for decided in (kept, *duplicates):
            undecided[decided] = False
        removed += duplicates
    return sorted(removed)


def _turns(
    keep: Keep | Callable[[list[Any]], Any],
    items: list[int],
    names: Sequence[Any],
    image_dir: Path | None,
    decoder: Callable[[str], Pixels],
) -> list[int]:
    if callable(keep) or keep == "first":
        return items
    paths = {item: os.path.join(image_dir or "", names[item]) for item in items}
    if keep == "largest":
        return sorted(items, key=lambda item: -_pixel_count(paths[item], decoder))
    sign = -1 if keep == "newest" else 1
    return sorted(items, key=lambda item: sign * os.stat(paths[item]).st_mtime_ns)


def _chosen(keep: Callable[[list[Any]], Any], group: list[int], names: Sequence[Any]) -> int:
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
