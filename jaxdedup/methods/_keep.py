"""Which image of a group of duplicates stays."""

import os
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jaxdedup.loading import Pixels, decode
from jaxdedup.search import neighbours

from ._duplicates import Metric

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
    metric: Metric,
    encodings: Mapping[Any, Any],
    *,
    threshold: int | float,
    max_pairs: int,
    keep: Keep | Callable[[list[Any]], Any] = "first",
    image_dir: Path | None = None,
    decoder: Callable[[str], Pixels] = decode,
) -> list[int]:
    """Which items of a map can go, as each has a duplicate that stays.

    Takes the images in turn: one that is not decided on yet forms a group with those of its
    duplicates that are not, one of the group stays, and the duplicates of that one go. With the
    images in the order of the map and the first to stay, these are the files that imagededup's
    ``find_duplicates_to_remove`` names.

    Equal encodings have the same duplicates and share their fate. So only distinct ones are
    searched, and thousands of equal images are no millions of pairs.

    Args:
        metric: how the encodings are compared.
        encodings: by name.
        threshold: as ``metric.check`` gave it.
        max_pairs: the most pairs to hold of encodings that are not equal.
        keep: the rule that puts the images into an order, in which the first stays; or a function
            that takes a group's names, in the order of the map, and gives the one that stays.
        image_dir: the folder of the files.
        decoder: decodes a file that Pillow can't open.

    Returns:
        Items in ascending order. No two of the others are duplicates.

    Raises:
        ValueError: an encoding is malformed, there are more pairs than ``max_pairs``, or ``keep``
            returned something else than a name of its list.
    """
    names = list(encodings)
    if not names:
        return []
    members, duplicates = _distinct(metric, encodings, threshold, max_pairs)
    kind = {item: number for number, items in enumerate(members) for item in items}
    decided = [False] * len(members)

    def group_of(item: int) -> list[int]:
        return [kind[item], *(other for other in duplicates[kind[item]] if not decided[other])]

    # In the order of the map, whatever the order of the kinds.
    candidates = [
        item
        for item, number in sorted(kind.items())
        if len(members[number]) > 1 or duplicates[number]
    ]
    removed: list[int] = []
    for item in _turns(keep, candidates, names, image_dir, decoder):
        if decided[kind[item]]:
            continue
        kept, group = item, group_of(item)
        if callable(keep):
            kept = _chosen(keep, sorted(m for number in group for m in members[number]), names)
            group = group_of(kept)
        for number in group:
            decided[number] = True
            removed += [member for member in members[number] if member != kept]
    return sorted(removed)


def _distinct(
    metric: Metric, encodings: Mapping[Any, Any], threshold: int | float, max_pairs: int
) -> tuple[list[list[int]], list[list[int]]]:
    """The items of each kind of encoding, and for each kind the others that are near it."""
    rows = metric.to_rows(encodings)
    members = _equal_rows(rows, metric.near_copy(rows))
    distinct = rows[[items[0] for items in members]]
    near = neighbours(metric.pairs(distinct, None, threshold, max_pairs), len(members))
    starts, indices = near.starts.tolist(), near.indices.tolist()
    return members, [indices[a:b] for a, b in pairwise(starts)]


def _equal_rows(rows: NDArray[Any], near_copy: NDArray[np.bool_]) -> list[list[int]]:
    """The items of each distinct row. A row that is not near its copy stands alone."""
    members: dict[Any, list[int]] = {}
    for item, (row, merges) in enumerate(zip(rows, near_copy.tolist(), strict=True)):
        members.setdefault(row.tobytes() if merges else item, []).append(item)
    return list(members.values())


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
    if len(group) == 1:  # its other duplicates are decided on
        return group[0]
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
