"""Ray on one machine as if it were several, all on 127.0.0.1: a head and nodes of one core each.

Run by a Python without ComfyUI in it, so `import ray` and the folder `tests/support` are all it needs.
"""

import os
import secrets
import signal
import sys
import tempfile
from contextlib import contextmanager
from importlib.util import find_spec

import psutil
import pytest

no_cluster = pytest.mark.skipif(
    sys.platform != "linux" or not find_spec("ray"),
    reason="clusters of Ray are for Linux, and ray has no wheel for each Python: pip install 'ray>=2.60,<3'",
)
"""Looked up, not imported: Ray reads the settings below when it is imported."""

SETTINGS = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # Ray takes 127.0.0.1 for its own address
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",  # other programs of this machine may fill its memory
    "RAY_health_check_failure_threshold": "2",
    "RAY_health_check_period_ms": "1000",
}
NODE = {"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False}


class Nodes:
    """`with simulated() as nodes:`; nodes.address is for --address."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.address = cluster.address

    def add(self, comfyui=None):
        """A machine whose ComfyUI is in that folder."""
        if comfyui:
            os.environ["COMFYUI_DIR"] = str(comfyui)
        return self.cluster.add_node(**NODE)

    def lose(self, node) -> None:
        """The machine goes without a word."""
        self.cluster.remove_node(node, allow_graceful=False)

    def settle(self) -> None:
        """Until Ray has noticed which machines are there; it counts a lost one for some seconds more."""
        self.cluster.wait_for_nodes(60)


@contextmanager
def simulated():
    before = dict(os.environ)
    os.environ.update(SETTINGS | {"RAY_AUTH_TOKEN": secrets.token_hex(32)})
    from ray.cluster_utils import Cluster

    # A short path: sockets lie in it.
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp", ignore_cleanup_errors=True) as folder:
        head = NODE | {"num_cpus": 0, "temp_dir": folder}
        cluster = Cluster(initialize_head=True, head_node_args=head, shutdown_at_exit=False)
        try:
            yield Nodes(cluster)
        finally:
            cluster.shutdown()
            os.environ.clear()
            os.environ.update(before)


def processes(text: str) -> list[int]:
    """Ids of the processes whose command line holds a text."""
    return [
        found.pid
        for found in psutil.process_iter(["cmdline"])
        if any(text in word for word in found.info["cmdline"] or ())
    ]


def parent_of(process: int) -> int:
    return psutil.Process(process).ppid()


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)
