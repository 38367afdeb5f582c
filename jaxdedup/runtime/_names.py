"""File names, which are text from strangers, on lines and terminals."""

import codecs
import os
import re

# Controls, line separators, and what reorders or hides the text around it.
_SPECIAL = re.compile("[\\\\\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_SHORT = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escaped(name: str) -> str:
    r"""A file name that stays on its line and commands no terminal, as ``ls -b`` has it.

    A backslash becomes two, a line's end ``\n``, other controls the octal digits of their bytes.

    Example:
        >>> print(escaped("two\nlines"), escaped("a\\b"), escaped("\x1b[2J"))
        two\nlines a\\b \033[2J
    """
    return _SPECIAL.sub(lambda match: _SHORT.get(match[0]) or octal(match[0]), name)


def octal(text: str) -> str:
    r"""The bytes of a text in octal digits.

    Example:
        >>> print(octal("é"))
        \303\251
    """
    return "".join(f"\\{byte:03o}" for byte in os.fsencode(text))


def _spell_out(error: UnicodeError) -> tuple[str | bytes, int]:
    """What an output's character set lacks, in octal; bytes that are no text, as they are."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    raw = all("\udc80" <= character <= "\udcff" for character in text)
    return (os.fsencode(text) if raw else octal(text)), error.end


ESCAPING = "jaxdedup.octal"  # a way to treat errors, for ``TextIOWrapper.reconfigure``
codecs.register_error(ESCAPING, _spell_out)
