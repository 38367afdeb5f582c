"""The cores that this process may use."""

import os
from collections.abc import Iterator
from functools import cache

from ._cgroups import settings


def core_count() -> int:
    """The number of cores that this process may use.

    The least of the machine's, of those that it is bound to, of what its cgroups are granted a
    second, rounded up, and of ``OMP_NUM_THREADS``, by which engines (Ray, Spark, torchrun) tell
    each of many processes on a machine its share.

    Example:
        >>> core_count() >= 1
        True
    """
    return max(1, min(_limits()))


def _limits() -> Iterator[int]:
    yield os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        yield len(os.sched_getaffinity(0))
    yield from _quotas()
    share = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if share.isdecimal():
        yield int(share)


@cache  # this is asked for each batch
def _quotas() -> list[int]:
    quotas = settings("cpu", "cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us")
    limited = [map(int, quota) for quota in quotas if all(map(str.isdecimal, quota))]
    return [-(-granted // period) for granted, period in limited]
