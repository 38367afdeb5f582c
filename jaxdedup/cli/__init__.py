"""The command line: ``jaxdedup encode``, ``find``, ``query`` and ``report``.

Results go to standard output or to a file; progress and the summary go to standard error. Nothing
is ever deleted.
"""

import os
import sys
from collections.abc import Sequence

from ._commands import encode, find, query, report
from ._parser import make_parser

_NOTHING_WRITTEN = 1
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: the words after the program's name; None for those of the process.

    Returns:
        The exit code: 0, or 1 where nothing could be encoded or written, or 130 after Ctrl-C.
        Wrong usage exits with 2.
    """
    parser = make_parser({"encode": encode, "find": find, "query": query, "report": report})
    options = parser.parse_args(arguments)
    sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]  # any file name
    try:
        work = options.prepare(options)
    except (TypeError, ValueError, OSError) as error:  # what the user has got wrong
        parser.error(str(error))
    try:
        code = int(work())
        sys.stdout.flush()
        return code
    except ValueError as error:  # what only the encodings tell: that there are too many pairs
        parser.error(str(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:  # whoever reads the output, `head` say, has seen enough
        _discard_output()
        return 0
    except OSError as error:  # a full disk, or a file that went away
        _discard_output()
        print(f"jaxdedup: {error}", file=sys.stderr)
        return _NOTHING_WRITTEN


def _discard_output() -> None:
    """Lest the interpreter try to flush it once more, at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
