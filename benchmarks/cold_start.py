"""How long from starting Python to the first hash of one image?

    python benchmarks/cold_start.py --peer-python PEERS/bin/python

Each run is a new process: imports, compilation and the hash, timed from outside. jaxdedup also
says how much of it is importing JAX and how much is compiling.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OURS = """
import time
start = time.perf_counter()
import jax
jax_s = time.perf_counter() - start
from jaxdedup.methods import {method}
import_s = time.perf_counter() - start
encoder = {method}(verbose=False)
encoder.encode_image({file!r})
first_s = time.perf_counter() - start - import_s
start = time.perf_counter()
encoder.encode_image({file!r})
import json
again_s = time.perf_counter() - start
print(json.dumps(dict(import_jax_s=jax_s, import_s=import_s, compile_s=first_s - again_s)))
"""
THEIRS = """
import sys, types
for name, members in {stubs!r}.items():
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(dict.fromkeys(members))
from imagededup.methods import {method}
{method}(verbose=False).encode_image({file!r})
print("{{}}")
"""
# The package imports its CNN, and torch with it. Without, it starts faster: the fairer rival.
STUBS = {
    "imagededup.methods.cnn": ["CNN"],
    "imagededup.utils.models": ["CustomModel", "MobilenetV3", "ViT", "EfficientNet"],
    "imagededup.utils.data_generator": ["img_dataloader"],
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer-python", help="the interpreter that has imagededup")
    parser.add_argument("--methods", nargs="+", default=["PHash", "WHash"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "jaxdedup-bench"))
    options = parser.parse_args()

    from _folders import uniform_folder
    from _turns import save

    file = str(next(uniform_folder(options.work, "640x480", 50).iterdir()))
    rows = []
    print("| method | contestant | seconds | import jax | import all | compile |")
    print("|---|---|---|---|---|---|")
    for method in options.methods:
        scripts = {"jaxdedup": [sys.executable, OURS.format(method=method, file=file)]}
        if options.peer_python:
            script = THEIRS.format(method=method, file=file, stubs=STUBS)
            scripts["imagededup"] = [options.peer_python, script]
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in scripts}
        for round_ in range(options.rounds + 1):
            for name, (python, script) in scripts.items():
                start = time.perf_counter()
                output = subprocess.check_output([python, "-c", script], text=True)
                seconds = time.perf_counter() - start
                if round_:  # the first one reads the disk
                    runs[name].append({"seconds": seconds} | json.loads(output))
        for name, measured in runs.items():
            row = {key: statistics.median(m[key] for m in measured) for key in measured[0]}
            rows.append({"method": method, "contestant": name} | row)
            parts = ("seconds", "import_jax_s", "import_s", "compile_s")
            cells = " | ".join(f"{row[p]:.2f}" if p in row else "" for p in parts)
            print(f"| {method} | {name} | {cells} |", flush=True)
    save("cold_start", rows, rounds=options.rounds)


if __name__ == "__main__":
    main()
