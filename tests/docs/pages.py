"""Runs what pages show: ``python tests/docs/pages.py docs/start.md …``.

The blocks of a page go in order, in a folder of their own where the sample pictures of
docs/start.md are: Python in one namespace, the results of its examples compared; commands, their
output compared with the ``text`` that follows. Needs nothing but jaxdedup itself.
"""

import doctest
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import chdir, redirect_stdout
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from jaxdedup.cli import main

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "docs" / "start.md"  # its first block of Python makes the pictures
# What installs, and what measures for minutes: shown, not run.
NOT_RUN = re.compile(r"(pip|make|git|python -m venv|python benchmarks/\w+\.py)\b")


class Block(NamedTuple):
    language: str
    line: int
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """What a page shows in Python, in the shell, and of the shell's output."""
    text = page.read_text("utf-8")
    for match in re.finditer(r"^```(python|sh|text)\n(.*?)^```$", text, re.M | re.S):
        yield Block(match[1], text.count("\n", 0, match.start(2)), match[2])


def run_page(page: Path) -> None:
    """Run the blocks of a page in a new folder with the sample pictures."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        if page != SAMPLE:
            exec(next(block.text for block in blocks(SAMPLE) if block.language == "python"), {})
        names: dict[str, Any] = {"__name__": "__main__"}
        for block, after in pairwise([*blocks(page), Block("", 0, "")]):
            if block.language == "python":
                run_python(page, block, names)
            elif block.language == "sh":
                output = run_shell(page, block)
                assert after.language != "text" or output == after.text, (after.line, output)


def run_python(page: Path, block: Block, names: dict[str, Any]) -> None:
    if ">>> " not in block.text:
        # As many lines in front as on the page, so that an error names the page's.
        exec(compile("\n" * block.line + block.text, str(page), "exec"), names)
        return
    test = doctest.DocTestParser().get_doctest(block.text, names, page.name, str(page), block.line)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    runner.run(test, out=said.append, clear_globs=False)
    names |= test.globs
    assert not said, "".join(said)


def run_shell(page: Path, block: Block) -> str:
    """What the commands print."""
    commands = [line for line in block.text.splitlines() if line and not line.startswith("#")]
    shown = [line for line in commands if NOT_RUN.match(line)]
    assert shown in ([], commands), f"{page}:{block.line}: what is not run has blocks of its own"
    return "" if shown else "".join(map(run_command, commands))


def run_command(command: str) -> str:
    """By bash; what is jaxdedup's alone in this process, which has its programs already."""
    words = shlex.split(command, comments=True)
    if words[0] == "jaxdedup" and not re.search("[|&<>;]", command):
        with redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8")) as output:
            assert main(words[1:]) == 0, command
            output.seek(0)
            return output.read()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    bash = ["bash", "-euo", "pipefail", "-c", command]
    environment = os.environ | {"PATH": path}
    return subprocess.run(bash, env=environment, stdout=-1, text=True, check=True).stdout


if __name__ == "__main__":
    for name in sys.argv[1:]:
        start = time.perf_counter()
        run_page(Path(name).resolve())
        print(f"{name}: {time.perf_counter() - start:.1f} s")
