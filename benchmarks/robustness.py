"""Which method finds which edited copies, and at what price in false positives?

    python benchmarks/robustness.py --pictures ~/pictures

Photographs are taken out of packages of Debian, npm and PyPI (`_photographs.py`), whose archives
are fetched into the folder unless they are there (without Debian's tools, put them there). Tiles of
them are edited (`_edits.py`) and encoded by every method; the encodings are kept in the folder, so
that a run that was stopped goes on (delete `rows-*` there when an edit changes). Thresholds are
chosen on half of the sources and judged on the other half, both ways round (`_rates.py`). Results
and curves go to `--output`.
"""

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _edits import EDITS
from _photographs import PACKAGES, photographs, tiles
from _rates import (
    FEWEST,
    Judged,
    Negatives,
    Sample,
    false_rate,
    judged,
    negatives,
    recall,
    rounded,
    threshold_at,
)
from _turns import RESULTS, environment
from PIL import Image
from tqdm import tqdm

# Images are few in a call, but calls are many: compile at once.
os.environ.setdefault("JAXDEDUP_FORM", "program")

from jaxdedup.duplicates import check_threshold
from jaxdedup.encoding import METHODS, Recipe, encode, method_named, oriented

SIZED = ("phash", "ahash", "dhash", "whash", "imagehash-phash")
NAMES = [name for base in METHODS for name in ([base, f"{base}-16"] if base in SIZED else [base])]
TURNED = ("phash", "phash-16", "dhash", "whash", "pdq")
TRIMMED = ("phash", "pdq")
RATES = (1e-3, 1e-4)
FAR = np.uint16(60000)  # from everything: what a method leaves out, as it shows too little
EITHER = "phash or cnn:0.85"


def recipes() -> dict[str, Recipe]:
    """By name, of what is encoded; those of originals may have several rows an image."""
    plain = {name: Recipe(method_named(name)) for name in NAMES}
    trimmed = {f"{name} trim": Recipe(method_named(name), trim=True) for name in TRIMMED}
    return plain | trimmed


def turned_recipes() -> dict[str, Recipe]:
    return {f"{name} orientations": Recipe(oriented(method_named(name))) for name in TURNED}


def encoded(images: list[Image.Image], recipe: Recipe) -> np.ndarray:
    """A row an image, and behind it whether the image shows enough for the method: 1 or 0."""
    results = sorted(encode(enumerate(images), recipe), key=lambda result: result.key)
    least = recipe.method.quality or 0
    shown = [result.quality is None or result.quality >= least for result in results]
    return np.column_stack([np.stack([result.row for result in results]), shown])


def encodings(images: list[Image.Image], cache: Path) -> dict[str, dict[str, np.ndarray]]:
    """The rows of all edits and all methods, by edit; kept in files, one an edit."""
    edits = {"original": Image.Image.copy}
    edits |= {name: edit for group in EDITS.values() for name, edit in group.items()}
    cache.mkdir(parents=True, exist_ok=True)
    result = {}
    for name, edit in tqdm(edits.items(), desc="edits"):
        path = cache / f"{name}.npz"
        if not path.exists():
            copies = [edit(image) for image in images]
            which = recipes() | (turned_recipes() if name == "original" else {})
            rows = {key: encoded(copies, recipe) for key, recipe in which.items()}
            np.savez(path.with_suffix(".part.npz"), **rows)
            path.with_suffix(".part.npz").rename(path)
        result[name] = dict(np.load(path))
    return result


def distances(name: str, rows: dict[str, dict[str, np.ndarray]]) -> np.ndarray:
    """``uint16[E, T, T]``: bits; or of features thousandths of 1 - the cosine similarity."""
    if name == EITHER:  # at 150: 10 bits, or a similarity of 0.85
        return np.minimum(15 * distances("phash", rows), distances("cnn", rows))
    plain = name.removesuffix(" orientations")
    measure = of_features if plain == "cnn" else of_bits
    originals = rows["original"][name]
    return np.stack([measure(originals, rows[edit][plain]) for edit in rows if edit != "original"])


def of_features(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    one, other = (
        x[:, :-1] / np.linalg.norm(x[:, :-1], axis=1, keepdims=True) for x in (one, other)
    )
    return np.ceil(1000 * (1 - one @ other.T) - 1e-3).clip(0).astype(np.uint16)


def of_bits(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The least over the orientations that the originals have."""
    width = other.shape[1] - 1
    turns = one[:, :-1].reshape(len(one), -1, width).swapaxes(0, 1)
    bits = [np.bitwise_count(t[:, None] ^ other[:, :-1]).sum(-1, np.uint16) for t in turns]
    shown = one[:, -1:].astype(bool) & other[:, -1].astype(bool)
    return np.where(shown, np.min(bits, axis=0), FAR)


def default_threshold(name: str) -> int:
    """The method's own, as an integer distance."""
    if name == EITHER:
        return 150
    value = check_threshold((recipes() | turned_recipes())[name].origin)
    return round(1000 * (1 - value)) if name == "cnn" else int(value)


def measured(sample: Sample, default: int) -> dict[str, Any]:
    """What a method finds at its default threshold, and at rates of false positives."""
    found = negatives(sample)
    row: dict[str, Any] = {
        "default": {
            "threshold": default,
            "pairs_of_sources": int(found.pairs[min(default, len(found.pairs) - 1)]),
            **counted([judged(sample, default)]),
        },
        # Where a default has fewer pairs of sources, its rate is known to be lower than this.
        "least_rate": rounded(found.rate[np.searchsorted(found.pairs, FEWEST)]),
        "curve": list(curve(sample, found)),
    }
    halves = np.random.default_rng(0).permutation(sample.sources.max() + 1) % 2 == 0
    sides = [sample.part(halves), sample.part(~halves)]
    for rate in RATES:
        thresholds = [threshold_at(side, rate) for side in sides][::-1]
        if None not in thresholds:
            parts = [judged(*pair) for pair in zip(sides, thresholds, strict=True)]
            row[f"{rate:.0e}"] = {"thresholds": thresholds, **counted(parts)}
    return row


def curve(sample: Sample, found: Negatives) -> Iterator[dict[str, Any]]:
    """Recall by group against the rate, where the rate stands on enough sources."""
    last = 0.0
    for threshold in range(int(np.searchsorted(found.pairs, FEWEST)), len(found.rate)):
        rate = found.rate[threshold]
        if 1.15 * last < rate < 0.1:
            near = (sample.copies <= threshold).mean(1)
            groups = {group: rounded(near[edits].mean()) for group, edits in numbered().items()}
            yield {"threshold": threshold, "rate": rounded(rate), "recall": groups}
            last = rate


def numbered() -> dict[str, list[int]]:
    """The numbers of each group's edits."""
    names = [name for group in EDITS.values() for name in group]
    groups = {group: [names.index(name) for name in edits] for group, edits in EDITS.items()}
    return groups | {"all but turned": [n for g, ns in groups.items() if g != "turned" for n in ns]}


def counted(parts: list[Judged]) -> dict[str, Any]:
    names = [name for group in EDITS.values() for name in group]
    return {
        "false_positives": false_rate(parts),
        "groups": {group: recall(parts, edits) for group, edits in numbered().items()},
        "edits": {name: recall(parts, [number]).value for number, name in enumerate(names)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--output", type=Path, default=RESULTS / "robustness.json")
    parser.add_argument("--small", action="store_true", help="a few packages, for a quick look")
    options = parser.parse_args()
    photos = photographs(options.pictures, PACKAGES[-5:] if options.small else PACKAGES)
    cut = [(photo.name, tile) for photo in photos for tile in tiles(photo.image)]
    names, sources = np.unique([name for name, _ in cut], return_inverse=True)
    print(f"{len(cut)} tiles of {len(names)} photographs")
    rows = encodings([tile for _, tile in cut], options.pictures / f"rows-{len(cut)}")
    methods = tqdm([*recipes(), *turned_recipes(), EITHER], desc="methods")
    results = {
        name: measured(Sample(distances(name, rows), sources), default_threshold(name))
        for name in methods
    }
    document = {
        "environment": environment() | {"tiles": len(cut), "edits": list(rows)[1:]},
        "sources": dict(zip(names.tolist(), np.bincount(sources).tolist(), strict=True)),
        "rows": results,
    }
    options.output.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
