"""How does decoding grow with threads, and with processes of a few threads?

    python benchmarks/threads.py --threads 1 4 8 16 --processes 4

A folder of JPEGs of 640×480 is decoded into batches, and nothing more: first in one process of so
many threads, then in several processes of four threads at the same time. "decoder" is simplejpeg
alone on what was read before, in threads that share nothing.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from _folders import uniform_folder
from _turns import save

IMAGES = 1600


def decode(paths: list[Path], threads: int) -> None:
    from jaxdedup.encoding import METHODS, Recipe, decode_batches

    def nothing(batch: object) -> None:
        pass

    for _ in decode_batches(paths, Recipe(METHODS["phash"]), nothing, num_workers=threads):
        pass


def decoder(paths: list[Path], threads: int) -> None:
    import numpy as np
    import simplejpeg

    def run(some: list[bytes]) -> None:
        buffer = np.empty((480, 640, 3), np.uint8)
        for content in some:
            simplejpeg.decode_jpeg(content, "RGB", buffer=buffer)

    contents = [path.read_bytes() for path in paths]
    workers = [threading.Thread(target=run, args=(contents[n::threads],)) for n in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def rate(function: Callable[[list[Path], int], None], folder: Path, threads: int) -> float:
    paths = sorted(folder.iterdir())
    function(paths[:200], threads)
    start = time.perf_counter()
    function(paths, threads)
    return len(paths) / (time.perf_counter() - start)


def rate_of_processes(processes: int, folder: Path) -> float:
    command = [sys.executable, __file__, "--serve", str(folder)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    return sum(float(json.loads(process.communicate()[0])) for process in running)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2, 4])
    parser.add_argument("--processes", type=int, default=1, help="of four threads each")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "jaxdedup-bench"))
    parser.add_argument("--save", metavar="NAME", default="threads")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        print(rate(decode, options.serve, 4))
        return
    folder = uniform_folder(options.work, "640x480", IMAGES)
    rows = []
    for what in (decode, decoder):
        for threads in options.threads:
            once = rate(what, folder, threads)
            rows.append({"what": what.__name__, "threads": threads, "images_per_second": once})
            print(*rows[-1].values(), sep="\t", flush=True)
    once = rate_of_processes(options.processes, folder)
    rows.append({"what": f"{options.processes} × decode", "threads": 4, "images_per_second": once})
    print(*rows[-1].values(), sep="\t")
    save(options.save, rows)


if __name__ == "__main__":
    main()
