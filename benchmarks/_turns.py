"""Fair timing: each contestant in a process of its own, running in turns.

A process first runs once untimed, which takes its imports, compilations and cold caches out. Then
the contestants take turns, so that a change in the machine's load meets all of them.
"""

import datetime
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"

# Before each run, where threads of another's spin on after it: ONNX Runtime's for 50 ms, OpenBLAS'
# for 90.
PAUSE_S = 0.2


def serve(run: Callable[[], int]) -> None:
    """In a contestant's process: warm up, then time a run for each line that comes in.

    ``run`` returns how many images it dealt with.
    """
    start = time.perf_counter()
    images = run()
    warm_up = time.perf_counter() - start
    print(json.dumps({"images": images, "warm_up_s": warm_up}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        run()
        seconds = time.perf_counter() - start
        peaks = [
            resource.getrusage(who).ru_maxrss
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        ]
        print(json.dumps({"seconds": seconds, "peak_mb": max(peaks) / 1024}), flush=True)


def take_turns(commands: dict[str, list[str]], rounds: int) -> dict[str, dict[str, Any]]:
    """Time each command, which ends in :func:`serve`; the median of the rounds, a row each."""
    processes, rows = {}, {}
    for name, command in commands.items():
        processes[name] = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        rows[name] = json.loads(_answer(processes[name]))
    answers: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, process in processes.items():
            process.stdin.write("go\n")
            process.stdin.flush()
            answers[name].append(json.loads(_answer(process)))
    for name, process in processes.items():
        process.communicate()  # the end of its input ends it
        rows[name]["seconds"] = statistics.median(a["seconds"] for a in answers[name])
        rows[name]["images_per_second"] = rows[name]["images"] / rows[name]["seconds"]
        rows[name]["peak_mb"] = max(a["peak_mb"] for a in answers[name])
    return rows


def _answer(process: "subprocess.Popen[str]") -> str:
    answer = process.stdout.readline()
    if not answer:
        raise SystemExit(f"{process.args!r} gave no answer")
    return answer


def environment() -> dict[str, Any]:
    """What the numbers were measured on."""
    import jax
    import numpy
    import PIL
    import simplejpeg

    import jaxdedup
    from jaxdedup.runtime import core_count

    cpu = platform.processor()
    if os.path.exists("/proc/cpuinfo"):
        names = [s for s in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in s]
        cpu = names[0].partition(": ")[2] if names else cpu
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": cpu,
        "cores": core_count(),
        "device": jax.devices()[0].device_kind,
        "python": platform.python_version(),
        "jaxdedup": jaxdedup.__version__,
        "jax": jax.__version__,
        "numpy": numpy.__version__,
        "Pillow": PIL.__version__,
        "simplejpeg": simplejpeg.__version__,
    }


def save(name: str, rows: list[dict[str, Any]], **facts: Any) -> None:
    """Write the rows, with the environment, to ``benchmarks/results/NAME.json``."""
    RESULTS.mkdir(exist_ok=True)
    document = {"environment": environment() | facts, "rows": rows}
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
