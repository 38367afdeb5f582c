"""Does the time grow in proportion to the number of files, and does the memory stay flat?

    python benchmarks/scaling.py

Folders of 64×64 JPEGs, each in a process of its own. The peak includes the result itself.
"""

import argparse
import math
import sys
import tempfile
from pathlib import Path

COUNTS = (1_000, 3_000, 10_000, 30_000, 100_000)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--counts", nargs="+", type=int, default=COUNTS)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "jaxdedup-bench"))
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()

    from _turns import save, serve, take_turns

    if options.serve:
        from jaxdedup.methods import PHash

        encoder = PHash(verbose=False)
        serve(lambda: len(encoder.encode_images(options.serve)))
        return

    from _folders import uniform_folder

    rows = []
    print("| files | seconds | images/s | peak MB | exponent |")
    print("|---|---|---|---|---|")
    for count in options.counts:
        folder = uniform_folder(options.work, "64x64", count)
        command = [sys.executable, __file__, "--serve", str(folder)]
        row = take_turns({"jaxdedup": command}, options.rounds)["jaxdedup"]
        exponent = float("nan")
        if rows:
            times = row["seconds"] / rows[-1]["seconds"]
            exponent = math.log(times) / math.log(count / rows[-1]["images"])
        rows.append(row)
        print(
            f"| {count} | {row['seconds']:.2f} | {row['images_per_second']:.0f} "
            f"| {row['peak_mb']:.0f} | {exponent:.2f} |",
            flush=True,
        )
    save("scaling", rows, rounds=options.rounds)


if __name__ == "__main__":
    main()
