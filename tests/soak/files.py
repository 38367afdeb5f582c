"""Damaged files by the thousand: Pillow's pixels or a reason, and the same by the stream."""

import argparse
import random
import warnings
from collections import Counter

import numpy as np
from PIL import Image

from jaxdedup.encoding import METHODS, Recipe, encode
from jaxdedup.loading import DecodeError, decode
from tests.damage import FILES, damaged, pillow_pixels

_TRIES = 3


def _is_as_pillow_has_it(content: bytes) -> bool:
    pixels = pillow_pixels(content)
    try:
        found = decode(content)
    except DecodeError:
        return pixels is None
    return pixels is not None and np.array_equal(found, pixels)


def survive(count: int, seed: int) -> Counter[str]:
    """Decode as many damaged files, alone and in a stream, beside Pillow."""
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = 500_000
    chance, found, wrong = random.Random(seed), Counter[str](), []
    kinds = sorted(FILES)
    contents, expected = [], {}
    for n in range(count):
        edits = [
            (chance.randrange(2**16), chance.randrange(256)) for _ in range(chance.randrange(1, 9))
        ]
        kept = 1.0 if chance.random() < 0.8 else chance.random()
        content = damaged(FILES[chance.choice(kinds)], edits, kept)
        pixels = pillow_pixels(content)
        # Of a strip that is cut short, Pillow shows what was in its memory: twice is not the same.
        is_same = any(_is_as_pillow_has_it(content) for _ in range(_TRIES))
        found["as Pillow" if is_same else "wrong"] += 1
        found["loaded"] += pixels is not None
        contents.append((n, content))
        if pixels is not None:
            expected[n] = pixels
    recipe = Recipe(METHODS["phash"])
    hashes = {key: row for key, row, *_ in encode(contents, recipe) if row is not None}
    for key, row, *_ in encode(expected.items(), recipe):
        if row is None or key not in hashes or (row != hashes[key]).any():
            wrong.append(key)
    found["wrong hashes"] = len(wrong) + len(hashes.keys() - expected.keys())
    assert not found["wrong"]
    assert not found["wrong hashes"]
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print("files:", dict(survive(options.count, options.seed)))
