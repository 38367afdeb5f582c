"""The memory that a process is granted: the least of the machine's and its cgroups' limits."""

import os
from pathlib import Path

import pytest

from jaxdedup.runtime import _memory, granted_memory


def test_the_machine() -> None:
    assert 0 < granted_memory() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize(
    ("controller", "name"), [("", "memory.max"), ("memory", "memory.limit_in_bytes")]
)
def test_the_limits_of_all_groups_above(
    controller: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_memory, "_CGROUPS", tmp_path)
    group = tmp_path / controller / "outer" / "inner"
    group.mkdir(parents=True)
    (group / name).write_text("max\n")
    (group.parent / name).write_text("123456789\n")
    assert list(_memory._of_cgroup(controller, "/outer/inner")) == [123456789]
