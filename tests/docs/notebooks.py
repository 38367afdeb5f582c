"""Runs notebooks and saves what they show: ``python tests/docs/notebooks.py FILE.ipynb …``.

What is saved is the same after each run: no times, no counters, no versions.
"""

import os
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ENVIRONMENT = {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # jaxdedup's command
    "PYTHONWARNINGS": "ignore:IProgress not found",  # bars of text, which pages can show
    "TQDM_BAR_FORMAT": "{l_bar}{bar}| {n_fmt}/{total_fmt}",  # no times
}


def run(path: Path) -> nbformat.NotebookNode:
    """The notebook after a run in a new kernel; what a cell raises is raised."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", record_timing=False, coalesce_streams=True
    ).execute(env=os.environ | ENVIRONMENT)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for output in outputs(notebook):
        if output.output_type == "stream":
            # As a terminal shows it: what comes after a carriage return lies over what was before.
            output.text = re.sub(r".*\r(?=.)", "", output.text)
    return notebook


def outputs(notebook: nbformat.NotebookNode) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


def said(notebook: nbformat.NotebookNode) -> list[Any]:
    """All that is shown in words; drawings differ by a pixel with each version of Matplotlib."""
    return [
        output.get("text") or [output.data.get("text/plain"), sorted(output.data)]
        for output in outputs(notebook)
    ]


if __name__ == "__main__":
    for name in sys.argv[1:]:
        nbformat.write(run(Path(name)), name)
