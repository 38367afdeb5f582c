"""What does CNN take of a folder beside its parts, and of a new process?

    python benchmarks/cnn.py --before CHECKOUT

"folder" is `encode_images` on JPEGs of 640×480. Its parts, each alone on all cores: "arrays", the
features of resized images in memory; "decoding" the files; "resizing", which is what the folder
takes beyond decoding with a network that looks at nothing. The bound is one after the other.
Contestants run in processes of their own, in turns.

The first call is that of a new process, without any cache, from the start of Python on; "both" is
an image and then a folder of 100, and the programs that XLA compiled for the network meanwhile are
counted. --before is another checkout of jaxdedup, which takes turns with this one.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
IMAGES = 400

FIRST = """
import logging, sys
logging.disable(logging.WARNING)
from jax import monitoring
counted = []
def count(event, seconds, **facts):
    if event.endswith("backend_compile_duration") and seconds > 0.2:  # all else is smaller
        counted.append(event)
monitoring.register_event_duration_secs_listener(count)
from jaxdedup.methods import CNN
encoder = CNN(verbose=False)
"""
JOBS = {
    "image": "encoder.encode_image(sys.argv[1] + '/000000.jpg')\n",
    "folder": "encoder.encode_images(sys.argv[1])\n",
}
JOBS["both"] = JOBS["image"] + JOBS["folder"]


def arrays(folder: str) -> Callable[[], int]:
    from jaxdedup.mobilenet import features, load_params

    params = load_params()
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, 224, 224, 3), np.uint8)

    def run() -> int:
        for start in range(0, IMAGES, 64):
            np.asarray(features(params, images[start : start + 64]))
        return IMAGES

    return run


def decoding(folder: str) -> Callable[[], int]:
    from encode_directory import decode

    return decode("cnn", folder)


def resized(folder: str) -> Callable[[], int]:
    from jaxdedup.methods import CNN

    encoder = CNN(model=corner, preprocess=np.asarray, image_size=224, verbose=False)
    return lambda: len(encoder.encode_images(folder))


def corner(images: np.ndarray) -> np.ndarray:
    return images[:, 0, 0]


def folder(folder: str) -> Callable[[], int]:
    from jaxdedup.methods import CNN

    encoder = CNN(verbose=False)
    return lambda: len(encoder.encode_images(folder))


CONTESTANTS = {f.__name__: f for f in (folder, arrays, decoding, resized)}


def first_call(job: str, folder: Path, checkout: Path) -> tuple[float, int]:
    """Seconds of a new process, and how many large programs it compiled."""
    code = FIRST + JOBS[job] + "print(len(counted))"
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env=os.environ | {"PYTHONPATH": str(checkout)},
        cwd=folder,
        stdout=subprocess.PIPE,
        check=True,
    )
    return time.perf_counter() - start, int(done.stdout)


def first_calls(folder: Path, checkouts: dict[str, Path], rounds: int) -> list[dict[str, Any]]:
    """The median of each job's rounds, a row each."""
    rows = []
    for job in JOBS:
        runs = [
            {name: first_call(job, folder, path) for name, path in checkouts.items()}
            for _ in range(rounds)
        ]
        row: dict[str, Any] = {"first": job}
        for name in checkouts:
            row[name] = statistics.median(run[name][0] for run in runs)
            row[f"{name}, programs"] = max(run[name][1] for run in runs)
        print(row, flush=True)
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", type=Path, help="another checkout")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "jaxdedup-bench"))
    parser.add_argument("--save", metavar="NAME", default="cnn")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()

    from _turns import save, serve, take_turns

    if options.serve:
        contestant, images = options.serve
        serve(CONTESTANTS[contestant](images))
        return

    from _folders import uniform_folder

    images = uniform_folder(options.work, "640x480", IMAGES)
    commands = {
        name: [sys.executable, __file__, "--serve", name, str(images)] for name in CONTESTANTS
    }
    parts = take_turns(commands, options.rounds)
    rates = {name: row["images_per_second"] for name, row in parts.items()}
    rates["resizing"] = 1 / (1 / rates["resized"] - 1 / rates["decoding"])
    bound = 1 / sum(1 / rates[part] for part in ("arrays", "decoding", "resizing"))
    print(" | ".join(f"{name} {rate:.0f}" for name, rate in rates.items()))
    print(f"bound {bound:.0f} images/s, of which the folder reaches {rates['folder'] / bound:.2f}")
    rows = [{"contestant": name} | row for name, row in parts.items()]

    checkouts = {"now": ROOT}
    if options.before:
        checkouts["before"] = options.before.resolve()
    with tempfile.TemporaryDirectory() as few:
        for path in sorted(images.iterdir())[:100]:
            shutil.copy(path, few)
        rows += first_calls(Path(few), checkouts, options.rounds)
    save(options.save, rows, rounds=options.rounds, images=IMAGES, of_bound=rates["folder"] / bound)


if __name__ == "__main__":
    main()
