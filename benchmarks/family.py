"""How fast are ImageHash's hashes, PDQ, and eight orientations, for images in memory?

    python benchmarks/family.py --peer-python ~/peers/bin/python

64 natural images of 640×480. jaxdedup beside the packages whose bits it gives, ImageHash and
pdqhash, in a pool of one thread a core (their best), each contestant in a process of its own, in
turns. ``--peer-python`` has both packages.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from _turns import save, serve, take_turns

COUNT, WIDTH, HEIGHT = 64, 640, 480
# By what is measured: our contestants, and theirs.
CONTESTANTS = {
    "phash-8": ["ours:imagehash-phash", "peer:phash-8"],
    "phash-16": ["ours:imagehash-phash-16", "peer:phash-16"],
    "pdq": ["ours:pdq", "peer:pdq"],
    "orientations": ["stream:none", "stream:all"],
}


def ours(name: str, images: np.ndarray) -> Callable[[], object]:
    import jax

    import jaxdedup
    from jaxdedup import imagehash

    if name == "pdq":
        return lambda: jax.block_until_ready(jaxdedup.pdq(images))
    size = int(name.rpartition("-")[2]) if name[-1].isdigit() else 8
    return lambda: jax.block_until_ready(imagehash.phash(images, size))


def stream(orientations: str, images: np.ndarray) -> Callable[[], object]:
    from jaxdedup.encoding import METHODS, Recipe, encode, oriented

    recipe = Recipe(oriented(METHODS["phash"], orientations))
    for _ in encode(enumerate([images[0]] * 1200), recipe):  # the program is compiled meanwhile
        pass
    return lambda: list(encode(enumerate(images), recipe))


def peer(name: str, images: np.ndarray) -> Callable[[], object]:
    pool = ThreadPoolExecutor(os.cpu_count())
    if name == "pdq":
        import pdqhash

        return lambda: list(pool.map(pdqhash.compute, images))
    import imagehash
    from PIL import Image

    size = int(name.rpartition("-")[2])
    return lambda: list(
        pool.map(lambda image: str(imagehash.phash(Image.fromarray(image), size)), images)
    )


KINDS = {"ours": ours, "stream": stream, "peer": peer}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--save", metavar="NAME", default="family")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        contestant, path = options.serve
        kind, _, name = contestant.partition(":")
        run = KINDS[kind](name, np.load(path))
        serve(lambda: (run(), COUNT)[1])
        return
    rows = []
    print("| what | contestant | ms/image | the first is |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "images.npy")
        np.save(path, natural_images())
        for what, contestants in CONTESTANTS.items():
            commands = {
                name: [python_of(name, options.peer_python), __file__, "--serve", name, path]
                for name in contestants
            }
            timed = take_turns(commands, options.rounds)
            first = timed[contestants[0]]["seconds"]
            for name, row in timed.items():
                ms = row["seconds"] / COUNT * 1e3
                print(f"| {what} | {name} | {ms:.3f} | {row['seconds'] / first:.2f} × |")
                rows.append({"what": what, "contestant": name, "ms_per_image": ms, **row})
    save(options.save, rows, rounds=options.rounds)


def python_of(contestant: str, peer_python: str) -> str:
    return peer_python if contestant.startswith("peer") else sys.executable


def natural_images() -> np.ndarray:
    import random

    from _folders import crop, pictures

    rng, sources = random.Random(0), pictures()
    crops = (crop(sources[i % len(sources)], (WIDTH, HEIGHT), rng) for i in range(COUNT))
    return np.stack([np.asarray(image) for image in crops])


if __name__ == "__main__":
    main()
