"""SIGKILL at random moments of encoding, caching, saving and reporting.

``python -m tests.soak.kills 100`` prints what was found; it ends with an error where a next run did
not give the same result, or a file was there in part. The processes are forked before JAX has run
in any of them, so that a hundred take minutes.
"""

import argparse
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from jaxdedup.duplicates import find_matches
from jaxdedup.encoding import METHODS, Encodings, Recipe, encode_source, load, save
from jaxdedup.loading import Folder
from jaxdedup.report import save_report

_FILES = 60


class _Place:
    """A folder of pictures, and the files that a run leaves."""

    def __init__(self, top: Path) -> None:
        self.photos = top / "photos"
        self.cache, self.hashes, self.page = top / "cache", top / "hashes.npz", top / "page.html"
        self.expected = top / "expected.npz"
        self.photos.mkdir()
        for n in range(_FILES):
            cells = np.random.default_rng(n // 2).integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(cells).resize((160, 120)).save(self.photos / f"{n}.png")

    def run(self) -> Encodings:
        """What is killed: a folder encoded, with a cache, saved and shown."""
        recipe = Recipe(METHODS["phash"])
        source = Folder(self.photos)
        encodings, _ = encode_source(source, recipe, cache=self.cache)
        save(self.hashes, encodings)
        save_report(self.page, find_matches(encodings), source)
        return encodings

    def check(self) -> None:
        """After a kill: files are whole or absent, and the next run gives the same."""
        expected = load(self.expected)
        if self.hashes.exists():
            assert load(self.hashes) == expected
        if self.page.exists():
            assert self.page.read_text().endswith("</html>\n")
        assert self.run() == expected
        assert load(self.hashes) == expected


def _in_child(work: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}")
            os._exit(1)
    return child


def _waited_for(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def survive(kills: int, seed: int) -> Counter[str]:
    """Kill as many runs, each at a moment of its own, and look at what each has left."""
    chance, found = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory() as top:
        place = _Place(Path(top))
        start = time.monotonic()
        assert _waited_for(_in_child(lambda: save(place.expected, place.run()))) == 0
        seconds = time.monotonic() - start
        for _ in range(kills):
            for path in (place.cache, place.hashes, place.page):
                if chance.random() < 0.5:
                    path.unlink(missing_ok=True)
            child = _in_child(place.run)
            time.sleep(chance.uniform(0, seconds))
            os.kill(child, signal.SIGKILL)
            found["killed" if _waited_for(child) < 0 else "ended before"] += 1
            assert _waited_for(_in_child(place.check)) == 0
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kills", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print("kills:", dict(survive(options.kills, options.seed)), "and all next runs gave the same")
