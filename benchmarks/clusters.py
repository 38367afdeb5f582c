"""The path over Ray on one machine, beside one process; and whether the arithmetic holds.

python benchmarks/clusters.py --images 2000 --rows 1000000

Three things in one run: ``jaxdedup.integrations.ray.encode`` on one node beside ``encode_images``,
on the same files, each once to start up and then for the clock; a search in blocks through two
nodes beside ``hamming_pairs``; and one through a single node beside the seconds that
docs/clusters.md predicts from one block. At a threshold up to 3, ``--band-join`` has Spark find the
same pairs as its users do, by a join of four bands. ``--data-juicer DIRECTORY/bin/python``, an
environment with py-data-juicer, imagededup and ray, has its ray_image_deduplicator find the equal
hashes of the same files, beside ours; what stays must be the same. The result is in
benchmarks/results/clusters.json.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import ray
from _folders import uniform_folder
from _turns import save as save_result
from numpy.typing import NDArray
from ray.cluster_utils import Cluster

from jaxdedup.encoding import METHODS, Encodings, Recipe, save
from jaxdedup.integrations.ray import encode, find_matches, groups
from jaxdedup.methods import PHash
from jaxdedup.runtime import core_count
from jaxdedup.search import hamming_pairs

RECIPE = Recipe(METHODS["phash"])
SHARDS = 8


def seconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def first_and_second(function: Callable[[], Any]) -> dict[str, float]:
    first, second = seconds(function), seconds(function)
    return {"seconds": second, "start_up_s": first - second}


@contextmanager
def cluster(nodes: int) -> Iterator[None]:
    """Nodes that share the cores of this machine."""
    node = {"num_cpus": max(1, core_count() // nodes), "include_dashboard": False}
    started = Cluster(initialize_head=True, head_node_args=node)
    for _ in range(nodes - 1):
        started.add_node(**node)
    ray.init(started.address, logging_level="ERROR")
    yield
    ray.shutdown()
    started.shutdown()


def over_ray(function: Callable[[Path], dict[str, str]], place: Path) -> Callable[[], None]:
    """A run into an empty folder."""

    def run() -> None:
        shutil.rmtree(place / "output", ignore_errors=True)
        assert function(place / "output") == {}

    return run


def band_join(hashes: NDArray[np.uint8], threshold: int, place: Path) -> Callable[[], None]:
    """Hashes of 64 bits that differ in up to 3 agree in one of four bands of 16."""
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as spark

    values = hashes.view(">i8").ravel().astype(np.int64)
    table = pyarrow.table({"id": np.arange(len(values)), "hash": values})
    parquet.write_table(table, place / "hashes.parquet")
    builder = SparkSession.builder.master(f"local[{core_count()}]")
    session = builder.config("spark.driver.memory", "8g").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")

    def bands(side: str) -> Any:
        rows = session.read.parquet(str(place / "hashes.parquet"))
        each = [f"struct({n}, shiftright(hash, {16 * n}) & 65535)" for n in range(4)]
        rows = rows.withColumn("band", spark.explode(spark.expr(f"array({', '.join(each)})")))
        return rows.withColumnsRenamed({"id": f"{side}_id", "hash": f"{side}_hash"})

    def run() -> None:
        near = f"a_id < b_id AND bit_count(a_hash ^ b_hash) <= {threshold}"
        pairs = bands("a").join(bands("b"), "band").where(near).select("a_id", "b_id").distinct()
        pairs.write.parquet(str(place / "pairs"), mode="overwrite")

    return run


def equal_hashes(
    python: str, folder: Path, shards: dict[str, Any], place: Path
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Ours and Data-Juicer's, which keeps one of each of our groups; and its versions."""
    rows, matches = place / "output" / "rows", place / "output" / "matches"
    encoded = over_ray(lambda to: encode(shards, RECIPE, to / "rows", progress=False), place)

    def run() -> None:
        encoded()
        assert find_matches(rows, matches, threshold=0, copies=False, progress=False) == {}
        groups(rows, matches)

    with cluster(1):
        ours = first_and_second(run)
    command = [python, str(Path(__file__).with_name("_data_juicer.py")), folder, str(core_count())]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    answer = json.loads(printed.splitlines()[-1])
    first, second = answer["seconds"]
    group = dict(zip(*groups(rows, matches).to_pydict().values(), strict=True))
    kept = sorted(str(group.get(name, name)) for name in answer["kept"])
    assert kept == sorted({str(group.get(path.name, path.name)) for path in folder.iterdir()})
    theirs = {"seconds": second, "start_up_s": first - second}
    both = {"equal hashes over one node": ours, "equal hashes, Data-Juicer": theirs}
    return [{"what": what, **row, "kept": len(kept)} for what, row in both.items()], answer[
        "versions"
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "jaxdedup"))
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--threshold", type=int, default=10)
    parser.add_argument("--band-join", action="store_true")
    parser.add_argument("--data-juicer", metavar="PYTHON", help="where Data-Juicer lives")
    parser.add_argument("--name", default="clusters", help="of the result")
    arguments = parser.parse_args()

    folder = uniform_folder(arguments.folder, "640x480", arguments.images)
    files = [(path.name, str(path)) for path in sorted(folder.iterdir())]
    shards = {str(number): files[number::SHARDS] for number in range(SHARDS)}
    hashes = np.random.default_rng(0).integers(0, 256, (arguments.rows, 8), np.uint8)
    block = -(-arguments.rows // arguments.blocks)
    limit = {"max_distance": arguments.threshold}
    rows: list[dict[str, Any]] = []
    asked: dict[str, Any] = {
        "images": arguments.images,
        "hashes": arguments.rows,
        "blocks": arguments.blocks,
    }
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        (place / "rows").mkdir()
        for number, part in enumerate(np.array_split(hashes, SHARDS)):
            names = [f"{number}/{name}" for name in range(len(part))]
            save(place / "rows" / f"{number}.parquet", Encodings(names, part, RECIPE.origin))
        encoder = PHash(verbose=False)
        encoded = over_ray(lambda to: encode(shards, RECIPE, to, progress=False), place)
        search = {"threshold": arguments.threshold, "block_bytes": 8 * block, "progress": False}
        searched = over_ray(lambda to: find_matches(place / "rows", to, **search), place)

        here = first_and_second(lambda: encoder.encode_images(folder))
        rows.append({"what": "encode_images", **here})
        with cluster(1):
            rows.append({"what": "encode over one node", **first_and_second(encoded)})
            rows.append({"what": "search over one node", **first_and_second(searched)})
        one = first_and_second(lambda: hamming_pairs(hashes[:block], **limit))["seconds"]
        rows.append(
            {"what": "search over one node, predicted", "seconds": arguments.blocks**2 * one}
        )
        whole = first_and_second(lambda: hamming_pairs(hashes, **limit))
        rows.append({"what": "hamming_pairs", **whole})
        with cluster(2):
            rows.append({"what": "search over two nodes", **first_and_second(searched)})
        if arguments.band_join:
            joined = band_join(hashes, arguments.threshold, place)
            rows.append({"what": "Spark, a join of bands", **first_and_second(joined)})
        if arguments.data_juicer:
            both, asked["peers"] = equal_hashes(arguments.data_juicer, folder, shards, place)
            rows += both
    print(json.dumps(rows, indent=1))
    save_result(arguments.name, rows, threshold=arguments.threshold, ray=ray.__version__, **asked)


if __name__ == "__main__":
    main()
