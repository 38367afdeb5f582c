"""Makes imagededup_results.json: imagededup's duplicates, and which of them it would remove.

    python -m venv peer && peer/bin/pip install imagededup==0.3.3.post2
    peer/bin/python make_imagededup_results.py

The hashes are those of ``../search/imagededup_maps.json``: 20 random sets with near-duplicates
planted at every distance from 0 to 20. For each set and each threshold from 0 to 64 the result is
stored as the start of the SHA-256 of a text (see ``digest``), and the map at 12 in full, so that a
difference can be looked into.
"""

import hashlib
import json
from pathlib import Path

HASHES = Path(__file__).resolve().parent.parent / "search" / "imagededup_maps.json"


def digest(duplicates: dict[str, list[tuple[str, int]]], to_remove: list[str]) -> str:
    """One text for a result: keys and lists in their order, the removed ones as a set."""
    found = [
        [name, [[other, int(score)] for other, score in duplicates[name]]] for name in duplicates
    ]
    text = json.dumps([found, sorted(to_remove)], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def main() -> None:
    from importlib.metadata import version

    from imagededup.methods import PHash

    encoder = PHash(verbose=False)
    sets = []
    for stored in json.loads(HASHES.read_text())["sets"]:
        encodings = {f"{row}.jpg": hash_ for row, hash_ in enumerate(stored["hashes"])}
        digests = []
        for threshold in range(65):
            options = {
                "encoding_map": encodings,
                "max_distance_threshold": threshold,
                "num_dist_workers": 0,
            }
            found = encoder.find_duplicates(scores=True, **options)
            removed = encoder.find_duplicates_to_remove(**options)
            digests.append(digest(found, removed))
            if threshold == 12:
                at_12 = found
        sets.append({"digests": digests, "at 12": at_12})
    result = {"made_with": f"imagededup {version('imagededup')}", "sets": sets}
    Path(__file__).with_name("imagededup_results.json").write_text(
        json.dumps(result, separators=(",", ":")) + "\n"
    )


if __name__ == "__main__":
    main()
