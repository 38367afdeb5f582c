"""File names, which are text from strangers, on lines and terminals."""

import codecs
import os
import re
from collections.abc import Iterable
from typing import Any

# Controls, line separators, and what reorders or hides the text around it.
_SPECIAL = re.compile("[\\\\\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_SHOWN, _LONGEST = 10, 40  # names in a message, and characters of one
_SHORT = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escaped(name: str) -> str:
    r"""A file name that stays on its line and commands no terminal, as ``ls -b`` has it.

    A backslash becomes two, a line's end ``\n``, other controls the octal digits of their bytes.

    Example:
        >>> print(escaped("two\nlines"), escaped("a\\b"), escaped("\x1b[2J"))
        two\nlines a\\b \033[2J
    """
    return _SPECIAL.sub(lambda match: _SHORT.get(match[0]) or octal(match[0]), name)


def some(names: Iterable[Any]) -> str:
    """The first ten names, and how many more there are, in no more than some 400 characters.

    Example:
        >>> some(["a.png", "b.png"])
        'a.png, b.png'
        >>> some(range(1000))
        '0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 990 more'
    """
    told = [_shortened(escaped(str(name))) for name in names]
    more = f" and {len(told) - _SHOWN:,} more" if len(told) > _SHOWN else ""
    return ", ".join(told[:_SHOWN]) + more


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST else f"…{name[1 - _LONGEST :]}"


def counted(number: int, noun: str) -> str:
    """A number of things.

    Example:
        >>> counted(1, "image"), counted(1000, "image")
        ('1 image', '1,000 images')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def octal(text: str) -> str:
    r"""The bytes of a text in octal digits.

    Example:
        >>> print(octal("é"))
        \303\251
    """
    return "".join(f"\\{byte:03o}" for byte in os.fsencode(text))


def _spell_out(error: UnicodeError) -> tuple[str | bytes, int]:
    """What an output's character set lacks, in octal; bytes that are no text, as they are."""
    if not isinstance(error, UnicodeEncodeError):  # of what is read and not written
        return codecs.lookup_error("surrogateescape")(error)
    text = error.object[error.start : error.end]
    raw = all("\udc80" <= character <= "\udcff" for character in text)
    return (os.fsencode(text) if raw else octal(text)), error.end


ESCAPING = "jaxdedup.octal"  # a way to treat errors, for ``TextIOWrapper.reconfigure``
codecs.register_error(ESCAPING, _spell_out)
