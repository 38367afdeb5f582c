"""What makes a shell complete the command line."""

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any

from ._output import give

_FILES = {"FILE", "IMAGES", "NEW", "CORPUS", "OLD"}  # what the usage calls them


def completion(options: Namespace) -> Callable[[], int]:
    """``jaxdedup completion``."""
    try:
        import shtab
    except ImportError:
        raise ValueError("completion needs shtab: pip install 'jaxdedup[completion]'") from None

    def work() -> int:
        _complete_files(options.parser, shtab.FILE)
        give(shtab.complete(options.parser, options.shell))
        return 0

    return work


def _complete_files(parser: ArgumentParser, files: Any) -> None:
    for action in parser._actions:
        if isinstance(action.choices, dict):  # the commands
            for command in action.choices.values():
                _complete_files(command, files)
        elif _FILES.intersection(re.split(r"\W", str(action.metavar))):
            action.complete = files  # type: ignore[attr-defined]
