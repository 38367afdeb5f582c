"""How fast are ImageHash's hashes, PDQ, and eight orientations, in memory and from a folder?

    python benchmarks/family.py --peer-python ~/peers/bin/python

64 natural images of 640×480. jaxdedup beside the packages whose bits it gives, ImageHash and
pdqhash, in a pool of one thread a core (their best), each contestant in a process of its own, in
turns; "placed" is jaxdedup where the images are a jax.Array already. ``--peer-python`` has both
packages. The folder holds 800 JPEGs of that size; "decode" is the bound: the same decoder and
threads as jaxdedup's, and nothing after it.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from _turns import save, serve, take_turns
from PIL import Image

COUNT, WIDTH, HEIGHT = 64, 640, 480
# By what is measured: our contestants, and theirs.
CONTESTANTS = {
    "phash-8": ["ours:imagehash-phash", "placed:imagehash-phash", "peer:phash-8"],
    "phash-16": ["ours:imagehash-phash-16", "placed:imagehash-phash-16", "peer:phash-16"],
    "pdq": ["ours:pdq", "placed:pdq", "peer:pdq"],
    "orientations": ["stream:none", "stream:all"],
    "folder": [
        "folder:phash",
        "folder:phash, all orientations",
        "folder:imagehash-phash",
        "folder:imagehash-phash-16",
        "folder:pdq",
        "folder:decode",
        "peer-folder:phash-8",
        "peer-folder:phash-16",
        "peer-folder:pdq",
    ],
}
FILES = 800


def ours(name: str, images: np.ndarray) -> Callable[[], object]:
    import jax

    import jaxdedup
    from jaxdedup import imagehash

    if name == "pdq":
        return lambda: jax.block_until_ready(jaxdedup.pdq(images))
    size = int(name.rpartition("-")[2]) if name[-1].isdigit() else 8
    return lambda: jax.block_until_ready(imagehash.phash(images, size))


def placed(name: str, images: np.ndarray) -> Callable[[], object]:
    import jax

    return ours(name, jax.device_put(images))


def stream(orientations: str, images: np.ndarray) -> Callable[[], object]:
    from jaxdedup.encoding import METHODS, Recipe, encode, oriented

    recipe = Recipe(oriented(METHODS["phash"], orientations))
    for _ in encode(enumerate([images[0]] * 1200), recipe):  # the program is compiled meanwhile
        pass
    return lambda: list(encode(enumerate(images), recipe))


def folder(name: str, path: str) -> Callable[[], object]:
    from jaxdedup import loading
    from jaxdedup.encoding import Recipe, decode_batches, encode, method_named, oriented

    source = loading.Folder(path)
    method, _, all_turns = ("phash" if name == "decode" else name).partition(", ")
    recipe = Recipe(oriented(method_named(method), "all" if all_turns else "none"))
    if name == "decode":
        return lambda: list(
            decode_batches((item for _, item in source), recipe, lambda batch: None)
        )
    return lambda: list(encode(source, recipe))


def peer_hash(name: str) -> Callable[[Image.Image], object]:
    if name == "pdq":
        import pdqhash

        return lambda image: pdqhash.compute(np.asarray(image))
    import imagehash

    size = int(name.rpartition("-")[2])
    return lambda image: str(imagehash.phash(image, size))


def peer(name: str, images: np.ndarray) -> Callable[[], object]:
    pool, function = ThreadPoolExecutor(os.cpu_count()), peer_hash(name)
    return lambda: list(pool.map(lambda image: function(Image.fromarray(image)), images))


def peer_folder(name: str, path: str) -> Callable[[], object]:
    pool, function = ThreadPoolExecutor(os.cpu_count()), peer_hash(name)

    def one(file: str) -> object:
        with Image.open(os.path.join(path, file)) as image:
            return function(image.convert("RGB"))

    return lambda: list(pool.map(one, os.listdir(path)))


KINDS = {
    "ours": ours,
    "placed": placed,
    "stream": stream,
    "folder": folder,
    "peer": peer,
    "peer-folder": peer_folder,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "jaxdedup-bench"))
    parser.add_argument("--save", metavar="NAME", default="family")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        contestant, path = options.serve
        kind, _, name = contestant.partition(":")
        is_folder = kind.endswith("folder")
        run = KINDS[kind](name, path if is_folder else np.load(path))
        serve(lambda: (run(), FILES if is_folder else COUNT)[1])
        return
    rows = []
    print("| what | contestant | ms/image | the first is |")
    print("|---|---|---|---|")
    from _folders import uniform_folder

    files = str(uniform_folder(options.work, f"{WIDTH}x{HEIGHT}", FILES))
    with tempfile.TemporaryDirectory() as place:
        images = os.path.join(place, "images.npy")
        np.save(images, natural_images())
        for what, contestants in CONTESTANTS.items():
            path = files if what == "folder" else images
            commands = {
                name: [python_of(name, options.peer_python), __file__, "--serve", name, path]
                for name in contestants
            }
            timed = take_turns(commands, options.rounds)
            first = timed[contestants[0]]["seconds"]
            for name, row in timed.items():
                ms = 1e3 / row["images_per_second"]
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
