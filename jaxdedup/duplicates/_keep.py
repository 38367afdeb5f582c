"""Which image of a group of duplicates stays.

What goes may be deleted by whoever reads it. So nothing goes for the sake of a file that is not
there any more as it was when it was read, and a file goes with all of its paths or not at all: of
a file and a link to it, either alone would take the picture along.
"""

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

from jaxdedup.encoding import Key
from jaxdedup.loading import DecodeError, ImageSource, Stamp, check_source, decode, image_size
from jaxdedup.runtime import some

Keep = Literal["first", "largest", "newest", "oldest"]
Choice = Keep | Callable[[list[Key]], Key]
Stamps = Mapping[Key, Stamp | None]


class Files(NamedTuple):
    """The files of a source, and what they were before they were read: see :func:`look`."""

    source: ImageSource
    seen: Stamps


logger = logging.getLogger("jaxdedup")


def look(source: ImageSource | None) -> Files | None:
    """The files of a source, if there is one, as they are now: to be asked before they are read."""
    if source is None:
        return None
    check_source(source)
    return Files(source, {name: source.stamp(name) for name in source.names})


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
        raise ValueError(f"keep={keep!r:.100} looks at the files: expected image_dir")


def removable(
    members: Sequence[Sequence[int]],
    duplicates: Sequence[Sequence[int]],
    names: Sequence[Key],
    keep: Choice,
    files: Files | None,
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
        files: of the items, if they have any.
        decoder: decodes a file that Pillow can't open.

    Returns:
        Items in ascending order. No two of the others are duplicates, files that have changed and
        further paths of one file apart.
    """
    check_keep(keep, files is not None)
    if files is not None:
        kinds = zip(members, duplicates, strict=True)
        alike = [item for items, near in kinds if len(items) > 1 or near for item in items]
        changed = _changed(alike, names, *files)
        members = [[item for item in items if item not in changed] for items in members]
    source = None if files is None else files.source
    removed = _without_one_of_each(members, duplicates, names, keep, source, decoder or decode)
    return removed if files is None else _whole_files(removed, names, files.seen)


def removable_against(
    members: Sequence[Sequence[int]],
    near: Sequence[Sequence[int]],
    other_members: Sequence[Sequence[int]],
    names: Sequence[Key],
    others: Sequence[Key],
    files: Files | None,
    other_files: Files | None,
) -> list[int]:
    """Which items can go, as each has a duplicate in a corpus, all of which stays.

    Args:
        members: the items of each kind.
        near: of each kind, the kinds of the corpus that are near it.
        other_members: the items of each of those.
        names: of the items.
        others: of those of the corpus.
        files: of the items, if they have any.
        other_files: of the corpus.

    Returns:
        Items in ascending order, but for files that have changed, and paths of files that stay.
    """
    asked = [m for items, kinds in zip(members, near, strict=True) if kinds for m in items]
    changed = set() if files is None else _changed(asked, names, *files)
    there = {kind for kinds in near for kind in kinds}
    if other_files is not None:
        asked = [item for kind in sorted(there) for item in other_members[kind]]
        gone = _changed(asked, others, *other_files)
        there = {kind for kind in there if not gone.issuperset(other_members[kind])}
    removed = sorted(
        item
        for items, kinds in zip(members, near, strict=True)
        if not there.isdisjoint(kinds)
        for item in items
        if item not in changed
    )
    staying = () if other_files is None else other_files.seen.values()
    return removed if files is None else _whole_files(removed, names, files.seen, staying)


def _without_one_of_each(
    members: Sequence[Sequence[int]],
    duplicates: Sequence[Sequence[int]],
    names: Sequence[Key],
    keep: Choice,
    source: ImageSource | None,
    decoder: Callable[[Any], Any],
) -> list[int]:
    kind = {item: number for number, items in enumerate(members) for item in items}
    decided = [not items for items in members]

    def group_of(item: int) -> list[int]:
        return [kind[item], *(other for other in duplicates[kind[item]] if not decided[other])]

    # In the order of the map, whatever the order of the kinds.
    candidates = [
        item
        for item, number in sorted(kind.items())
        if len(members[number]) > 1 or duplicates[number]
    ]
    removed: list[int] = []
    for item in _turns(keep, candidates, names, source, decoder):
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


def _changed(
    items: Iterable[int], names: Sequence[Key], source: ImageSource, seen: Stamps
) -> set[int]:
    """Those whose files are gone, or not what they were when they were read; the log tells them."""
    changed = set[int]()
    for item in items:
        now = source.stamp(names[item])
        if now is None or now != seen.get(names[item]):
            changed.add(item)
    if changed:
        logger.warning(
            "%d files have changed or gone since they were read, and are left alone: %s",
            len(changed),
            some(names[item] for item in sorted(changed)),
        )
    return changed


def _whole_files(
    removed: list[int], names: Sequence[Key], seen: Stamps, staying: Iterable[Stamp | None] = ()
) -> list[int]:
    """Those whose file goes with all of its paths, none of which is among those that stay."""
    going = set(removed)
    left = (seen.get(name) for item, name in enumerate(names) if item not in going)
    stays = {stamp.file for stamp in (*left, *staying) if stamp is not None and stamp.file}

    def is_path_of_what_stays(item: int) -> bool:
        stamp = seen.get(names[item])
        return stamp is not None and stamp.file in stays

    further = [names[item] for item in removed if is_path_of_what_stays(item)]
    if further:
        logger.warning(
            "%d names are further paths of files that stay, such as links, and stay too: %s",
            len(further),
            some(further),
        )
    return [item for item in removed if not is_path_of_what_stays(item)]


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
