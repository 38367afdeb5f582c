"""The command line: ``jaxdedup encode``, ``find``, ``index``, ``query`` and ``report``.

Results go to standard output or to a file; progress and the summary go to standard error. Nothing
is ever deleted.
"""

import logging
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import NoReturn

from ._commands import FAILED, FOUND, encode, find, index, query, report
from ._completion import completion
from ._output import decoders_silenced, discard_output, prepare_output, tell, ties_told
from ._parser import make_parser, shortened

_NOTHING_WRITTEN = 1
_INTERRUPTED = 130
_NO_HANDLER = logging.NullHandler()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: the words after the program's name; None for those of the process.

    Returns:
        The exit code: 0, or 1 where nothing could be encoded or written, or 130 after Ctrl-C.
        With --check 1 says that duplicates were found, and 2 that something failed. Wrong usage
        exits with 2, and so does an image that could not be loaded, with --strict.
    """
    commands = (encode, find, index, query, report, completion)
    parser = make_parser({command.__name__: command for command in commands})
    options = parser.parse_args(arguments)
    refuse: Callable[[str], NoReturn] = options.command.error
    prepare_output()
    _silence_decoders()
    try:
        try:
            work = options.prepare(options)
        except (TypeError, ValueError, OSError) as error:  # what the user has got wrong
            refuse(str(error))
        with decoders_silenced(), nullcontext() if options.quiet else ties_told():
            code = int(work())
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except ValueError as error:  # what only the encodings tell: that there are too many pairs
        refuse(str(error))
    except KeyboardInterrupt:
        tell("interrupted")
        return _INTERRUPTED
    except BrokenPipeError:  # whoever reads the output, `head` say, has seen enough
        discard_output()
        return FOUND if options.check else 0
    except OSError as error:  # a full disk, or a file that went away
        discard_output()
        tell(shortened(f"jaxdedup: {error}"))
        return FAILED if options.check else _NOTHING_WRITTEN
    except Exception:  # whose code, Python's 1, would say that duplicates were found
        if not options.check:
            raise
        tell(traceback.format_exc())
        return FAILED


def _silence_decoders() -> None:
    """Their own words about damaged files, which would tear the progress: our reasons say it."""
    warnings.filterwarnings("ignore", module=r"(PIL|imageio)\b")
    for name in ("PIL", "imageio"):
        logging.getLogger(name).addHandler(_NO_HANDLER)
