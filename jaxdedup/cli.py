"""The command line: ``jaxdedup encode DIR --method phash``.

Results go to standard output or to a file; progress and the summary go to standard error.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Sequence
from typing import Any, get_args

from . import __version__, methods
from .image import Profile
from .storage import StoredEncodings, save_encodings, writer

_METHODS = {"phash": "PHash", "ahash": "AHash", "dhash": "DHash", "whash": "WHash", "cnn": "CNN"}
_NOTHING_ENCODED = 1
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: the words after the program's name; None for those of the process.

    Returns:
        The exit code: 0, or 1 where nothing could be encoded, or 130 after Ctrl-C. Wrong usage
        exits with 2.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]  # any file name
    try:
        return int(options.run(parser, options))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jaxdedup", description="Image fingerprints: perceptual hashes and CNN encodings."
    )
    parser.add_argument("--version", action="version", version=f"jaxdedup {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    encode = commands.add_parser(
        "encode",
        help="encode the images of a folder",
        description="Encode the images of a folder. Without --output, prints a line for each "
        "image: the hash, two spaces, the file name.",
        epilog="Exit codes: 0, 1 (nothing could be encoded), 2 (wrong usage).",
    )
    encode.set_defaults(run=_encode)
    encode.add_argument("directory", metavar="DIR", help="the folder")
    encode.add_argument("--method", choices=_METHODS, default="phash", help="default: phash")
    encode.add_argument("--recursive", action="store_true", help="take sub-folders too")
    encode.add_argument(
        "--output",
        metavar="FILE",
        help="write to FILE, whole or not at all: .json, .csv, .npz or .parquet",
    )
    encode.add_argument(
        "--profile",
        choices=get_args(Profile),
        default="pillow13",
        help="the Pillow whose pixels are reproduced: 13.0 and later (default), 7.0 to 12.1, "
        "or up to 6.2",
    )
    encode.add_argument("--batch-size", type=_positive, metavar="N", help="images in a batch")
    encode.add_argument("--num-workers", type=_positive, metavar="N", help="threads that decode")
    encode.add_argument(
        "--formats",
        type=lambda text: text.split(","),
        default=(),
        metavar="SUFFIXES",
        help="let imageio open these too, such as mp4,cr2",
    )
    encode.add_argument(
        "--draft",
        action="store_true",
        help="faster and not exact: the JPEG decoder scales large images down",
    )
    encode.add_argument("--quiet", action="store_true", help="no progress, no summary")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


_positive.__name__ = "positive integer"  # what argparse calls it


def _encode(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    if not os.path.isdir(options.directory):
        parser.error(f"expected an existing folder, got {options.directory!r}")
    if options.output:
        _check_output(parser, options)
    elif options.method == "cnn":
        parser.error("expected --output FILE.npz or FILE.parquet for the features of cnn")
    encoder = _encoder(options)
    # The summary tells of each skipped file; the log would tell it twice.
    logging.getLogger("jaxdedup").setLevel(logging.ERROR)

    start = time.perf_counter()
    encodings = encoder.encode_images(options.directory, recursive=options.recursive)
    seconds = time.perf_counter() - start

    if options.output:
        profile = f"{options.profile}-draft" if options.draft else options.profile
        stored = StoredEncodings(encodings, options.method, profile)
        save_encodings(options.output, stored)
    else:
        for name, encoding in encodings.items():
            print(f"{encoding}  {name}")
    if not options.quiet:
        _summarise(len(encodings), encoder.skipped, seconds)
    return 0 if encodings else _NOTHING_ENCODED


def _check_output(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Find out now what would otherwise be found out after the work."""
    try:
        writer(options.output, options.method)
    except ValueError as error:
        parser.error(str(error))
    folder = os.path.dirname(os.path.abspath(options.output))
    if not os.access(folder, os.W_OK):
        parser.error(f"expected a folder that can be written to, got {folder!r}")


def _encoder(options: argparse.Namespace) -> Any:
    return getattr(methods, _METHODS[options.method])(
        verbose=not options.quiet,
        profile=options.profile,
        batch_size=options.batch_size,
        num_workers=options.num_workers,
        formats=options.formats,
        draft=options.draft,
    )


def _summarise(encoded: int, skipped: dict[str, str], seconds: float) -> None:
    rate = encoded / seconds
    print(f"{encoded} images encoded in {seconds:.1f} s, {rate:.0f} a second", file=sys.stderr)
    if skipped:
        print(f"{len(skipped)} skipped:", file=sys.stderr)
    for name, reason in skipped.items():
        print(f"  {name}: {reason}", file=sys.stderr)
