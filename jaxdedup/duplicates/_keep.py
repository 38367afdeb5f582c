"""Which image of a group of duplicates stays."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

from jaxdedup.encoding import Key
from jaxdedup.loading import DecodeError, ImageSource, decode, image_size

Keep = Literal["first", "largest", "newest", "oldest"]
Choice = Keep | Callable[[list[Key]], Key]


def check_keep(keep: Any, has_files: bool) -> None:
    """ValueError unless ``keep`` is a function, or a rule whose files can be looked at."""
    if callable(keep):
        return
    if keep not in get_args(Keep):
        raise ValueError(
            f"expected keep to be one of {', '.join(get_args(Keep))}, or a function, "
            f"got {keep!r:.80}"
        )
    if keep != "first" and not has_files:
        raise ValueError(f"keep={keep!r} looks at the files: expected image_dir")


def removable(
    members: Sequence[Sequence[int]],
    duplicates: Sequence[Sequence[int]],
    names: Sequence[Key],
    keep: Choice,
    source: ImageSource | None,
    decoder: Callable[[Any], Any] | None,
) -> list[int]:
    """Which items can go, as each has a duplicate that stays.

    Takes the items in turn: one that is not decided on yet forms a group with those of its
    duplicates that are not, one of the group stays, and the duplicates of that one go. Equal items,
    those of a kind, have the same duplicates and share their fate.

    Args:
        members: the items of each kind.
        duplicates: of each kind, the other kinds that are near it.
        names: of the items.
        keep: the rule that puts the items into an order, in which the first stays; or a function
            that takes a group's names, in order, and gives the one that stays.
        source: of the files that the rule looks at.
        decoder: decodes a file that Pillow can't open.

    Returns:
        Items in ascending order. No two of the others are duplicates.
    """
    check_keep(keep, source is not None)
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
    for item in _turns(keep, candidates, names, source, decoder or decode):
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


def _turns(
    keep: Choice,
    items: list[int],
    names: Sequence[Key],
    source: ImageSource | None,
    decoder: Callable[[Any], Any],
) -> list[int]:
    if callable(keep) or keep == "first" or source is None:
        return items
    if keep == "largest":
        return sorted(items, key=lambda item: -_pixel_count(source.open(names[item]), decoder))
    sign = -1 if keep == "newest" else 1
    return sorted(items, key=lambda item: sign * _age(source, names[item], gone=sign * math.inf))


def _chosen(keep: Callable[[list[Key]], Key], group: list[int], names: Sequence[Key]) -> int:
    if len(group) == 1:  # its other duplicates are decided on
        return group[0]
    members = [names[item] for item in group]
    chosen = keep(list(members))
    if chosen not in members:
        raise ValueError(f"expected keep to return one of {members!r:.200}, got {chosen!r:.200}")
    return group[members.index(chosen)]


def _pixel_count(item: Any, decoder: Callable[[Any], Any]) -> int:
    """Of a file's image; 0 where it has gone, or is none any more."""
    size = image_size(item)
    if size is None:  # what only imageio opens
        try:
            size = decoder(item).shape[:2]
        except DecodeError:
            return 0
    return size[0] * size[1]


def _age(source: ImageSource, name: str, gone: float) -> float:
    stamp = source.stamp(name)
    return gone if stamp is None else stamp.mtime_ns
