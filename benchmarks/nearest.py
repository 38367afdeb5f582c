"""How long do the k nearest take, beside FAISS' flat indexes, and one query of an index?

    python benchmarks/nearest.py --peer-python PEERS/bin/python

The 10 nearest of random hashes or features among random ones. jaxdedup takes plain arrays; FAISS
has built its index before, of the hashes or of features of unit length. Both use all cores, in
processes of their own, in turns; a run is repeated for about a quarter of a second, and the median
of the rounds counts, with the least of them beside it. The answers are compared: the distances of
hashes exactly, the similarities of features within 1e-5.

"radius" finds what is within 10 bits of hashes, beside range_search of FAISS' flat index and of its
multi-index hashing: four bands of 16 bits of which 2 may differ, which is exact up to 11. "index"
is the same of one hash and an index in a file, opened and warm; "open" is how long opening the
file takes, jaxdedup alone.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from subprocess import PIPE
from typing import Any

import numpy as np
from _turns import PAUSE_S, save

SEED = 20190501
K, DISTANCE = 10, 10
HASHES = [(10**5 * 2, 64), (10**6, 64), (10**7, 64), (10**5 * 2, 256), (10**6, 256)]
FEATURES = [(5 * 10**4, 256), (5 * 10**4, 1024), (10**6, 256)]
RADIUS = [10**5 * 2, 10**6, 10**7]
QUERIES = {"hashes": [1, 100, 2000], "features": [1, 100, 1000]}

Search = Callable[[], np.ndarray]


def data(kind: str, count: int, width: int, queries: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(SEED)
    if kind == "features":
        return (
            rng.standard_normal((queries, width), np.float32),
            rng.standard_normal((count, width), np.float32),
        )
    corpus = rng.integers(0, 256, (count, width // 8), dtype=np.uint8)
    return rng.integers(0, 256, (queries, width // 8), dtype=np.uint8), corpus


def jaxdedup(kind: str, count: int, width: int, queries: int) -> Search:
    from jaxdedup.search import cosine_top_k, hamming_pairs, hamming_top_k

    wanted, corpus = data(kind, count, width, queries)
    if kind == "hashes":
        return lambda: hamming_top_k(wanted, corpus, k=K).distance
    if kind == "features":
        return lambda: cosine_top_k(wanted, corpus, k=K).similarity
    if kind == "radius":
        return lambda: np.sort(hamming_pairs(wanted, corpus, max_distance=DISTANCE).distance)
    from jaxdedup.encoding import METHODS, Encodings, Recipe
    from jaxdedup.index import Index

    origin, path = Recipe(METHODS["phash"]).origin, Path(tempfile.mkdtemp()) / "corpus.idx"
    Index.build(Encodings([f"{n:08}.jpg" for n in range(count)], corpus, origin)).save(path)
    start = time.perf_counter()
    index = Index.open(path)
    print(f"open: {time.perf_counter() - start:.4f} s, {path.stat().st_size:,} B", file=sys.stderr)
    new = Encodings([str(n) for n in range(queries)], wanted, origin)
    return lambda: np.sort(index.query(new, threshold=DISTANCE).neighbours().score)


def faiss(kind: str, count: int, width: int, queries: int) -> Search:
    import faiss

    wanted, corpus = data(kind, count, width, queries)
    if kind == "features":
        for rows in (wanted, corpus):
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        index = faiss.IndexFlatIP(width)
        index.add(corpus)
        return lambda: index.search(wanted, K)[0]
    return faiss_hashes(faiss.IndexBinaryFlat(width), kind, wanted, corpus)


def multi_hash(kind: str, count: int, width: int, queries: int) -> Search:
    import faiss

    index = faiss.IndexBinaryMultiHash(width, 4, 16)
    index.nflip = 2
    return faiss_hashes(index, kind, *data(kind, count, width, queries))


def faiss_hashes(index: Any, kind: str, wanted: np.ndarray, corpus: np.ndarray) -> Search:
    index.add(corpus)
    if kind == "hashes":
        return lambda: index.search(wanted, K)[0]
    # FAISS wants distances below its radius.
    return lambda: np.sort(index.range_search(wanted, DISTANCE + 1)[1])


CONTESTANTS = {"jaxdedup": jaxdedup, "faiss": faiss, "multi-hash": multi_hash}


def run_here(contestant: str, kind: str, count: int, width: int, queries: int) -> None:
    """In a process of its own: what a search finds, then the seconds of one for each line."""
    search = CONTESTANTS[contestant](kind, count, width, queries)
    start = time.perf_counter()
    found = search()
    first = time.perf_counter() - start
    print(json.dumps({"first": first, "found": found[:50].astype(float).tolist()}), flush=True)
    for _ in sys.stdin:
        start, times = time.perf_counter(), 0
        while times == 0 or time.perf_counter() - start < 0.25:
            search()
            times += 1
        print((time.perf_counter() - start) / times, flush=True)


def ask_in_turns(
    commands: dict[str, list[str]], rounds: int
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The first line of each command's output, and the others, a line asked for by a line."""
    processes = {
        name: subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True)
        for name, command in commands.items()
    }
    ready = {name: process.stdout.readline() for name, process in processes.items()}
    answers: dict[str, list[str]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, process in processes.items():
            time.sleep(PAUSE_S)
            process.stdin.write("\n")
            process.stdin.flush()
            answers[name].append(process.stdout.readline())
    for process in processes.values():
        process.communicate()  # the end of its input ends it
    return ready, answers


def compare(
    kind: str, count: int, width: int, queries: int, peer_python: str | None, rounds: int
) -> list[dict]:
    task = [kind, str(count), str(width), str(queries)]
    peers = ["faiss", "multi-hash"] if kind in ("radius", "index") else ["faiss"]
    pythons = {"jaxdedup": sys.executable} | dict.fromkeys(
        peers if peer_python else [], peer_python
    )
    commands = {
        name: [python, __file__, "--contestant", name, *task] for name, python in pythons.items()
    }
    ready, answers = ask_in_turns(commands, rounds)
    found = [json.loads(answer)["found"] for answer in ready.values()]
    for other in found[1:]:
        tolerance = 1e-5 if kind == "features" else 0
        np.testing.assert_allclose(found[0], other, rtol=0, atol=tolerance)
    rows = []
    for name in commands:
        seconds = np.array([float(answer) for answer in answers[name]])
        ratio = np.median([float(a) for a in answers["jaxdedup"]] / seconds)
        rows.append(
            {
                "kind": kind,
                "count": count,
                "width": width,
                "queries": queries,
                "contestant": name,
                "ms": float(np.median(seconds) * 1e3),
                "least_ms": float(seconds.min() * 1e3),
                "first_ms": json.loads(ready[name])["first"] * 1e3,
                "jaxdedup_is": float(1 / ratio),
            }
        )
        print(
            f"{kind:8} {count:>10,} × {width:4}  {queries:>5,} queries  {name:10} "
            f"{rows[-1]['ms']:10.2f} ms, least {rows[-1]['least_ms']:10.2f}  "
            f"jaxdedup is {rows[-1]['jaxdedup_is']:.2f} ×",
            flush=True,
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer-python", help="the interpreter that has faiss-cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--most", type=float, default=2e10, help="products to compare at most")
    parser.add_argument("--save", metavar="NAME", default="nearest")
    parser.add_argument("--contestant", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        name, kind, *numbers = options.contestant
        run_here(name, kind, *map(int, numbers))
        return
    tasks = [("hashes", *size, queries) for size, queries in product(HASHES, QUERIES["hashes"])]
    tasks += [
        ("features", *size, queries) for size, queries in product(FEATURES, QUERIES["features"])
    ]
    tasks += [("radius", count, 64, queries) for count in RADIUS for queries in QUERIES["hashes"]]
    tasks.append(("index", 10**7, 64, 1))
    rows = []
    for kind, count, width, queries in tasks:
        if count * queries > options.most:
            continue
        rows += compare(kind, count, width, queries, options.peer_python, options.rounds)
        save(options.save, rows, k=K)


if __name__ == "__main__":
    main()
