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
from collections.abc import Callable, Iterator, Sequence
from html import escape
from importlib.resources import files
from string import Template

from jaxdedup import __version__

from ._members import Member
from ._thumbnails import Thumbnail

_PLAIN_GROUPS = 100
_MOST_NAMED = 10_000  # of a group's images without a thumbnail
_LARGE_SIDE = 240  # thumbnails of this side or more get larger tiles
# Controls, line separators, bidirectional overrides, and bytes that are not UTF-8.
_UNREADABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def page(
    groups: Sequence[Sequence[Member]],
    thumbnails: Iterator[Thumbnail | None],
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
        thumbnails: of the first ``images_per_group`` members of each group, in order; None for
            one that the page has no room for.
        title: what the page is called.
        note: a line about what the page holds.
        side: the longest side of the thumbnails.
        images_per_group: the members shown; the others are named.
        link: the escaped address of a file, or None for no link.
    """
    style, script = _resource("page.css"), _resource("page.js")
    values = {
        "style": style,
        "script": script,
        "style_hash": _sha256(style),
        "script_hash": _sha256(script),
        "version": __version__,
        "title": escape(readable(title)),
        "note": escape(readable(note)),
        "size": "large" if side >= _LARGE_SIDE else "small",
    }
    parts = re.split("<!-- .* -->\n", _resource("page.html"))
    head, middle, foot = (Template(part).substitute(values) for part in parts)
    yield head
    for group in groups[:_PLAIN_GROUPS]:
        inner = _group(group, thumbnails, images_per_group, link)
        yield f'<section class="group">{inner}</section>\n'
    if not groups:
        yield '<p class="none">No duplicates.</p>\n'
    yield middle
    for place, group in enumerate(groups[_PLAIN_GROUPS:]):
        inner = _group(group, thumbnails, images_per_group, link)
        names = "\n".join(readable(member.name) for member in group)
        yield ("," if place else "") + _json_in_html([names, inner]) + "\n"
    yield foot


def _group(
    group: Sequence[Member],
    thumbnails: Iterator[Thumbnail | None],
    images_per_group: int,
    link: Callable[[str], str | None],
) -> str:
    # Scores are about the first member; without scores there is nothing to refer to.
    reference = group[0] if group[1].score is not None else None
    figures = ""
    names: dict[object, str] = {}  # by file: a link to one, say, is no copy of it
    for member in group[:images_per_group]:
        thumbnail = next(thumbnails)
        file = None if thumbnail is None else thumbnail.file
        same = None if file is None else names.setdefault(file, member.name)
        one = same if same != member.name else None
        figures += _figure(member, member is reference, thumbnail, link(member.name), one)
    return (
        f'<h2 tabindex="-1">{len(group):,} images{_range(group)}</h2>\n'
        f'<ul class="images">\n{figures}</ul>\n{_others(group[images_per_group:])}'
    )


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


def _figure(
    member: Member,
    is_reference: bool,
    thumbnail: Thumbnail | None,
    address: str | None,
    same_file: str | None,
) -> str:
    folder, slash, base = member.name.rpartition("/")
    name = f"<bdi>{escape(readable(base))}</bdi>"
    if folder:
        name = f'<bdi class="folder">{escape(readable(folder + slash))}</bdi>{name}'
    loads = thumbnail is None or thumbnail.jpeg is not None
    if loads and address is not None:
        caption = f'<a class="name" href="{address}" target="_blank" rel="noreferrer">{name}</a>'
    else:
        caption = f'<span class="name">{name}</span>'
    caption = f"{_score(member, is_reference)}{caption}{_detail(thumbnail)}"
    if same_file is not None:
        caption += f'<span class="detail">the same file as {escape(readable(same_file))}</span>'
    return (
        f"<li><figure>{_picture(member.name, thumbnail)}"
        f"<figcaption>{caption}</figcaption></figure></li>\n"
    )


def _picture(name: str, thumbnail: Thumbnail | None) -> str:
    if thumbnail is None:
        return '<div class="thumb missing">not shown: the page is full</div>'
    if thumbnail.jpeg is None:
        reason = escape(readable(thumbnail.failure or ""))
        return f'<div class="thumb missing">can’t be loaded: {reason}</div>'
    data = base64.b64encode(thumbnail.jpeg).decode()
    return (
        f'<button class="thumb"><img alt="{escape(readable(name))}" loading="lazy" '
        f'width="{thumbnail.width}" height="{thumbnail.height}" '
        f'src="data:image/jpeg;base64,{data}"></button>'
    )


def _detail(thumbnail: Thumbnail | None) -> str:
    if thumbnail is None or thumbnail.jpeg is None:
        return ""
    size = f"{thumbnail.full_width} × {thumbnail.full_height}"
    return f'<span class="detail">{size} · {_file_size(thumbnail.file_bytes)}</span>'


def _score(member: Member, is_reference: bool) -> str:
    if member.score is None:
        return '<span class="score first">reference</span>' if is_reference else ""
    kind = "distance" if isinstance(member.score, int) else "similarity"
    to = f" to {escape(readable(member.near))}" if member.near is not None else ""
    turned = f", {member.turn.replace('_', ' ')}" if member.turn != "none" else ""
    return f'<span class="score">{kind} {_number(member.score)}{to}{turned}</span>'


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
    return files(__package__).joinpath(name).read_text("utf-8")


def _sha256(text: str) -> str:
    """As a content security policy names the one script, or style, that it allows."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
