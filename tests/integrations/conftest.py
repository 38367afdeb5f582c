"""Two nodes of a Ray cluster, on this machine."""

from collections.abc import Iterator
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

_NODE = {"num_cpus": 1, "object_store_memory": 10**8, "include_dashboard": False}


class Nodes:
    """A head without cores, where the driver is, and two nodes that work."""

    def __init__(self) -> None:
        self.cluster = Cluster(initialize_head=True, head_node_args={**_NODE, "num_cpus": 0})
        self.working = [self.add(), self.add()]
        ray.init(self.cluster.address, logging_level="ERROR", log_to_driver=False)

    def add(self) -> Any:
        return self.cluster.add_node(**_NODE)

    def replace_one(self) -> None:
        """Kill a node at once, whatever it does, and start another."""
        self.cluster.remove_node(self.working.pop(0), allow_graceful=False)
        self.working.append(self.add())


@pytest.fixture(scope="session")
def nodes() -> Iterator[Nodes]:
    nodes = Nodes()
    yield nodes
    ray.shutdown()
    nodes.cluster.shutdown()
