"""The cores and memory that a process is granted: the least of all limits."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jaxdedup.runtime import _cgroups, _cores, core_count, granted_memory

CORES = len(os.sched_getaffinity(0))
MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where cgroups are, of which this process is in none."""
    monkeypatch.setattr(_cgroups, "_CGROUPS", tmp_path)
    monkeypatch.setattr(_cgroups, "_OF_THIS_PROCESS", tmp_path / "self")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    _cores._quotas.cache_clear()
    yield tmp_path
    _cores._quotas.cache_clear()


def set_limits(
    groups: Path, controllers: str, outer: dict[str, str], inner: dict[str, str]
) -> None:
    (groups / "self").write_text(f"1:{controllers}:/outer/inner\n")
    folder = groups / controllers / "outer" / "inner"
    folder.mkdir(parents=True)
    for place, limits in ((folder.parent, outer), (folder, inner)):
        for name, limit in limits.items():
            (place / name).write_text(f"{limit}\n")


def test_the_machine(groups: Path) -> None:
    assert (core_count(), granted_memory()) == (CORES, MEMORY)


@pytest.mark.parametrize(
    ("controllers", "name"), [("", "memory.max"), ("memory", "memory.limit_in_bytes")]
)
def test_memory_of_all_groups_above(controllers: str, name: str, groups: Path) -> None:
    set_limits(groups, controllers, {name: "1234567"}, {name: "max"})
    assert granted_memory() == 1234567


QUOTA, PERIOD = "cpu.cfs_quota_us", "cpu.cfs_period_us"


@pytest.mark.parametrize(
    ("controllers", "outer", "inner", "cores"),
    [
        ("", {"cpu.max": "50000 100000"}, {"cpu.max": "max 100000"}, 1),
        ("", {"cpu.max": "101000 100000"}, {}, 2),
        ("", {"cpu.max": "max 100000"}, {"cpu.max": "99999900000 100000"}, CORES),
        ("cpu,cpuacct", {QUOTA: "100000", PERIOD: "100000"}, {QUOTA: "-1", PERIOD: "100000"}, 1),
        ("cpuset", {QUOTA: "100000", PERIOD: "100000"}, {}, CORES),
    ],
)
def test_cores_of_all_groups_above(
    controllers: str, outer: dict[str, str], inner: dict[str, str], cores: int, groups: Path
) -> None:
    set_limits(groups, controllers, outer, inner)
    assert core_count() == min(cores, CORES)


@pytest.mark.parametrize(("told", "cores"), [("1", 1), ("1,4", 1), ("999", CORES), ("all", CORES)])
def test_cores_that_an_engine_grants(
    told: str, cores: int, groups: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert core_count() == cores


def test_cores_that_the_process_is_bound_to(groups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 8})
    assert core_count() == 3
