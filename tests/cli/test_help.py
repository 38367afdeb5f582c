"""What the command line says of itself, and what makes a shell complete it."""

import re
import shlex
import subprocess
import sys

import pytest

from jaxdedup import __version__
from jaxdedup.cli import main
from tests.cli.test_find import usage_error

Capture = pytest.CaptureFixture[str]
COMMANDS = ["encode", "find", "index", "query", "report", "completion"]


def told(capsys: Capture, *words: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 0
    return capsys.readouterr().out


def test_version(capsys: Capture) -> None:
    assert told(capsys, "--version") == f"jaxdedup {__version__}\n"


def test_help_names_every_command(capsys: Capture) -> None:
    text = told(capsys, "--help")
    assert all(f"\n    {command}" in text for command in COMMANDS)
    assert all(len(line) <= 94 for line in text.splitlines())


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_examples_are_understood(command: str, capsys: Capture) -> None:
    """Of each, all words: what they name does not exist here."""
    text = told(capsys, *command.split(), "--help")
    assert all(len(line) <= 94 for line in text.splitlines())
    examples = re.findall(r"^  jaxdedup ((?:(?! {2}| \|).)*)", text, re.M)
    assert examples or command == "completion"
    for example in examples:
        words = shlex.split(example)
        assert words[0] == command or not command
        message = usage_error(capsys, *words)
        assert message.startswith(f"usage: jaxdedup {words[0]} ")
        assert re.search("expected (an existing folder|a folder or|a zip)|No such file", message)
    if command:
        assert "exit codes: 0" in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion(shell: str, capsys: Capture) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in (*COMMANDS, "--against", "--failures"))
    if shell == "bash":
        offered = subprocess.run(
            [
                "bash",
                "-c",
                f"{script}\nCOMP_WORDS=(jaxdedup fi) COMP_CWORD=1\n"
                "_shtab_jaxdedup\necho ${COMPREPLY[@]}",
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        assert offered.stdout == "find\n"


def test_completion_without_shtab(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert "pip install 'jaxdedup[completion]'" in usage_error(capsys, "completion", "bash")
