"""The memory that this process may use."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def granted_memory() -> int:
    """The bytes of memory that this process may use: the machine's, or what its cgroup is granted.

    Example:
        >>> granted_memory() > 2**20
        True
    """
    return min(_limits())


def _limits() -> Iterator[int]:
    yield _of_the_machine()
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if controllers in ("", "memory"):  # the second version of cgroups, or the first
                yield from _of_cgroup(controllers, group)


def _of_the_machine() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return 8 * 2**30


def _of_cgroup(controller: str, group: str) -> Iterator[int]:
    """The limits of a group and of all that it is in."""
    name = "memory.limit_in_bytes" if controller else "memory.max"
    top = _CGROUPS / controller
    place = top / group.lstrip("/")
    for folder in (place, *place.parents):
        if folder != top and top not in folder.parents:
            break
        with suppress(OSError, ValueError):  # no such file, or "max"
            yield int((folder / name).read_text())
