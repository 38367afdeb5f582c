"""Forked processes: right where JAX had not run, and an error at once where it had."""

import json
import subprocess
import sys

SCRIPT = """
import json, os, pickle, sys, warnings
import numpy as np
warnings.simplefilter("ignore")
import jaxdedup
from jaxdedup import encoding, image, imagehash, methods, mobilenet, search
from jaxdedup.duplicates import find_matches, find_nearest, iter_pairs
from jaxdedup.index import Index
from jaxdedup.methods import CNN, PHash

pixels = np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8)
hashes, features = np.zeros((4, 8), np.uint8), np.ones((4, 8), np.float32)
names = {"a": "00" * 8, "b": "01" * 8}
recipe = encoding.Recipe(encoding.METHODS["phash"])
encodings = encoding.Encodings.from_map(names, recipe.origin)
hasher = PHash(verbose=False)
calls = {
    "phash": lambda: jaxdedup.phash(pixels),
    "whash": lambda: jaxdedup.whash(pixels),
    "pdq": lambda: jaxdedup.pdq(pixels),
    "imagehash.dhash": lambda: imagehash.dhash(pixels),
    "colorhash": lambda: imagehash.colorhash(pixels),
    "to_bits": lambda: jaxdedup.to_bits(hashes),
    "hamming_distance": lambda: jaxdedup.hamming_distance(hashes, hashes),
    "resize": lambda: image.resize(pixels, (8, 8)),
    "rgb_to_luma": lambda: image.rgb_to_luma(pixels),
    "features": lambda: mobilenet.features(mobilenet.load_params(), pixels[None]),
    "hamming_pairs": lambda: search.hamming_pairs(hashes),
    "iter_hamming_pairs": lambda: search.iter_hamming_pairs(hashes),
    "cosine_pairs": lambda: search.cosine_pairs(features),
    "hamming_top_k": lambda: search.hamming_top_k(hashes, k=1),
    "cosine_top_k": lambda: search.cosine_top_k(features, k=1),
    "encode": lambda: list(encoding.encode([("a", pixels)], recipe)),
    "find_matches": lambda: find_matches(encodings).to_dict(),
    "find_nearest": lambda: find_nearest(encodings, encodings, k=1),
    "iter_pairs": lambda: list(iter_pairs(encodings)),
    "Index": lambda: Index.build(encodings).query(encodings, threshold=3),
    "encode_image": lambda: hasher.encode_image(image_array=pixels),
    "encode_images": lambda: hasher.encode_images(sys.argv[1]),
    "encode_batch": lambda: hasher.encode_batch([pixels]),
    "find_duplicates": lambda: hasher.find_duplicates(encoding_map=names),
    "CNN": lambda: network.encode_image(image_array=pixels),
}

def in_child(work):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, json.dumps(work()).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as result:
        told = json.load(result)
    os.waitpid(child, 0)
    return told

def refusals():
    told = {}
    for name, call in calls.items():
        try:
            call()
            told[name] = "nothing"
        except RuntimeError as error:
            told[name] = str(error)
    return told

encoded = lambda: hasher.encode_batch([pixels])
in_fresh_child = in_child(encoded)
network = CNN(verbose=False)
print(json.dumps([in_fresh_child, encoded(), in_child(refusals)]))
"""


def test_a_forked_process_is_right_or_says_so_at_once(reference_images: object) -> None:
    words = [sys.executable, "-c", SCRIPT, str(reference_images)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    before, here, after = json.loads(done.stdout)
    assert before == here
    assert len(after) == 25
    for name, told in after.items():
        assert "'spawn' or 'forkserver'" in told, name
