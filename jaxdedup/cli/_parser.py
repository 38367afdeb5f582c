"""The words that the command line understands."""

import argparse
import textwrap
from collections.abc import Callable
from typing import NamedTuple, NoReturn, get_args

from jaxdedup import __version__
from jaxdedup.duplicates import Keep

from ._options import (
    add_against_argument,
    add_encoding_arguments,
    add_json_argument,
    add_lines_arguments,
    add_or_argument,
    add_output_arguments,
    add_run_arguments,
    add_threshold_arguments,
    positive_integer,
)

Prepare = Callable[[argparse.Namespace], Callable[[], int]]

_LONGEST_MESSAGE = 500
_WIDTH = 80
_IMAGES = "a folder, a zip, tar or Parquet file, or the URL of one"
_TOPICS = """\
jaxdedup COMMAND --help shows the options of a command, and examples. First steps:

  jaxdedup find photos/                      the groups of duplicates in a folder
  jaxdedup report photos/ --output p.html    look at them in a browser
  jaxdedup find photos/ --to-remove          the names that can go: nothing is ever deleted
  jaxdedup find new/ --against photos/       which new images are there already
  jaxdedup encode photos/ --output h.npz     fingerprints, to keep and to search
"""


class _Parser(argparse.ArgumentParser):
    """One whose messages are short, whatever they repeat."""

    def error(self, message: str) -> NoReturn:
        super().error(shortened(message))


def shortened(message: str) -> str:
    """A message of at most 500 characters."""
    return message if len(message) <= _LONGEST_MESSAGE else f"{message[: _LONGEST_MESSAGE - 1]}…"


def make_parser(prepare: dict[str, Prepare]) -> argparse.ArgumentParser:
    """The parser.

    Args:
        prepare: of each command, what finds out whether all is right and gives the work. The
            options have it as ``prepare``, and the command's own parser as ``command``.
    """
    parser = _Parser(
        prog="jaxdedup",
        description="Image fingerprints, and the duplicates that they find.",
        epilog=_TOPICS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"jaxdedup {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, what in _COMMANDS.items():
        told = " ".join((what.add.__doc__ or "").split())
        command = commands.add_parser(
            name,
            help=what.help,
            usage=f"jaxdedup {name} {what.usage}",
            description=f"{textwrap.fill(told, _WIDTH)}\n\nexamples:\n{what.examples}",
            epilog=f"exit codes: {what.codes}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        # Not every command has options for how it ends.
        common = {"parser": parser, "command": command, "check": False, "strict": False}
        command.set_defaults(prepare=prepare[name], **common)
        what.add(command)
    return parser


def _add_encode(command: argparse.ArgumentParser) -> None:
    """Encode the images of folders. Without --output, prints a line for each image: the hash, two
    spaces, the file name, with controls and backslashes escaped as by ls -b. Of several folders,
    names begin with the folder's."""
    command.add_argument("directories", metavar="IMAGES", nargs="+", help=f"{_IMAGES}, or several")
    results = command.add_argument_group("results")
    results.add_argument(
        "--output",
        metavar="FILE",
        help="write to FILE, whole or not at all: .json, .csv, .npz or .parquet",
    )
    results.add_argument(
        "--float16",
        action="store_true",
        help="with --output, features in half the room; similarities change by less than 0.001",
    )
    results.add_argument(
        "--quality",
        action="store_true",
        help="with --output or --json, tell how much there is to see in each image, 0 to 100, as "
        "for pdq",
    )
    add_lines_arguments(results, "name, hash or features, quality")
    add_run_arguments(command)
    add_encoding_arguments(command)


def _add_find(command: argparse.ArgumentParser) -> None:
    """Find the duplicates among the images of folders, or among the encodings of a file. Without
    --output, prints the groups, the largest first, an empty line between them; before each name,
    how far its nearest duplicate is. Of several folders, names begin with the folder's. With
    --output FILE.csv, writes a line for each pair as it is found, however many there are. Never
    deletes anything."""
    command.add_argument(
        "targets",
        metavar="IMAGES|ENCODINGS",
        nargs="+",
        help=f"{_IMAGES}, or several; or what encode or index wrote",
    )
    search = add_threshold_arguments(command)
    add_against_argument(search, f"{_IMAGES}; or what encode or index wrote")
    add_or_argument(search)
    results = command.add_argument_group("results")
    results.add_argument(
        "--to-remove",
        action="store_true",
        help="print the images that can go, as each has a duplicate that stays",
    )
    results.add_argument(
        "--keep",
        choices=get_args(Keep),
        help="which of several duplicates stays, with --to-remove; default: first",
    )
    add_output_arguments(results)
    add_lines_arguments(
        results, "group, name, score, turn; with --or or_score; with --against as of query"
    )
    add_run_arguments(command, finds=True)
    add_encoding_arguments(command)


def _add_index(command: argparse.ArgumentParser) -> None:
    """Put the encodings of folders into an index, which is searched without being read. Run again,
    it encodes and adds the images whose names are new, and prints their duplicates as query does.
    Of several folders, names begin with the folder's."""
    command.add_argument(
        "targets",
        metavar="IMAGES|ENCODINGS",
        nargs="+",
        help=f"{_IMAGES}, or several; or what encode wrote",
    )
    command.add_argument(
        "--into",
        metavar="FILE.idx",
        required=True,
        help="the index: made where it doesn't exist, written whole or not at all",
    )
    command.add_argument(
        "--prune", action="store_true", help="take out what is not in the folders any more"
    )
    add_threshold_arguments(command)
    results = command.add_argument_group("results")
    add_output_arguments(results)
    add_json_argument(results, _OF_QUERY)
    add_run_arguments(command, finds=True)
    add_encoding_arguments(command)


def _add_query(command: argparse.ArgumentParser) -> None:
    """Search a corpus for duplicates of new images. A folder is encoded as the file was. Without
    --output, prints each new image that has duplicates, and below it how far they are and their
    names, the nearest first."""
    command.add_argument("new", metavar="NEW", help=f"an image; {_IMAGES}; or what encode wrote")
    command.add_argument(
        "corpus", metavar="CORPUS", help=f"{_IMAGES}; or what encode or index wrote"
    )
    search = add_threshold_arguments(command)
    search.add_argument(
        "--nearest",
        type=positive_integer,
        metavar="K",
        help="find the K nearest, however far they are",
    )
    results = command.add_argument_group("results")
    add_output_arguments(results)
    add_json_argument(results, _OF_QUERY)
    add_run_arguments(command, finds=True, caches=False)
    add_encoding_arguments(command)


def _add_report(command: argparse.ArgumentParser) -> None:
    """Write an HTML page that shows the groups of duplicates in folders, the largest first. The
    page is one file, thumbnails included. Never deletes anything."""
    command.add_argument("directories", metavar="IMAGES", nargs="+", help=f"{_IMAGES}, or several")
    search = add_threshold_arguments(command)
    add_against_argument(search, _IMAGES)
    add_or_argument(search)
    results = command.add_argument_group("results")
    results.add_argument(
        "--output", metavar="FILE.html", required=True, help="write to FILE, whole or not at all"
    )
    add_json_argument(results, "as of find")
    add_run_arguments(command, finds=True)
    add_encoding_arguments(command)


def _add_completion(command: argparse.ArgumentParser) -> None:
    """Print what makes a shell complete commands, options and file names. Needs
    jaxdedup[completion]."""
    command.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    command.set_defaults(quiet=True)


class _Command(NamedTuple):
    """What there is to say of a command, and what gives it its arguments."""

    add: Callable[[argparse.ArgumentParser], None]
    usage: str
    help: str
    examples: str
    codes: str


_CODES = "0; 1 nothing could be encoded or written; 2 wrong usage, or --strict; 130 Ctrl-C"
_SEARCH_CODES = f"""{_CODES}
            with --check: 0 no duplicates; 1 some; 2 any failure; 130 Ctrl-C"""
_COMMANDS = {
    "encode": _Command(
        _add_encode,
        "IMAGES ... [options]",
        "encode the images of folders",
        """\
  jaxdedup encode photos/ --recursive --output hashes.json
  jaxdedup encode photos.zip --method cnn --output features.npz --failures bad.jsonl
""",
        _CODES,
    ),
    "find": _Command(
        _add_find,
        "IMAGES|ENCODINGS ... [options]",
        "find the duplicates in folders",
        """\
  jaxdedup find photos/ --threshold 8 --cache photos/.phash
  jaxdedup find photos/ --to-remove --keep largest
  jaxdedup find test/ --against train/ --check    code 1 where an image leaked
  jaxdedup find photos/ backup/ --recursive --json | jq .name
""",
        _SEARCH_CODES,
    ),
    "index": _Command(
        _add_index,
        "IMAGES|ENCODINGS ... --into FILE.idx [options]",
        "keep the encodings of folders, to be searched and added to",
        """\
  jaxdedup index photos/ --into photos.idx    again: adds the new, tells its duplicates
  jaxdedup index photos/ --into photos.idx --prune
""",
        _SEARCH_CODES,
    ),
    "query": _Command(
        _add_query,
        "NEW CORPUS [options]",
        "search a folder for duplicates of new images",
        """\
  jaxdedup query cat.jpg photos.idx --nearest 5
  jaxdedup query new/ hashes.npz --threshold 4 --check
""",
        _SEARCH_CODES,
    ),
    "report": _Command(
        _add_report,
        "IMAGES ... --output FILE.html [options]",
        "show the duplicates in folders as a page",
        """\
  jaxdedup report photos/ --recursive --output duplicates.html
  jaxdedup report new/ --against photos/ --output known.html
""",
        _SEARCH_CODES,
    ),
    "completion": _Command(
        _add_completion,
        "bash|zsh|tcsh",
        "make a shell complete what is typed",
        """\
  eval "$(jaxdedup completion bash)"    in ~/.bashrc
""",
        "0; 2 shtab is not installed",
    ),
}
_OF_QUERY = "name, duplicate, score, turn"
