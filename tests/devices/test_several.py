"""What is marked ``four_devices``, wherever it stands, in one process that has four."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_four_devices() -> None:
    files = [x for x in ROOT.glob("tests/*/test_*.py") if "mark.four_devices" in x.read_text()]
    words = ["-m", "pytest", "-q", "-m", "four_devices", "-p", "no:cacheprovider"]
    process = subprocess.run(
        [sys.executable, *words, *files],
        cwd=ROOT,
        env=os.environ | {"JAX_NUM_CPU_DEVICES": "4", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout
