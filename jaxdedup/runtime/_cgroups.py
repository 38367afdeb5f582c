"""What the cgroups of this process, and all that they are in, are granted."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OF_THIS_PROCESS = Path("/proc/self/cgroup")


def settings(controller: str, unified: str, *separate: str) -> Iterator[list[str]]:
    """The words of a setting in each group that has it.

    Args:
        controller: such as ``"memory"``.
        unified: the file of the setting in the second version of cgroups.
        separate: the files of it in the first.
    """
    with suppress(OSError):
        for line in _OF_THIS_PROCESS.read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if not controllers:
                yield from _upwards(_CGROUPS, group, (unified,))
            elif controller in controllers.split(","):
                for name in {
                    controller,
                    controllers,
                }:  # one of which links to the other, or neither
                    yield from _upwards(_CGROUPS / name, group, separate)


def _upwards(top: Path, group: str, names: tuple[str, ...]) -> Iterator[list[str]]:
    place = top / group.lstrip("/")
    for folder in (place, *place.parents):
        if folder != top and top not in folder.parents:
            break
        with suppress(OSError):
            yield [word for name in names for word in (folder / name).read_text().split()]
