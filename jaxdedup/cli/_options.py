"""The options that commands share, in groups."""

import argparse
from typing import Any, get_args

from jaxdedup.duplicates import DEFAULT_MAX_PAIRS
from jaxdedup.encoding import METHODS, Orientations, method_named
from jaxdedup.image import Profile
from jaxdedup.loading import Range, background_colour
from jaxdedup.runtime import positive

Group = Any  # argparse's, which has a private name


def add_json_argument(group: Group, keys: str) -> None:
    group.add_argument("--json", action="store_true", help=f"print lines of JSON, with {keys}")


def add_lines_arguments(group: Group, keys: str) -> None:
    add_json_argument(group, keys)
    group.add_argument(
        "--null", "-0", action="store_true", help="lines end in NUL, and names are as they are"
    )


def add_output_arguments(group: Group) -> None:
    group.add_argument("--output", metavar="FILE.json", help="write to FILE, whole or not at all")
    group.add_argument("--scores", action="store_true", help="with --output, tell distances")


def add_run_arguments(
    command: argparse.ArgumentParser, *, finds: bool = False, caches: bool = True
) -> None:
    run = command.add_argument_group("how it runs, and ends")
    if finds:
        run.add_argument(
            "--check", action="store_true", help="end with code 1 if duplicates are found"
        )
    run.add_argument(
        "--strict", action="store_true", help="end with code 2 if an image could not be loaded"
    )
    run.add_argument(
        "--failures",
        metavar="FILE",
        help="write what could not be loaded to FILE: lines of JSON, with path, reason",
    )
    run.add_argument(
        "--list-skipped", action="store_true", help="name each image that could not be loaded"
    )
    run.add_argument("--quiet", action="store_true", help="no progress, no summary")
    if caches:
        run.add_argument(
            "--cache",
            metavar="FILE",
            help="remember the encodings of the folder in FILE, and encode only what is new or "
            "changed",
        )
    _add_work_arguments(run)


def _add_work_arguments(run: Group) -> None:
    run.add_argument("--batch-size", type=positive_integer, metavar="N", help="images in a batch")
    run.add_argument(
        "--num-workers", type=positive_integer, metavar="N", help="threads that decode"
    )
    run.add_argument(
        "--max-pixels-in-flight",
        type=positive_integer,
        metavar="N",
        help="decode no more pixels than N at the same time (default: by a quarter of the memory)",
    )


def add_encoding_arguments(command: argparse.ArgumentParser) -> None:
    """What is read, and what is made of it."""
    method = command.add_argument_group("method")
    method.add_argument(
        "--method",
        metavar="METHOD",
        help=f"{', '.join(METHODS)}; default: phash. With --weights, a network",
    )
    method.add_argument(
        "--hash-size", type=positive_integer, metavar="N", help="hashes of N×N bits; default: 8"
    )
    method.add_argument(
        "--weights",
        metavar="FILE",
        help="of mobilenet_v3_small or sscd, a safetensors file; of cnn, others than its own",
    )
    method.add_argument(
        "--profile",
        choices=get_args(Profile),
        help="the Pillow whose pixels are reproduced: 13.0 and later (default), 7.0 to 12.1, "
        "or up to 6.2",
    )
    method.add_argument(
        "--draft",
        action="store_true",
        help="faster and not exact: the JPEG decoder scales large images down",
    )
    _add_files_arguments(command.add_argument_group("files"))
    _add_pixels_arguments(command.add_argument_group("pixels"))


def _add_files_arguments(files: Group) -> None:
    files.add_argument("--recursive", action="store_true", help="take sub-folders too")
    files.add_argument(
        "--follow-links", action="store_true", help="take linked sub-folders too, each once"
    )
    files.add_argument(
        "--column", metavar="NAME", help="the column of images, of a Parquet file that has several"
    )
    files.add_argument(
        "--key", metavar="NAME", help="its column of names; default: the numbers of the rows"
    )
    files.add_argument(
        "--frames",
        action="store_true",
        help="take every frame of an animation, or page of a file, as NAME#2, NAME#3, ...",
    )
    files.add_argument(
        "--formats",
        type=lambda text: text.split(","),
        default=(),
        metavar="SUFFIXES",
        help="read these too, such as avif,heic,mp4,cr2, with their plugins",
    )


def _add_pixels_arguments(pixels: Group) -> None:
    pixels.add_argument(
        "--background",
        type=_colour,
        metavar="COLOUR",
        help="lay transparent images on white, say, or #rrggbb; default: drop the alpha",
    )
    pixels.add_argument(
        "--range",
        choices=get_args(Range),
        help="scale 16-bit and float values to 8 bits, or clip them (default)",
    )
    pixels.add_argument(
        "--exif-orientation", action="store_true", help="turn images as their EXIF data says"
    )
    pixels.add_argument("--trim", action="store_true", help="cut plain borders")


def add_against_argument(group: Group, what: str) -> None:
    group.add_argument(
        "--against",
        metavar="OLD",
        action="append",
        default=[],
        help=f"find what is in OLD already, all of which stays: {what}; may be given again; its "
        "cache is FILE-against",
    )


def add_or_argument(group: Group) -> None:
    group.add_argument(
        "--or",
        type=_method_and_threshold,
        metavar="METHOD:T",
        help="find what another method finds too, cnn:0.85, say; its cache is FILE-METHOD",
    )


def add_threshold_arguments(command: argparse.ArgumentParser) -> Group:
    search = command.add_argument_group("search")
    search.add_argument(
        "--threshold",
        type=_number,
        metavar="T",
        help="hashes: at most T bits differ (default: 10 of 64, and the same share of others); "
        "cnn: a similarity of at least T, -1 to 1 (default: 0.9)",
    )
    search.add_argument(
        "--orientations",
        choices=get_args(Orientations),
        default="none",
        help="find turned copies too: mirrored ones, or all of the eight ways; default: none",
    )
    search.add_argument(
        "--min-quality",
        type=_number,
        metavar="Q",
        help="leave out images with less to see in them than Q, 0 to 100 (default: pdq 50, else 0)",
    )
    search.add_argument(
        "--max-pairs",
        type=positive_integer,
        default=DEFAULT_MAX_PAIRS,
        metavar="N",
        help=f"refuse results with more pairs than N (default: {DEFAULT_MAX_PAIRS:,})",
    )
    return search


def positive_integer(text: str) -> int:
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
positive_integer.__name__ = "positive integer"  # what argparse calls it
_number.__name__ = "number"
