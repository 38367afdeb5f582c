"""Shards of pictures, some of which wait until they are let go."""

import io
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image


def picture(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (24, 32, 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "png")
    return content.getvalue()


def zips(folder: Path, count: int, each: int = 4) -> list[str]:
    """Zip files of pictures, the first of each the last of the one before, and one that is none."""
    folder.mkdir()
    paths = [folder / f"{shard}.zip" for shard in range(count)]
    for shard, path in enumerate(paths):
        with zipfile.ZipFile(path, "w") as file:
            for number in range(each):
                file.writestr(f"{shard}/{number}.png", picture(shard * (each - 1) + number))
            file.writestr(f"{shard}/bad.png", b"")
    return [str(path) for path in paths]


@dataclass(frozen=True)
class Watched:
    """A shard that notes each time it is read and waits, if it is to, for a file called "go"."""

    folder: Path
    number: int
    waits: bool = True

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        with (self.folder / f"read-{self.number}").open("a") as file:
            file.write("once\n")
        while self.waits and not (self.folder / "go").exists():
            time.sleep(0.01)
        yield from ((f"{self.number}/{i}.png", picture(3 * self.number + i)) for i in range(4))

    def times_read(self) -> int:
        path = self.folder / f"read-{self.number}"
        return len(path.read_text().splitlines()) if path.exists() else 0
