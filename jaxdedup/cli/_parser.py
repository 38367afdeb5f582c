"""The words that the command line understands."""

import argparse
from collections.abc import Callable
from typing import NoReturn, get_args

from jaxdedup import __version__
from jaxdedup.duplicates import DEFAULT_MAX_PAIRS, Keep
from jaxdedup.encoding import METHODS, Orientations, method_named
from jaxdedup.image import Profile
from jaxdedup.loading import Range, background_colour
from jaxdedup.runtime import positive

Prepare = Callable[[argparse.Namespace], Callable[[], int]]

_LONGEST_MESSAGE = 500
_IMAGES = "a folder, a zip, tar or Parquet file, or the URL of one"


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
            options have it as ``prepare``.
    """
    parser = _Parser(
        prog="jaxdedup", description="Image fingerprints: perceptual hashes and CNN encodings."
    )
    parser.add_argument("--version", action="version", version=f"jaxdedup {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, add in _COMMANDS.items():
        command = commands.add_parser(
            name,
            help=_HELP[name],
            description=(add.__doc__ or "").replace("\n", " "),
            epilog="Exit codes: 0, 1 (nothing could be encoded), 2 (wrong usage).",
        )
        command.set_defaults(prepare=prepare[name])
        add(command)
        _add_encoding_arguments(command)
    return parser


def _add_encode(command: argparse.ArgumentParser) -> None:
    """Encode the images of a folder. Without --output, prints a line for each image: the hash, two
    spaces, the file name, with controls and backslashes escaped as by ls -b."""
    command.add_argument("directory", metavar="IMAGES", help=_IMAGES)
    command.add_argument(
        "--output",
        metavar="FILE",
        help="write to FILE, whole or not at all: .json, .csv, .npz or .parquet",
    )
    command.add_argument(
        "--float16",
        action="store_true",
        help="with --output, features in half the room; similarities change by less than 0.001",
    )
    command.add_argument(
        "--quality",
        action="store_true",
        help="with --output, tell how much there is to see in each image, 0 to 100, as for pdq",
    )
    _add_null_argument(command)
    _add_cache_argument(command)


def _add_find(command: argparse.ArgumentParser) -> None:
    """Find the duplicates among the images of a folder, or among the encodings of a file. Without
    --output, prints the groups, the largest first, an empty line between them; before each name,
    how far its nearest duplicate is. With --output FILE.csv, writes a line for each pair as it is
    found, however many there are. Never deletes anything."""
    command.add_argument(
        "target", metavar="IMAGES|ENCODINGS", help=f"{_IMAGES}; or what encode or index wrote"
    )
    command.add_argument(
        "--to-remove",
        action="store_true",
        help="print the images that can go, as each has a duplicate that stays",
    )
    command.add_argument(
        "--keep",
        choices=get_args(Keep),
        help="which of several duplicates stays, with --to-remove; default: first",
    )
    _add_null_argument(command)
    _add_or_argument(command)
    _add_search_arguments(command)
    _add_cache_argument(command)


def _add_index(command: argparse.ArgumentParser) -> None:
    """Put the encodings of a folder into an index, which is searched without being read. Run again,
    it encodes and adds the images whose names are new, and prints their duplicates as query
    does."""
    command.add_argument(
        "directory", metavar="IMAGES|ENCODINGS", help=f"{_IMAGES}; or what encode wrote"
    )
    command.add_argument(
        "--into",
        metavar="FILE.idx",
        required=True,
        help="the index: made where it doesn't exist, written whole or not at all",
    )
    command.add_argument(
        "--prune", action="store_true", help="take out what is not in the folder any more"
    )
    _add_search_arguments(command)
    _add_cache_argument(command)


def _add_query(command: argparse.ArgumentParser) -> None:
    """Search a corpus for duplicates of new images. A folder is encoded as the file was. Without
    --output, prints each new image that has duplicates, and below it how far they are and their
    names, the nearest first."""
    command.add_argument("new", metavar="NEW", help=f"an image; {_IMAGES}; or what encode wrote")
    command.add_argument(
        "corpus", metavar="CORPUS", help=f"{_IMAGES}; or what encode or index wrote"
    )
    command.add_argument(
        "--nearest", type=_positive, metavar="K", help="find the K nearest, however far they are"
    )
    _add_search_arguments(command)


def _add_report(command: argparse.ArgumentParser) -> None:
    """Write an HTML page that shows the groups of duplicates in a folder, the largest first. The
    page is one file, thumbnails included. Never deletes anything."""
    command.add_argument("directory", metavar="IMAGES", help=_IMAGES)
    command.add_argument(
        "--output", metavar="FILE.html", required=True, help="write to FILE, whole or not at all"
    )
    _add_or_argument(command)
    _add_threshold_arguments(command)
    _add_cache_argument(command)


_COMMANDS = {
    "encode": _add_encode,
    "find": _add_find,
    "index": _add_index,
    "query": _add_query,
    "report": _add_report,
}
_HELP = {
    "encode": "encode the images of a folder",
    "find": "find the duplicates in a folder",
    "index": "keep the encodings of a folder, to be searched and added to",
    "query": "search a folder for duplicates of new images",
    "report": "show the duplicates in a folder as a page",
}


def _add_null_argument(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--null", "-0", action="store_true", help="lines end in NUL, and names are as they are"
    )


def _add_encoding_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--method", metavar="METHOD", help=f"{', '.join(METHODS)}; default: phash")
    command.add_argument(
        "--hash-size", type=_positive, metavar="N", help="hashes of N×N bits; default: 8"
    )
    command.add_argument("--recursive", action="store_true", help="take sub-folders too")
    command.add_argument(
        "--follow-links", action="store_true", help="take linked sub-folders too, each once"
    )
    command.add_argument(
        "--column", metavar="NAME", help="the column of images, of a Parquet file that has several"
    )
    command.add_argument(
        "--key", metavar="NAME", help="its column of names; default: the numbers of the rows"
    )
    command.add_argument(
        "--frames",
        action="store_true",
        help="take every frame of an animation, or page of a file, as NAME#2, NAME#3, ...",
    )
    command.add_argument(
        "--profile",
        choices=get_args(Profile),
        help="the Pillow whose pixels are reproduced: 13.0 and later (default), 7.0 to 12.1, "
        "or up to 6.2",
    )
    command.add_argument("--batch-size", type=_positive, metavar="N", help="images in a batch")
    command.add_argument("--num-workers", type=_positive, metavar="N", help="threads that decode")
    command.add_argument(
        "--formats",
        type=lambda text: text.split(","),
        default=(),
        metavar="SUFFIXES",
        help="read these too, such as avif,heic,mp4,cr2, with their plugins",
    )
    command.add_argument(
        "--background",
        type=_colour,
        metavar="COLOUR",
        help="lay transparent images on white, say, or #rrggbb; default: drop the alpha",
    )
    command.add_argument(
        "--range",
        choices=get_args(Range),
        help="scale 16-bit and float values to 8 bits, or clip them (default)",
    )
    command.add_argument(
        "--exif-orientation", action="store_true", help="turn images as their EXIF data says"
    )
    command.add_argument("--trim", action="store_true", help="cut plain borders")
    command.add_argument(
        "--max-pixels-in-flight",
        type=_positive,
        metavar="N",
        help="decode no more pixels than N at the same time (default: by a quarter of the memory)",
    )
    command.add_argument(
        "--draft",
        action="store_true",
        help="faster and not exact: the JPEG decoder scales large images down",
    )
    command.add_argument(
        "--list-skipped", action="store_true", help="name each image that could not be loaded"
    )
    command.add_argument("--quiet", action="store_true", help="no progress, no summary")


def _add_cache_argument(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--cache",
        metavar="FILE",
        help="remember the encodings of the folder in FILE, and encode only what is new or changed",
    )


def _add_search_arguments(command: argparse.ArgumentParser) -> None:
    _add_threshold_arguments(command)
    command.add_argument("--output", metavar="FILE.json", help="write to FILE, whole or not at all")
    command.add_argument("--scores", action="store_true", help="with --output, tell distances")


def _add_or_argument(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--or",
        type=_method_and_threshold,
        metavar="METHOD:T",
        help="find what another method finds too, cnn:0.85, say; its cache is FILE-METHOD",
    )


def _add_threshold_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--threshold",
        type=_number,
        metavar="T",
        help="hashes: at most T bits differ (default: 10 of 64, and the same share of others); "
        "cnn: a similarity of at least T, -1 to 1 (default: 0.9)",
    )
    command.add_argument(
        "--orientations",
        choices=get_args(Orientations),
        default="none",
        help="find turned copies too: mirrored ones, or all of the eight ways; default: none",
    )
    command.add_argument(
        "--min-quality",
        type=_number,
        metavar="Q",
        help="leave out images with less to see in them than Q, 0 to 100 (default: pdq 50, else 0)",
    )
    command.add_argument(
        "--max-pairs",
        type=_positive,
        default=DEFAULT_MAX_PAIRS,
        metavar="N",
        help=f"refuse results with more pairs than N (default: {DEFAULT_MAX_PAIRS:,})",
    )


def _positive(text: str) -> int:
    return positive("the number", int(text))


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _method_and_threshold(text: str) -> tuple[str, int | float]:
    name, _, threshold = text.rpartition(":")
    return method_named(name).name, _number(threshold)


def _colour(text: str) -> str:
    return background_colour(text)


_method_and_threshold.__name__ = "method and threshold"
_colour.__name__ = "opaque colour"
_positive.__name__ = "positive integer"  # what argparse calls it
_number.__name__ = "number"
