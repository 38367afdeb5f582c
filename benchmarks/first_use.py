"""What does a new process take for its first images, beside imagededup?

    python benchmarks/first_use.py --peer-python PEERS/bin/python

Every run is a new process without any cache: importing, compiling, decoding and hashing, its CPU
seconds, wall seconds and peak memory taken by the operating system. Beside jaxdedup as it is stand
the two paths that it chooses between: Pillow alone ("host"), and the one program from the first
image on ("program"). Contestants take turns, and the median of the rounds is told.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

OURS = """
import logging, sys
logging.disable(logging.WARNING)
from jaxdedup import methods
encoder = getattr(methods, sys.argv[2])(verbose=False)
"""
THEIRS = """
import logging, sys, types
logging.disable(logging.WARNING)
for name, members in {
    "imagededup.methods.cnn": ["CNN"],
    "imagededup.utils.models": ["CustomModel", "MobilenetV3", "ViT", "EfficientNet"],
    "imagededup.utils.data_generator": ["img_dataloader"],
}.items():  # the package imports its CNN, and torch with it; without, it starts faster
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(dict.fromkeys(members))
from imagededup import methods
encoder = getattr(methods, sys.argv[2])(verbose=False)
"""
FOLDER = "encoder.encode_images(sys.argv[1])\n"
IMAGES = """
import os
for name in sorted(os.listdir(sys.argv[1])):
    encoder.encode_image(os.path.join(sys.argv[1], name))
"""
# What is encoded, how many images, whether one by one, and rounds.
JOBS = {
    "1 image": ("mixed", 1, True, 5),
    "10 mixed": ("mixed", 10, False, 5),
    "60 mixed, one by one": ("mixed", 60, True, 5),
    "60 mixed": ("mixed", 60, False, 5),
    "400 mixed": ("mixed", 400, False, 5),
    "1,000 mixed": ("mixed", 1000, False, 3),
    "4,000 mixed": ("mixed", 4000, False, 2),
    "40,000 mixed": ("mixed", 40000, False, 1),
    "2,000 of 640x480": ("640x480", 2000, False, 3),
}
FORMS = {"jaxdedup": "", "host": "host", "program": "program"}


def folder_of(work: Path, kind: str, count: int) -> Path:
    """The images of a job; a large mixed folder names 1,000 different ones again and again."""
    from _folders import mixed_folder, uniform_folder

    if kind != "mixed":
        return uniform_folder(work, kind, count)
    if count <= 1000:
        return mixed_folder(work, count)
    folder = work / f"mixed-{count}"
    if not folder.exists():
        unfinished = work / f"mixed-{count}.part"
        unfinished.mkdir(parents=True)
        for path in sorted(mixed_folder(work, 1000).iterdir()):
            for copy in range(count // 1000):
                os.link(path, unfinished / f"{copy}-{path.name}")
        unfinished.rename(folder)
    return folder


def measure(command: list[str], form: str) -> dict[str, float]:
    """CPU seconds, wall seconds and peak megabytes of a process and its children."""
    start = time.perf_counter()
    environment = os.environ | {"JAXDEDUP_FORM": form}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # installed packages come compiled
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command[:1]} failed")
    return {
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "wall_s": time.perf_counter() - start,
        "peak_mb": usage.ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer-python", help="the interpreter that has imagededup")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--method", default="PHash")
    parser.add_argument("--rounds", type=int, help="in place of each job's own")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "jaxdedup-bench"))
    parser.add_argument("--save", metavar="NAME", default="first_use")
    options = parser.parse_args()

    from _turns import save

    rows: list[dict[str, Any]] = []
    print("| job | contestant | CPU s | of imagededup's | wall s | of imagededup's | peak MB |")
    print("|---|---|---|---|---|---|---|")
    for job in options.jobs:
        kind, count, one_by_one, rounds = JOBS[job]
        folder = str(folder_of(options.work, kind, count))
        body = IMAGES if one_by_one else FOLDER
        commands = {
            name: ([sys.executable, "-c", OURS + body], form) for name, form in FORMS.items()
        }
        if options.peer_python:
            commands["imagededup"] = ([options.peer_python, "-c", THEIRS + body], "")
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
        for _ in range(options.rounds or rounds):
            for name, (command, form) in commands.items():
                runs[name].append(measure([*command, folder, options.method], form))
        medians = {
            name: {key: statistics.median(run[key] for run in measured) for key in measured[0]}
            for name, measured in runs.items()
        }
        peer = medians.get("imagededup", {"cpu_s": float("nan"), "wall_s": float("nan")})
        for name, row in medians.items():
            cpu, wall = row["cpu_s"] / peer["cpu_s"], row["wall_s"] / peer["wall_s"]
            print(
                f"| {job} | {name} | {row['cpu_s']:.1f} | {cpu:.2f} | {row['wall_s']:.1f} "
                f"| {wall:.2f} | {row['peak_mb']:.0f} |",
                flush=True,
            )
            rows.append({"job": job, "method": options.method, "contestant": name} | row)
    save(options.save, rows)


if __name__ == "__main__":
    main()
