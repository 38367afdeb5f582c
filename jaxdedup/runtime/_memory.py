"""The memory that this process may use."""

import os
from collections.abc import Iterator

from ._cgroups import settings


def granted_memory() -> int:
    """The bytes of memory that this process may use: the machine's, or what its cgroup is granted.

    Example:
        >>> granted_memory() > 2**20
        True
    """
    return min(_limits())


def _limits() -> Iterator[int]:
    yield _of_the_machine()
    for limit in settings("memory", "memory.max", "memory.limit_in_bytes"):
        yield from (int(word) for word in limit if word.isdecimal())  # or "max"


def _of_the_machine() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return 8 * 2**30
