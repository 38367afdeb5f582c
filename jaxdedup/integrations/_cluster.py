"""Tasks on a Ray cluster: as many as there are, wherever there is room, whatever goes away."""

import os
from collections.abc import Callable, Generator, Mapping
from functools import partial
from itertools import islice
from logging import getLogger
from typing import Any

from jaxdedup.runtime import watched

_AHEAD = 1000  # tasks that Ray knows of: more of them slow its scheduler down

logger = getLogger("jaxdedup")


def run(
    function: Callable[..., None],
    shared: Any,
    todo: Mapping[str, tuple[Any, ...]],
    label: str | None,
    num_cpus: int | None,
    num_gpus: float | None,
) -> dict[str, str]:
    """Call a function on the cluster, with what calls share, a name and its other arguments.

    Args:
        function: is ready when it returns.
        shared: its first argument, shipped once.
        todo: by name, its second argument, those after it.
        label: of the progress bar; None for none.
        num_cpus, num_gpus: what a call takes of a node; None to choose.

    Returns:
        By name, why a call failed.
    """
    if not todo:
        return {}
    try:
        import ray
    except ImportError:
        raise ValueError("a cluster needs Ray: pip install 'jaxdedup[ray]'") from None
    if not ray.is_initialized():
        ray.init()
    # A machine that goes away costs its tasks a new start, as often as it takes others.
    options = {"max_retries": 10, **_share(ray.nodes(), num_cpus, num_gpus)}
    start = partial(ray.remote(**options)(_on_a_node).remote, function, ray.put(shared))
    failures = {}
    for name, error in watched(_results(start, todo), label, len(todo), "shard"):
        if error is not None:
            failures[name] = error
            logger.warning("%s: %s", name, error)
    return failures


def _results(
    start: Callable[..., Any], todo: Mapping[str, tuple[Any, ...]]
) -> Generator[tuple[str, str | None]]:
    """Each name, as its call ends, and why that failed."""
    import ray

    waiting = iter(todo.items())
    running: dict[Any, str] = {}
    try:
        while True:
            for name, arguments in islice(waiting, _AHEAD - len(running)):
                running[start(name, *arguments)] = name
            if not running:
                return
            (done, *_), _ = ray.wait(list(running))
            name = running.pop(done)
            try:
                ray.get(done)
                yield name, None
            except ray.exceptions.RayTaskError as error:
                yield name, f"{error.cause or error!s:.300}"
            except ray.exceptions.RayError as error:  # its process died, again and again
                yield name, f"{error!s:.300}"
    finally:
        for underway in running:
            ray.cancel(underway, force=True)


def _on_a_node(function: Callable[..., None], shared: Any, *arguments: Any) -> None:
    import ray

    # As many threads of XLA as cores were granted, which JAX reads when it first runs.
    granted = ray.get_runtime_context().get_assigned_resources().get("CPU", 1)
    os.environ.setdefault("NPROC", str(max(1, int(granted))))
    function(shared, *arguments)


def _share(
    nodes: list[dict[str, Any]], num_cpus: int | None, num_gpus: float | None
) -> dict[str, Any]:
    """What a task takes of a node."""
    resources = [node["Resources"] for node in nodes if node["Alive"]]
    resources = [resource for resource in resources if resource.get("CPU", 0) >= 1]
    cores = min((int(resource["CPU"]) for resource in resources), default=1)
    devices = min((int(resource.get("GPU", 0)) for resource in resources), default=0)
    return {
        "num_cpus": max(1, cores // max(1, devices)) if num_cpus is None else num_cpus,
        "num_gpus": min(1, devices) if num_gpus is None else num_gpus,
    }
