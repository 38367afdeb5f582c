"""write_whole: what is under the name is one writer's file, from its beginning to its end."""

import threading
from pathlib import Path
from typing import BinaryIO

import pytest

from jaxdedup.runtime import refuse_unless_writable, write_whole


def test_two_writers_of_one_path(tmp_path: Path) -> None:
    """Each is in the middle of its file while the other one writes."""
    path = tmp_path / "file"
    both = threading.Barrier(2, timeout=10)
    errors: list[Exception] = []

    def write(file: BinaryIO, letter: bytes) -> None:
        file.write(letter)
        file.flush()
        both.wait()
        file.write(letter)

    def save(letter: bytes) -> None:
        try:
            write_whole(path, lambda file: write(file, letter))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=save, args=(letter,)) for letter in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert path.read_bytes() in (b"aa", b"bb")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_an_error_names_the_file(tmp_path: Path) -> None:
    """Not the unfinished one, which nobody has heard of."""
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    for path in (tmp_path / "missing" / "file", tmp_path / "folder"):
        with pytest.raises(OSError, match=f"{path}'$"):
            write_whole(path, lambda file: None)


def test_a_folder_that_is_open_to_nobody() -> None:
    """Whatever its permissions say: the kernel alone makes files there."""
    with pytest.raises(PermissionError, match="folder that can be written to, got '/dev/fd'"):
        refuse_unless_writable("/dev/fd/hashes.npz")
