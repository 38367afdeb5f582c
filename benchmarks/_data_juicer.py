"""Data-Juicer's deduplication of a folder over Ray on one node, in an environment of its own.

python _data_juicer.py FOLDER CORES

Prints a line of JSON: the seconds of two runs, the names of the files that the second kept, and the
versions of what ran.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import ray
from data_juicer.core.data.ray_dataset import RayDataset
from data_juicer.ops.deduplicator.ray_image_deduplicator import RayImageDeduplicator

BLOCKS = 8
PACKAGES = ("py-data-juicer", "imagededup", "torch", "ray")


def deduplicated(folder: Path) -> list[str]:
    items = [{"images": [str(path)]} for path in sorted(folder.iterdir())]
    dataset = RayDataset(ray.data.from_items(items, override_num_blocks=BLOCKS))
    kept = dataset.process([RayImageDeduplicator(method="phash")]).get_column("images")
    return [Path(path).name for (path,) in kept]


def main() -> None:
    folder, cores = Path(sys.argv[1]), int(sys.argv[2])
    ray.init(num_cpus=cores, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        kept = deduplicated(folder)
        seconds.append(time.perf_counter() - start)
    versions = {name: version(name) for name in PACKAGES}
    print(json.dumps({"seconds": seconds, "kept": kept, "versions": versions}))


if __name__ == "__main__":
    main()
