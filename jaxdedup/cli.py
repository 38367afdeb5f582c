"""The command line: ``jaxdedup encode``, ``find``, ``query`` and ``report``.

Results go to standard output or to a file; progress and the summary go to standard error. Nothing
is ever deleted.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from . import methods
from ._arguments import DEFAULT_METHOD, DEFAULT_PROFILE, METHODS, make_parser
from .loading import decode
from .methods._duplicates import COSINE, HAMMING, Matches, Metric, find_matches
from .methods._keep import Keep, check_keep, to_remove
from .report import save_report
from .storage import (
    DRAFT_SUFFIX,
    StoredEncodings,
    check_writable,
    load_encodings,
    save_encodings,
    write_json,
    writer,
)

_NOTHING_ENCODED = 1
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: the words after the program's name; None for those of the process.

    Returns:
        The exit code: 0, or 1 where nothing could be encoded or written, or 130 after Ctrl-C.
        Wrong usage exits with 2.
    """
    parser = make_parser(encode=_encode, find=_find, query=_query, report=_report)
    options = parser.parse_args(arguments)
    sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]  # any file name
    try:
        code = int(options.run(parser, options))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:  # whoever reads the output, `head` say, has seen enough
        _discard_output()
        return 0
    except OSError as error:  # a full disk, or a file that went away
        _discard_output()
        print(f"jaxdedup: {error}", file=sys.stderr)
        return _NOTHING_ENCODED


def _discard_output() -> None:
    """Lest the interpreter try to flush it once more, at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _encode(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    if not os.path.isdir(options.directory):
        parser.error(f"expected an existing folder, got {options.directory!r}")
    options.method = options.method or DEFAULT_METHOD
    if options.output:
        with _usage_errors(parser):
            writer(options.output, options.method)  # refuses now what it would refuse later
            check_writable(options.output)
    elif options.method == "cnn":
        parser.error("expected --output FILE.npz or FILE.parquet for the features of cnn")
    stored = _encode_folder(parser, options, options.directory)
    if options.output:
        save_encodings(options.output, stored)
    else:
        for name, encoding in stored.encodings.items():
            print(f"{encoding}  {name}")
    return 0 if stored.encodings else _NOTHING_ENCODED


def _find(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    directory = options.target if os.path.isdir(options.target) else None
    if options.keep and not options.to_remove:
        parser.error("--keep goes with --to-remove")
    if options.scores and options.to_remove:
        parser.error("--scores goes with groups of duplicates, not with --to-remove")
    keep: Keep = options.keep or "first"
    with _usage_errors(parser):
        check_keep(keep, directory)
    metric, threshold, (stored,) = _prepare(parser, options, [options.target])
    if options.to_remove:
        with _usage_errors(parser):
            removable = to_remove(
                metric,
                stored.encodings,
                threshold=threshold,
                max_pairs=options.max_pairs,
                keep=keep,
                image_dir=directory,
                decoder=partial(decode, formats=options.formats),
            )
        _give_removable(options, list(stored.encodings), removable)
    else:
        with _usage_errors(parser):
            matches = find_matches(
                metric,
                stored.encodings,
                threshold=threshold,
                max_pairs=options.max_pairs,
                order=None if options.output else "score",
            )
        _give_groups(options, matches)
    return 0 if stored.encodings else _NOTHING_ENCODED


def _give_removable(options: argparse.Namespace, names: list[str], removable: list[int]) -> None:
    removed = [names[item] for item in removable]
    if options.output:
        write_json(options.output, removed)
    else:
        print("".join(f"{name}\n" for name in removed), end="")
    _tell(options, f"{len(removed)} of {len(names)} images can go")


def _give_groups(options: argparse.Namespace, matches: Matches) -> None:
    groups = matches.groups()
    if options.output:
        write_json(options.output, matches.to_dict(scores=options.scores))
    else:
        _print_groups(matches, groups)
    _tell(options, f"{len(groups)} groups of duplicates among {len(matches.names)} images")


def _query(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    metric, threshold, (new, corpus) = _prepare(parser, options, [options.new, options.corpus])
    with _usage_errors(parser):
        matches = find_matches(
            metric,
            new.encodings,
            corpus.encodings,
            threshold=threshold,
            max_pairs=options.max_pairs,
            order="score",
        )
    found = matches.to_dict(scores=options.scores or not options.output)
    if options.output:
        write_json(options.output, found)
    else:
        _print_queries(found)
    matched = sum(bool(duplicates) for duplicates in found.values())
    _tell(options, f"{matched} of {len(found)} new images have duplicates")
    return 0 if new.encodings and corpus.encodings else _NOTHING_ENCODED


def _report(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    if not os.path.isdir(options.directory):
        parser.error(f"expected an existing folder, got {options.directory!r}")
    targets = [options.directory]
    metric, threshold, (stored,) = _prepare(parser, options, targets, output_suffix=".html")
    with _usage_errors(parser):
        matches = find_matches(
            metric, stored.encodings, threshold=threshold, max_pairs=options.max_pairs
        )
    save_report(
        options.output,
        matches.to_dict(scores=True),
        options.directory,
        formats=options.formats,
        num_workers=options.num_workers,
    )
    _tell(options, f"{len(matches.groups())} groups of duplicates are in {options.output}")
    return 0 if stored.encodings else _NOTHING_ENCODED


def _prepare(
    parser: argparse.ArgumentParser,
    options: argparse.Namespace,
    targets: list[str],
    output_suffix: str = ".json",
) -> tuple[Metric, int | float, list[StoredEncodings]]:
    """The metric, the threshold and the encodings of each target, a folder or a file.

    Whatever can be wrong is found out before a folder is encoded.
    """
    files: dict[str, StoredEncodings] = {}
    for target in targets:
        if not os.path.exists(target):
            parser.error(f"expected a folder or a file of encodings, got {target!r}")
        if not os.path.isdir(target):
            with _usage_errors(parser):
                files[target] = load_encodings(target)
            _settle(parser, options, target, files[target])
    if len(files) == len(set(targets)):
        for option in ("recursive", "formats", "batch_size", "num_workers", "cache"):
            if getattr(options, option, None):
                parser.error(f"--{option.replace('_', '-')} goes with a folder")
    options.method = options.method or DEFAULT_METHOD
    metric = COSINE if options.method == "cnn" else HAMMING
    threshold = metric.default if options.threshold is None else options.threshold
    with _usage_errors(parser):
        metric.check(threshold)
        if options.output:
            if not options.output.endswith(output_suffix):
                raise ValueError(f"expected --output FILE{output_suffix}, got {options.output!r}")
            check_writable(options.output)
    encodings = [files.get(t) or _encode_folder(parser, options, t) for t in targets]
    return metric, threshold, encodings


def _settle(
    parser: argparse.ArgumentParser, options: argparse.Namespace, path: str, stored: StoredEncodings
) -> None:
    """Take method and profile from a file of encodings, unless others are asked for."""
    got = stored.method, stored.profile
    profile = options.profile or (DEFAULT_PROFILE if options.draft else None)
    if profile and options.draft:
        profile += DRAFT_SUFFIX
    asked = options.method or stored.method, profile or stored.profile
    if asked != got:
        parser.error(
            f"expected encodings of {' with profile '.join(asked)} in {path!r}, "
            f"got {' with profile '.join(got)}"
        )
    options.method, options.draft = stored.method, stored.profile.endswith(DRAFT_SUFFIX)
    options.profile = stored.profile.removesuffix(DRAFT_SUFFIX)


def _encode_folder(
    parser: argparse.ArgumentParser, options: argparse.Namespace, directory: str
) -> StoredEncodings:
    with _usage_errors(parser):
        encoder = getattr(methods, METHODS[options.method])(
            verbose=not options.quiet,
            profile=options.profile or DEFAULT_PROFILE,
            batch_size=options.batch_size,
            num_workers=options.num_workers,
            formats=options.formats,
            draft=options.draft,
        )
    # The summary tells of each skipped file; the log would tell it twice.
    logging.getLogger("jaxdedup").setLevel(logging.ERROR)
    start = time.perf_counter()
    with _usage_errors(parser):
        encodings = encoder.encode_images(
            directory, recursive=options.recursive, cache=getattr(options, "cache", None)
        )
    seconds = time.perf_counter() - start
    _tell(options, _summary(len(encodings), encoder.reused, encoder.skipped, seconds))
    return StoredEncodings(encodings, encoder.method_name, encoder.profile_name(encoder.draft))


def _summary(count: int, reused: int, skipped: dict[str, str], seconds: float) -> str:
    encoded = count - reused
    lines = [f"{encoded} images encoded in {seconds:.1f} s, {encoded / seconds:.0f} a second"]
    if reused:
        lines.append(f"{reused} reused from the cache")
    if skipped:
        lines.append(f"{len(skipped)} skipped:")
    return "\n".join([*lines, *(f"  {name}: {reason}" for name, reason in skipped.items())])


def _print_groups(matches: Matches, groups: list[list[int]]) -> None:
    starts, scores = matches.near.starts, matches.near.score
    for number, group in enumerate(groups):
        # The first score of an image's list is that of its nearest duplicate.
        lines = [f"{_score(scores[starts[item]])}  {matches.names[item]}\n" for item in group]
        print(("\n" if number else "") + "".join(lines), end="")


def _print_queries(found: dict[str, list[tuple[str, Any]]]) -> None:
    for name, duplicates in found.items():
        if duplicates:
            print(name)
            print("".join(f"  {_score(score)}  {other}\n" for other, score in duplicates), end="")


def _score(score: Any) -> str:
    return f"{score:.4f}" if isinstance(score, (float, np.floating)) else f"{score:2d}"


def _tell(options: argparse.Namespace, text: str) -> None:
    if not options.quiet:
        print(text, file=sys.stderr)


@contextmanager
def _usage_errors(parser: argparse.ArgumentParser) -> Iterator[None]:
    """What the user has got wrong ends the program with a message, not with a traceback."""
    try:
        yield
    except (TypeError, ValueError, OSError) as error:
        parser.error(str(error))
