"""write_whole: what is under the name is one writer's file, from its beginning to its end."""

import threading
from pathlib import Path
from typing import BinaryIO

from jaxdedup.runtime import write_whole


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
