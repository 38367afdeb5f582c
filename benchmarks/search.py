"""How long does finding all near-duplicates take, and how does the time grow?

    python benchmarks/search.py --python imagededup=idd/bin/python faiss=faiss/bin/python
    python benchmarks/search.py --task growth

Random hashes of 64 or 256 bits, a twentieth of them copies of others with 0 to 13 bits flipped, at
threshold 10; normally distributed features of 1,024 columns, a twentieth of them noisy copies, at
0.9. Every engine reads the same file in a process of its own, on all cores, and must find the same
pairs.
"first" is the first call in a fresh process, compilation included, imports and reading excluded;
"again" the same call repeated. Memory is the peak of the whole process. The peers (imagededup;
faiss-cpu; scikit-learn) may live in environments of their own; one that is missing is left out.
"""

import argparse
import hashlib
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

SEED = 20190501
DISTANCE, SIMILARITY = 10, 0.9

Pairs = tuple[np.ndarray, np.ndarray]


def random_hashes(count: int, width: int = 64) -> np.ndarray:
    rng = np.random.default_rng(SEED)
    hashes = rng.integers(0, 256, (count, width // 8), dtype=np.uint8)
    copies = rng.choice(count, count // 20, replace=False)
    bits = np.unpackbits(hashes[rng.integers(0, count, len(copies))], axis=1)
    for row in bits:
        row[rng.choice(width, rng.integers(14), replace=False)] ^= 1
    hashes[copies] = np.packbits(bits, axis=1)
    return hashes


def random_wide_hashes(count: int) -> np.ndarray:
    return random_hashes(count, 256)


def random_features(count: int) -> np.ndarray:
    rng = np.random.default_rng(SEED)
    features = rng.standard_normal((count, 1024), np.float32)
    copies = rng.choice(count, count // 20, replace=False)
    for row, source in zip(copies, rng.integers(0, count, len(copies)), strict=True):
        noise = rng.standard_normal(1024, np.float32) * np.float32(rng.uniform(0, 0.8))
        features[row] = features[source] + noise
    return features


# Each engine takes the data and returns the function to be timed; that returns pairs with i < j.


def jaxdedup_map(hashes: np.ndarray) -> Callable[[], Pairs]:
    from jaxdedup.search import hamming_pairs, neighbours

    texts = {f"{row}.jpg": hash_.tobytes().hex() for row, hash_ in enumerate(hashes)}

    def run() -> Pairs:
        names = list(texts)
        packed = np.frombuffer(bytes.fromhex("".join(texts.values())), np.uint8).reshape(-1, 8)
        near = neighbours(hamming_pairs(packed, max_distance=DISTANCE), len(names))
        others = [names[index] for index in near.indices.tolist()]
        scored = list(zip(others, near.score.tolist(), strict=True))
        ends = near.starts.tolist()
        return map_to_pairs({name: scored[ends[n] : ends[n + 1]] for n, name in enumerate(names)})

    return run


def imagededup_map(hashes: np.ndarray) -> Callable[[], Pairs]:
    from imagededup.methods import PHash

    texts = {f"{row}.jpg": hash_.tobytes().hex() for row, hash_ in enumerate(hashes)}
    encoder = PHash(verbose=False)
    return lambda: map_to_pairs(
        encoder.find_duplicates(encoding_map=texts, max_distance_threshold=DISTANCE, scores=True)
    )


def map_to_pairs(duplicates: dict[str, list[tuple[str, int]]]) -> Pairs:
    index = {name: n for n, name in enumerate(duplicates)}
    both = [(index[i], index[j]) for i, found in duplicates.items() for j, _ in found]
    i, j = np.array([pair for pair in both if pair[0] < pair[1]]).reshape(-1, 2).T
    return i, j


def jaxdedup_hamming(hashes: np.ndarray) -> Callable[[], Pairs]:
    from jaxdedup.search import hamming_pairs

    return lambda: hamming_pairs(hashes, max_distance=DISTANCE)[:2]


def jaxdedup_brute_force(hashes: np.ndarray) -> Callable[[], Pairs]:
    from jaxdedup.search import _bands, _hamming

    _hamming.choose_bands = lambda words, corpus, width, max_distance: _bands.BRUTE_FORCE
    return jaxdedup_hamming(hashes)


def faiss_hamming(hashes: np.ndarray) -> Callable[[], Pairs]:
    import faiss

    index = faiss.IndexBinaryFlat(8 * hashes.shape[1])
    index.add(hashes)

    def run() -> Pairs:
        # FAISS wants distances below its radius.
        limits, _, j = index.range_search(hashes, DISTANCE + 1)
        i = np.repeat(np.arange(len(hashes)), np.diff(limits.astype(np.int64)))
        return i[i < j], j[i < j]

    return run


def jaxdedup_cosine(features: np.ndarray) -> Callable[[], Pairs]:
    from jaxdedup.search import cosine_pairs

    return lambda: cosine_pairs(features, min_similarity=SIMILARITY)[:2]


def scikit_learn_cosine(features: np.ndarray) -> Callable[[], Pairs]:
    from sklearn.metrics.pairwise import cosine_similarity

    def chunks() -> Iterator[Pairs]:
        for start in range(0, len(features), 1000):
            similarity = cosine_similarity(features[start : start + 1000], features)
            i, j = np.nonzero(similarity >= SIMILARITY)
            yield i + start, j

    def run() -> Pairs:
        i, j = (np.concatenate(column) for column in zip(*chunks(), strict=True))
        return i[i < j], j[i < j]

    return run


Engine = Callable[[np.ndarray], Callable[[], Pairs]]
TASKS: dict[str, tuple[Callable[[int], np.ndarray], int, dict[str, Engine]]] = {
    "dict": (random_hashes, 20_000, {"jaxdedup": jaxdedup_map, "imagededup": imagededup_map}),
    "hamming": (
        random_hashes,
        100_000,
        {
            "jaxdedup": jaxdedup_hamming,
            "jaxdedup brute force": jaxdedup_brute_force,
            "faiss": faiss_hamming,
        },
    ),
    "hamming 256": (
        random_wide_hashes,
        100_000,
        {"jaxdedup": jaxdedup_hamming, "faiss": faiss_hamming},
    ),
    "million": (random_hashes, 1_000_000, {"jaxdedup": jaxdedup_hamming}),
    "cosine": (
        random_features,
        50_000,
        {"jaxdedup": jaxdedup_cosine, "scikit-learn": scikit_learn_cosine},
    ),
}
GROWTH = {
    "hamming": (random_hashes, jaxdedup_hamming, [10**3, 10**4, 10**5, 10**6, 10**7]),
    "cosine": (random_features, jaxdedup_cosine, [10**3, 10**4, 5 * 10**4]),
}
ONCE_AGAIN = ("jaxdedup", "growth")  # the peers compile nothing
LONG = 10**7  # rows, whose search is long beside any compilation


def run_here(task: str, engine: str, path: str) -> None:
    """In a process of its own: runs one engine and prints what it measured."""
    data = np.load(path)
    bound = (GROWTH[task][1] if engine == "growth" else TASKS[task][2][engine])(data)
    seconds = []
    again = engine.startswith(ONCE_AGAIN) and len(data) < LONG
    for _ in range(2 if again else 1):
        start = time.perf_counter()
        i, j = bound()
        seconds.append(time.perf_counter() - start)
    order = np.lexsort((j, i))
    text = np.stack([i[order], j[order]]).astype("<i8").tobytes()
    unit = 1 if sys.platform == "darwin" else 1024
    measured = {
        "first": round(seconds[0], 4),
        "again": round(seconds[-1], 4),
        "pairs": len(i),
        "digest": hashlib.sha256(text).hexdigest(),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 10**6,
    }
    print(json.dumps(measured))


def measure(task: str, engine: str, path: Path, python: str) -> dict | None:
    command = [python, __file__, "--run", task, engine, str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"{task}: {engine} left out: {done.stderr.strip().splitlines()[-1:]}", flush=True)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def compare(task: str, pythons: dict[str, str], only: list[str] | None) -> list[dict]:
    make, count, engines = TASKS[task]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.npy"
        np.save(path, make(count))
        for engine in only or engines:
            if measured := measure(task, engine, path, pythons.get(engine, sys.executable)):
                rows.append({"task": task, "engine": engine, "count": count, **measured})
                print_row(rows[-1])
    if len({row["digest"] for row in rows}) > 1:
        raise SystemExit(f"{task}: the engines found different pairs")
    return rows


def growth() -> list[dict]:
    rows = []
    for task, (make, _, counts) in GROWTH.items():
        previous = None
        for count in counts:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "data.npy"
                np.save(path, make(count))
                measured = measure(task, "growth", path, sys.executable)
            assert measured is not None
            row = {"task": f"growth of {task}", "engine": "jaxdedup", "count": count, **measured}
            if previous:
                times, sizes = row["again"] / previous["again"], count / previous["count"]
                row["exponent"] = round(math.log(times) / math.log(sizes), 2)
            previous = row
            rows.append(row)
            print_row(row)
    return rows


def print_row(row: dict) -> None:
    print(
        f"{row['task']:18} {row['engine']:20} {row['count']:>9,}  first {row['first']:8.3f} s  "
        f"again {row['again']:8.3f} s  {row['pairs']:>7,} pairs  peak {row['peak_mb']:>5} MB"
        + (f"  exponent {row['exponent']}" if "exponent" in row else ""),
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", nargs="*", default=[], metavar="ENGINE=PYTHON")
    parser.add_argument("--task", nargs="*", default=[*TASKS, "growth"])
    parser.add_argument("--engine", nargs="*", help="only these")
    parser.add_argument("--output", type=Path, help="a JSON file, whose rows are kept or replaced")
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run_here(*options.run)
        return
    pythons = dict(entry.split("=", 1) for entry in options.python)
    rows = []
    for task in options.task:
        rows += growth() if task == "growth" else compare(task, pythons, options.engine)
    if options.output:
        kept = json.loads(options.output.read_text()) if options.output.exists() else []
        by_name = {(row["task"], row["engine"], row["count"]): row for row in kept + rows}
        options.output.write_text(json.dumps([*by_name.values()], indent=1) + "\n")


if __name__ == "__main__":
    main()
