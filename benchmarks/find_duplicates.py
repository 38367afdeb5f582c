"""How long does find_duplicates take for a map of hashes, dict included, beside imagededup's?

    python benchmarks/find_duplicates.py --peer-python PEERS/bin/python

Random 64-bit hashes, a twentieth of them copies of others with 0 to 13 bits flipped, at threshold
10, with scores. imagededup runs under --peer-python, on all cores; without it it is left out. Its
warm-up is a search of a hundredth, as it compiles nothing. The maps are compared, order included.
"""

import argparse
import hashlib
import json
import logging
import sys
from collections.abc import Callable

THRESHOLD = 10
CONTESTANTS = ("jaxdedup", "imagededup")


def encodings(count: int) -> dict[str, str]:
    from search import random_hashes

    return {f"{n}.jpg": row.tobytes().hex() for n, row in enumerate(random_hashes(count))}


def jaxdedup(count: int) -> Callable[[], dict]:
    from jaxdedup.methods import PHash

    encoder, hashes = PHash(verbose=False), encodings(count)
    return lambda: encoder.find_duplicates(
        encoding_map=hashes, max_distance_threshold=THRESHOLD, scores=True
    )


def imagededup(count: int) -> Callable[[], dict]:
    import types
    import warnings

    names = {  # the package imports its CNN, and torch with it; hashes need neither
        "imagededup.methods.cnn": ["CNN"],
        "imagededup.utils.models": ["CustomModel", "MobilenetV3", "ViT", "EfficientNet"],
        "imagededup.utils.data_generator": ["img_dataloader"],
    }
    for name, members in names.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(dict.fromkeys(members))
    from imagededup.methods import PHash

    warnings.simplefilter("ignore")
    encoder, hashes = PHash(verbose=False), encodings(count)
    warm_up = dict(list(hashes.items())[: count // 100])
    turns = iter([warm_up])
    return lambda: encoder.find_duplicates(
        encoding_map=next(turns, hashes), max_distance_threshold=THRESHOLD, scores=True
    )


def contest(contestant: str, count: int) -> Callable[[], int]:
    logging.disable(logging.WARNING)
    find = {"jaxdedup": jaxdedup, "imagededup": imagededup}[contestant](count)

    def run() -> int:
        found = find()
        if len(found) == count:
            text = json.dumps(list(found.items()), default=int).encode()
            print(f"{contestant}: map {hashlib.sha256(text).hexdigest()[:16]}", file=sys.stderr)
        return count

    return run


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer-python", help="the interpreter that has imagededup")
    parser.add_argument("--counts", nargs="+", type=int, default=[20_000])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--save", metavar="NAME", default="find_duplicates")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()

    from _turns import save, serve, take_turns

    if options.serve:
        contestant, count = options.serve
        serve(contest(contestant, int(count)))
        return

    pythons = {"jaxdedup": sys.executable, "imagededup": options.peer_python}
    rows = []
    print("| hashes | contestant | seconds | jaxdedup is | peak MB |\n|---|---|---|---|---|")
    for count in options.counts:
        commands = {
            contestant: [pythons[contestant], __file__, "--serve", contestant, str(count)]
            for contestant in CONTESTANTS
            if pythons[contestant]
        }
        results = take_turns(commands, options.rounds)
        ours = results["jaxdedup"]["seconds"]
        for contestant, row in results.items():
            seconds = row["seconds"]
            print(
                f"| {count:,} | {contestant} | {seconds:.3f} | {seconds / ours:.1f} × "
                f"| {row['peak_mb']:.0f} |",
                flush=True,
            )
            rows.append({"count": count, "contestant": contestant} | row)
    save(options.save, rows, rounds=options.rounds, threshold=THRESHOLD)


if __name__ == "__main__":
    main()
