"""The page as HTML.

The first groups are plain HTML, which is all there is of most pages: it can be read, searched and
printed without the page's script. The others, which would take a browser many seconds to lay out,
stand in the page as text (JSON) and become HTML when they come into view.

File names are text from strangers. They are escaped, characters that would hide or reorder parts of
a name are spelled out, and a content security policy lets nothing run but the page's own script and
nothing load at all.
"""

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from html import escape
from importlib import resources
from itertools import islice
from string import Template
from typing import NamedTuple

from jaxdedup import __version__

from ._members import Member
from ._thumbnails import Thumbnail

_SCRIPTS = ("page.js", "marks.js", "viewer.js")
_PLAIN_GROUPS = 100
_MOST_NAMED = 10_000  # of a group's images without a thumbnail
_KINDS = {
    "copies": "images",
    "blank": "images of one colour",
    "low": "images of low quality, compared with none",
}
_TURNED = {
    "flip_top_bottom": "shown mirrored top to bottom",
    "flip_left_right": "shown mirrored left to right",
    "rotate_180": "shown turned by 180°",
    "transpose": "shown mirrored along a diagonal",
    "rotate_90": "shown turned by 90° counter-clockwise",
    "rotate_270": "shown turned by 90° clockwise",
    "transverse": "shown mirrored along the other diagonal",
}
_LARGE_SIDE = 240  # thumbnails of this side or more get larger tiles
# Controls, line separators, bidirectional overrides, and bytes that are not UTF-8.
_UNREADABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class _Files:
    """Which file each image is in, by number, and how many images of the page are in it."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, int], int] = {}
        self._counts: Counter[int] = Counter()

    def number(self, thumbnail: Thumbnail) -> int | None:
        """The number of the file of one more image; None where it is not known."""
        if thumbnail.file is None:
            return None
        number = self._numbers.setdefault(thumbnail.file, len(self._numbers))
        self._counts[number] += 1
        return number

    def shared(self) -> dict[int, int]:
        """By number, how many images are in each file that has several."""
        return {number: count for number, count in self._counts.items() if count > 1}


class _Section(NamedTuple):
    """A group as the page has it.

    Attributes:
        kind: ``"copies"``; or ``"blank"`` or ``"low"``, which are set apart.
        names: the readable names of its images.
        html: what is in it.
    """

    kind: str
    names: str
    html: str


def page(
    groups: Sequence[Sequence[Member]],
    low: Sequence[Member],
    thumbnails: Iterator[Thumbnail],
    *,
    title: str,
    note: str,
    side: int,
    images_per_group: int,
    link: Callable[[str], str | None],
) -> Iterator[str]:
    """The page, piece by piece.

    Args:
        groups: the groups in order.
        low: the images whose quality is too low to compare them.
        thumbnails: of the first ``images_per_group`` members of each group, and of ``low``.
        title: what the page is called.
        note: a line about what the page holds.
        side: the longest side of the thumbnails.
        images_per_group: the members shown; the others are named.
        link: from the path of a file to its escaped address, or None for no link.
    """
    values = _values(title, note, side)
    files = _Files()
    head, between, middle, foot = map(Template, re.split("<!-- .* -->\n", _resource("page.html")))
    sections = _sections(groups, low, thumbnails, files, images_per_group, link)
    plain = list(islice(sections, _PLAIN_GROUPS))
    apart = [section for section in plain if section.kind != "copies"]
    yield head.substitute(values)
    if not groups:
        yield '<p class="none">No duplicates.</p>\n'
    yield from map(_plain, plain[: len(plain) - len(apart)])
    yield between.substitute(values, apart="" if apart else " hidden")
    yield from map(_plain, apart)
    yield middle.substitute(values)
    for place, section in enumerate(sections):
        yield ("," if place else "") + _json_in_html(section) + "\n"
    yield foot.substitute(values, shared=_json_in_html(files.shared()))


def _values(title: str, note: str, side: int) -> dict[str, str]:
    """What stands in the template beside the groups."""
    style, script = _resource("page.css"), "\n".join(map(_resource, _SCRIPTS))
    return {
        "style": style,
        "script": script,
        "style_hash": _sha256(style),
        "script_hash": _sha256(script),
        "version": __version__,
        "title": escape(readable(title)),
        "note": escape(readable(note)),
        "size": "large" if side >= _LARGE_SIDE else "small",
    }


def _plain(section: _Section) -> str:
    return f'<section class="group" data-kind="{section.kind}">{section.html}</section>\n'


def _sections(
    groups: Sequence[Sequence[Member]],
    low: Sequence[Member],
    thumbnails: Iterator[Thumbnail],
    files: _Files,
    images_per_group: int,
    link: Callable[[str], str | None],
) -> Iterator[_Section]:
    """The groups, and after them those that are set apart."""

    def section(group: Sequence[Member], kind: str) -> _Section:
        members = group[:images_per_group]
        shown = list(zip(members, islice(thumbnails, len(members)), strict=True))
        seen = [thumbnail.is_blank for _, thumbnail in shown if thumbnail.failure is None]
        kind = "blank" if kind == "copies" and seen and all(seen) else kind
        heading = f'<h2 tabindex="-1">{len(group):,} {_KINDS[kind]}{_range(group)}</h2>\n'
        # Scores are about the first member; without scores there is nothing to refer to.
        reference = group[0] if any(member.score is not None for member in group[1:2]) else None
        html = heading + _images(shown, reference, files, link) + _others(group[images_per_group:])
        return _Section(kind, "\n".join(readable(member.name) for member in group), html)

    apart = []
    for group in groups:
        found = section(group, "copies")
        if found.kind == "copies":
            yield found
        else:
            apart.append(found)
    yield from apart
    if low:
        yield section(low, "low")


def _images(
    shown: Sequence[tuple[Member, Thumbnail]],
    reference: Member | None,
    files: _Files,
    link: Callable[[str], str | None],
) -> str:
    figures = ""
    names: dict[object, str] = {}  # by file: a link to one, say, is no copy of it
    for member, thumbnail in shown:
        file = files.number(thumbnail)
        same = member.name if file is None else names.setdefault(file, member.name)
        caption = _score(member, member is reference)
        caption += _name(member.name, thumbnail, link) + _details(member, thumbnail)
        if same != member.name:
            caption += f'<span class="detail">the same file as {escape(readable(same))}</span>'
        figures += (
            f"<li{_attributes(member, file)}><figure>{_picture(member.name, thumbnail)}"
            f"<figcaption>{caption}</figcaption></figure></li>\n"
        )
    return f'<ul class="images">\n{figures}</ul>\n'


def _attributes(member: Member, file: int | None) -> str:
    """What the script has to know beside what is to be seen."""
    text = "" if file is None else f' data-file="{file}"'
    if member.stays:
        text += " data-stays"
    if readable(member.name) != member.name:
        text += f' data-name="{escape(json.dumps(member.name))}"'
    return text


def _json_in_html(value: object) -> str:
    """JSON that ends no script element, whatever it holds."""
    return json.dumps(value).replace("<", "\\u003c")


def readable(name: str) -> str:
    """A file name as text that can be shown, and written as UTF-8."""
    return _UNREADABLE.sub(_spell_out, name)


def _spell_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds a byte of a file name that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _name(name: str, thumbnail: Thumbnail, link: Callable[[str], str | None]) -> str:
    folder, slash, base = name.rpartition("/")
    text = f"<bdi>{escape(readable(base))}</bdi>"
    if folder:
        text = f'<bdi class="folder">{escape(readable(folder + slash))}</bdi>{text}'
    address = None if thumbnail.path is None else link(thumbnail.path)
    if address is None:
        return f'<span class="name">{text}</span>'
    return f'<a class="name" href="{address}" target="_blank" rel="noreferrer">{text}</a>'


def _picture(name: str, thumbnail: Thumbnail) -> str:
    if thumbnail.failure is not None:
        reason = escape(readable(thumbnail.failure))
        return f'<div class="thumb missing">can’t be loaded: {reason}</div>'
    if not thumbnail.jpeg:
        return '<div class="thumb missing">not shown: the page is full</div>'
    data = base64.b64encode(thumbnail.jpeg).decode()
    return (
        f'<button class="thumb"><img alt="{escape(readable(name))}" loading="lazy" '
        f'width="{thumbnail.width}" height="{thumbnail.height}" '
        f'src="data:image/jpeg;base64,{data}"></button>'
    )


def _details(member: Member, thumbnail: Thumbnail) -> str:
    if thumbnail.failure is not None:
        return ""
    size = f"{thumbnail.full_width} × {thumbnail.full_height} · {_file_size(thumbnail.file_bytes)}"
    lines = [size, _TURNED.get(member.turn), "of the corpus" if member.stays else None]
    return "".join(f'<span class="detail">{line}</span>' for line in lines if line)


def _score(member: Member, is_reference: bool) -> str:
    if member.score is None:
        return '<span class="score first">reference</span>' if is_reference else ""
    kind = "distance" if isinstance(member.score, int) else "similarity"
    to = f" to {escape(readable(member.near))}" if member.near is not None else ""
    return f'<span class="score">{kind} {_number(member.score)}{to}</span>'


def _range(group: Sequence[Member]) -> str:
    scores = sorted({member.score for member in group if member.score is not None})
    if not scores:
        return ""
    kind = "distance" if isinstance(scores[0], int) else "similarity"
    ends = list(dict.fromkeys(_number(score) for score in (scores[0], scores[-1])))
    return f' <span class="range">{kind} {" to ".join(ends)}</span>'


def _number(score: int | float) -> str:
    return str(score) if isinstance(score, int) else f"{score:.3f}"


def _others(members: Sequence[Member]) -> str:
    if not members:
        return ""
    names = "\n".join(
        f'<li class="name"><bdi>{escape(readable(member.name))}</bdi></li>'
        for member in members[:_MOST_NAMED]
    )
    if len(members) > _MOST_NAMED:
        names += f"\n<li>and {len(members) - _MOST_NAMED:,} more, not named here</li>"
    return (
        f"<details><summary>and {len(members):,} more</summary>\n<ul>\n{names}\n</ul></details>\n"
    )


def _file_size(size: int) -> str:
    power = min((len(str(size)) - 1) // 3, 3)
    amount = size / 1000**power
    digits = 1 if power and amount < 9.95 else 0
    return f"{amount:.{digits}f} {('B', 'kB', 'MB', 'GB')[power]}"


def _resource(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _sha256(text: str) -> str:
    """As a content security policy names the one script, or style, that it allows."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
