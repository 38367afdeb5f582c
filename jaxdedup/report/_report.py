"""The page as a file, and as an object for notebooks."""

import os
from collections.abc import Collection, Generator, Sequence
from contextlib import closing
from html import escape
from typing import BinaryIO, NamedTuple
from urllib.parse import quote

from jaxdedup.duplicates import Matches
from jaxdedup.loading import ImageSource, known_formats
from jaxdedup.runtime import Path, counted, positive, some, watched, write_whole

from ._members import (
    DuplicateMap,
    Member,
    duplicate_groups,
    groups_of_matches,
    named_apart,
)
from ._page import page
from ._sides import Sides
from ._thumbnails import Thumbnail, make_thumbnails

# A browser shows these as pictures. A file with another suffix may be a page with a script in it.
_LINKED = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff")


class _Size(NamedTuple):
    """A size of thumbnails, and the bytes one takes in the page, measured on natural images."""

    side: int
    quality: int
    bytes: int


_SIZES = (
    _Size(480, 75, 40_000),
    _Size(320, 75, 21_000),
    _Size(240, 75, 13_000),
    _Size(160, 70, 6_200),
    _Size(112, 60, 2_900),
    _Size(96, 60, 2_200),
    _Size(80, 60, 1_700),
)
_FEWEST_IMAGES = 2


class _Bounds(NamedTuple):
    max_groups: int
    images_per_group: int
    max_bytes: int


class _Plan(NamedTuple):
    size: _Size
    images_per_group: int


def save_report(
    path: Path,
    duplicate_map: DuplicateMap | Matches,
    image_dir: Path | ImageSource,
    *,
    title: str | None = None,
    max_groups: int = 10_000,
    images_per_group: int = 24,
    max_bytes: int = 64_000_000,
    formats: Collection[str] = (),
    exif_orientation: bool = False,
    num_workers: int | None = None,
    progress: str | None = None,
    against: Path | ImageSource | None = None,
) -> None:
    """Writes one self-contained HTML page that shows each group of duplicates.

    For what it shows see :mod:`jaxdedup.report`. It is written whole or not at all.

    Args:
        path: the file to write.
        duplicate_map: what ``find_duplicates`` returned, with or without scores; or what
            :func:`jaxdedup.duplicates.find_matches` did, of which copies need no pairs.
        image_dir: the folder, or the zip file, of the images that the map names; or any source.
        title: of the page; None for "Duplicates in" and the name of the folder.
        max_groups: the groups to show, the largest.
        images_per_group: the thumbnails to show of a group.
        max_bytes: the room for all thumbnails together; each image takes some 400 bytes beside it.
        formats: suffixes (``"mp4"``, ``"cr2"``) of files which imageio may open.
        exif_orientation: whether turned copies were found with this setting. All are shown upright
            in any case.
        num_workers: the number of threads that make thumbnails; None for one a core.
        progress: what the progress bar is called; None for none.
        against: the folder, or any source, of the corpus in which ``image_dir`` was searched for;
            nothing goes from there. None for no corpus, or one whose images ``image_dir`` has too.

    Raises:
        TypeError: not a map of duplicates.
        ValueError: scores that are not finite or of several kinds, a folder that does not exist,
            an unknown format, a number that is not positive, or a search of a corpus whose source
            is not told.
        OSError: the file can't be written.

    Example:
        >>> import pathlib, tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ["a.png", "b.png"]:
        ...         Image.new("RGB", (64, 48), "teal").save(pathlib.Path(folder, name))
        ...     page = pathlib.Path(folder, "duplicates.html")
        ...     save_report(page, {"a.png": [("b.png", 0)], "b.png": [("a.png", 0)]}, folder)
        ...     "distance 0" in page.read_text("utf-8")
        True
    """
    bounds = _Bounds(max_groups, images_per_group, max_bytes)
    sides = Sides(image_dir, against)
    report = _Report(
        duplicate_map, sides, title, bounds, formats, exif_orientation, num_workers, progress
    )
    directory = os.path.dirname(os.path.abspath(path))

    def write(file: BinaryIO) -> None:
        with closing(report.pieces(directory)) as pieces:
            file.writelines(piece.encode() for piece in pieces)

    write_whole(path, write)


class Gallery:
    """A report inside a notebook: the last value of a cell is shown.

    Attributes:
        html: the page.
    """

    def __init__(self, html: str, summary: str) -> None:
        self.html = html
        self._summary = summary

    def __repr__(self) -> str:
        return f"<Gallery: {self._summary}>"

    def _repr_html_(self) -> str:
        # A frame of its own: neither the notebook's styles nor its scripts meet those of the page.
        return (
            f'<iframe srcdoc="{escape(self.html)}" sandbox="allow-scripts allow-downloads" '
            'title="Duplicates" style="width: 100%; height: 40rem; border: 0"></iframe>'
        )


def show_duplicates(
    duplicate_map: DuplicateMap | Matches,
    image_dir: Path | ImageSource,
    *,
    title: str | None = None,
    max_groups: int = 100,
    images_per_group: int = 12,
    max_bytes: int = 4_000_000,
    formats: Collection[str] = (),
    exif_orientation: bool = False,
    num_workers: int | None = None,
    against: Path | ImageSource | None = None,
) -> Gallery:
    """Shows each group of duplicates in a notebook, as :func:`save_report` does in a page.

    Args:
        duplicate_map: what ``find_duplicates`` returned, with or without scores.
        image_dir: the folder, or the zip file, of the images that the map names; or any source.
        title: above the groups; None for "Duplicates in" and the name of the folder.
        max_groups: the groups to show, the largest.
        images_per_group: the thumbnails to show of a group.
        max_bytes: the room for all thumbnails together; it is the notebook that grows by them.
        formats: suffixes of files which imageio may open.
        exif_orientation: whether turned copies were found with this setting.
        num_workers: the number of threads that make thumbnails; None for one a core.
        against: of the corpus in which ``image_dir`` was searched for.

    Returns:
        An object that notebooks show.

    Raises:
        TypeError, ValueError: as :func:`save_report`.

    Example:
        >>> show_duplicates({"a.png": [], "b.png": []}, ".")
        <Gallery: no duplicates among 2 images>
    """
    bounds = _Bounds(max_groups, images_per_group, max_bytes)
    sides = Sides(image_dir, against)
    report = _Report(duplicate_map, sides, title, bounds, formats, exif_orientation, num_workers)
    return Gallery("".join(report.pieces(None)), report.summary)


class _Report:
    """What goes into a page, before any image is read."""

    def __init__(
        self,
        duplicate_map: DuplicateMap | Matches,
        sides: Sides,
        title: str | None,
        bounds: _Bounds,
        formats: Collection[str],
        exif_orientation: bool,
        num_workers: int | None,
        progress: str | None = None,
    ) -> None:
        for name, value in bounds._asdict().items():
            positive(name, value)
        self.sides = sides
        groups, count, low = _found(duplicate_map, sides)
        self.groups = groups[: bounds.max_groups]
        self.summary = _summary(groups, len(self.groups), count)
        if low:
            self.summary += f"; {counted(len(low), 'image')} of low quality left out: {some(low)}"
        # Of which side they are is not told.
        self.low = [] if sides.are_two else [Member(name) for name in low]
        self.title = title or f"Duplicates {sides.name}"
        self.max_bytes = bounds.max_bytes
        sizes = [len(group) for group in [*self.groups, self.low]]
        self.plan = _plan(sizes, bounds.images_per_group, bounds.max_bytes)
        self.formats = known_formats(formats)
        self.exif_orientation = exif_orientation
        self.num_workers = num_workers
        self.progress = progress

    def pieces(self, directory: str | None) -> Generator[str]:
        """The page, which is to lie in ``directory``; None for no links to the images."""
        with closing(self._thumbnails()) as thumbnails:
            yield from page(
                self.groups,
                self.low,
                thumbnails,
                title=self.title,
                note=self.summary,
                side=self.plan.size.side,
                images_per_group=self.plan.images_per_group,
                link=lambda path: None if directory is None else _address(path, directory),
            )

    def _thumbnails(self) -> Generator[Thumbnail]:
        shown = [group[: self.plan.images_per_group] for group in [*self.groups, self.low]]
        members = [member for group in shown for member in group]
        made = make_thumbnails(
            self.sides,
            [member.name for member in members],
            self.plan.size.side,
            quality=self.plan.size.quality,
            formats=self.formats,
            exif_orientation=self.exif_orientation,
            num_workers=self.num_workers,
            turned={
                member.name: (member.turn, group[0].name)
                for group in shown
                for member in group
                if member.turn != "none"
            },
        )
        left = self.max_bytes
        with closing(watched(made, self.progress, len(members))) as thumbnails:
            for thumbnail in thumbnails:
                left -= len(thumbnail.jpeg) * 4 // 3  # in base64
                full = bool(thumbnail.jpeg) and left < 0
                yield thumbnail._replace(jpeg=b"") if full else thumbnail


def _found(
    found: DuplicateMap | Matches, sides: Sides
) -> tuple[list[list[Member]], int, Sequence[str]]:
    """The groups, how many images were searched for, and what was left out."""
    if not isinstance(found, Matches):
        named = named_apart(found, sides.new, sides.old) if sides.are_two else (found,)
        return duplicate_groups(*named), len(found), ()
    count, low = len(found.names), found.low_quality
    if found.is_self_join:
        if sides.are_two:
            raise ValueError("expected no against=, got it for matches without a corpus")
        return groups_of_matches(found), count, low
    if not sides.are_two and not set(found.names).isdisjoint(found.others):
        raise ValueError(
            "expected the source of the corpus as against=, got matches of two sides that have "
            "names in common"
        )
    named = named_apart(found.to_dict(scores=True), sides.new, sides.old)
    return duplicate_groups(*named), count, low


def _plan(group_sizes: Sequence[int], images_per_group: int, max_bytes: int) -> _Plan:
    """The largest thumbnails of which there is room for; then the most of the smallest."""

    def shown(limit: int) -> int:
        return sum(min(size, limit) for size in group_sizes)

    for size in _SIZES:
        if shown(images_per_group) * size.bytes <= max_bytes:
            return _Plan(size, images_per_group)
    limit = images_per_group
    while limit > _FEWEST_IMAGES and shown(limit) * size.bytes > max_bytes:
        limit -= 1
    return _Plan(size, limit)


def _summary(groups: Sequence[Sequence[Member]], shown: int, images: int) -> str:
    if not groups:
        return f"no duplicates among {counted(images, 'image')}"
    text = f"{counted(len(groups), 'group')}, {counted(sum(map(len, groups)), 'image')}"
    return text if shown == len(groups) else f"{text}; the {shown:,} largest groups are shown"


def _address(path: str, directory: str) -> str | None:
    """The escaped path of an image as seen from a directory; None where there is none to follow."""
    if not path.lower().endswith(_LINKED):
        return None
    try:
        relative = os.path.relpath(path, directory)
    except ValueError:  # another drive of Windows
        return None
    return "./" + quote(os.fsencode(relative.replace(os.sep, "/")))
