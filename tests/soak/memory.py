"""The peak memory of encoding many files, beside that of few."""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from jaxdedup.encoding import METHODS, Recipe, encode_source
from jaxdedup.loading import Folder

_BASE = 1_000
_DIFFERENT = 100  # files; the others are links to them


def _peak(count: int) -> int:
    """Megabytes, of a process of its own."""
    words = [sys.executable, "-m", "tests.soak.memory", "--one", str(count)]
    # Few files would not be worth compiling a program for, which takes 100 MB once.
    environment = {**os.environ, "JAXDEDUP_FORM": "program"}
    done = subprocess.run(words, check=True, capture_output=True, text=True, env=environment)
    return int(done.stdout)


def _encode(count: int) -> int:
    with tempfile.TemporaryDirectory() as top:
        for n in range(count):
            path = Path(top, f"{n}.jpg")
            if n < _DIFFERENT:
                cells = np.random.default_rng(n).integers(0, 256, (8, 8, 3), np.uint8)
                Image.fromarray(cells).resize((64, 64)).save(path)
            else:
                os.link(Path(top, f"{n % _DIFFERENT}.jpg"), path)
        encodings, _ = encode_source(Folder(top), Recipe(METHODS["phash"]))
        assert len(encodings) == count
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("--one", action="store_true")
    options = parser.parse_args()
    if options.one:
        print(_encode(options.count))
    else:
        few, many = _peak(_BASE), _peak(options.count)
        print(f"memory: {_BASE:,} files {few} MB, {options.count:,} files {many} MB,", end=" ")
        print(f"{many / few:.2f} times")
