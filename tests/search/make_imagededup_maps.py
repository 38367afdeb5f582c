"""Makes imagededup_maps.json: what imagededup's find_duplicates finds in random sets of hashes.

    python -m venv peer && peer/bin/pip install imagededup==0.3.3.post2
    peer/bin/python make_imagededup_maps.py

Each set has near-duplicates planted at every distance from 0 to 20. The maps, at all thresholds
from 0 to 64, are stored as the SHA-256 of a canonical text (see ``canonical``), and the one at 12
in full, so that a difference can be looked into.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

SETS = 20
SEED = 20190501


def planted_hashes(rng: np.random.Generator, count: int) -> np.ndarray:
    """uint8[count, 64] bits; most rows are copies of others with some bits flipped."""
    bits = rng.integers(0, 2, (count, 64), dtype=np.uint8)
    for row in range(1, count):
        if rng.random() < 0.7:
            bits[row] = bits[rng.integers(row)]
            bits[row, rng.choice(64, rng.integers(21), replace=False)] ^= 1
    return bits


def canonical(neighbours: list[list[tuple[int, int]]]) -> str:
    """One text for one map: for each item the distances and indices, sorted."""
    return json.dumps([sorted(item) for item in neighbours], separators=(",", ":"))


def main() -> None:
    from importlib.metadata import version

    from imagededup.methods import PHash

    encoder = PHash(verbose=False)
    rng = np.random.default_rng(SEED)
    sets = []
    for number in range(SETS):
        hashes = np.packbits(planted_hashes(rng, 2 + 3 * number), axis=1)
        encodings = {str(row): hashes[row].tobytes().hex() for row in range(len(hashes))}
        texts = []
        for threshold in range(65):
            found = encoder.find_duplicates(
                encoding_map=encodings,
                max_distance_threshold=threshold,
                scores=True,
                num_dist_workers=0,
            )
            assert list(found) == list(encodings)
            texts.append(
                canonical([[(int(d), int(name)) for name, d in found[key]] for key in found])
            )
        sets.append(
            {
                "hashes": list(encodings.values()),
                "sha256": [hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts],
                "at 12": json.loads(texts[12]),
            }
        )
    result = {"made_with": f"imagededup {version('imagededup')}, seed {SEED}", "sets": sets}
    Path(__file__).with_name("imagededup_maps.json").write_text(
        json.dumps(result, separators=(",", ":")) + "\n"
    )


if __name__ == "__main__":
    main()
