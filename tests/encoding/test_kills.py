"""SIGKILL at a few random moments; ``make soak`` has a hundred."""

import subprocess
import sys


def test_the_next_run_gives_the_same() -> None:
    words = [sys.executable, "-m", "tests.soak.kills", "4"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all next runs gave the same" in done.stdout
