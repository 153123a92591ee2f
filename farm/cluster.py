"""Ray's part: workers are actors, one for each GPU. Placement, death, transport and authentication are Ray's.

The one file that imports ray. An actor is never restarted by Ray (that would wait for its own machine): the dispatcher
asks for a new one, which stays pending until a GPU is free, so a machine that joins is used.
"""

import importlib
import ipaddress
import itertools
import os
import secrets
import time
from collections.abc import Iterator
from typing import Any

from .dispatch import DONE, LOST, READY, Event
from .job import Clip
from .worker import Orders, Outcome, Worker

NEEDED = (2, 60)
NO_RAY = "The farm needs Ray: pip install 'ray>=2.60,<3'. For one GPU, without Ray: --part 1/1."
NO_GPU = (
    "Ray sees no GPU on any machine ('ray status' shows what it sees). Start Ray on machines that have one, or use "
    "--cores 4: workers that compute on the CPU, with 4 cores each."
)
NO_CORES = "Ray sees no machine with {} cores ('ray status' shows what it sees). Use a smaller --cores."
OPEN = (
    "RAY_AUTH_MODE=disabled: whoever reaches {} could run programs as you. Remove it (Ray then asks for the token in "
    "~/.ray/auth_token), or use 127.0.0.1 alone."
)


def connect(address: str | None) -> Any:
    """The ray module, connected to a cluster, or to one that it starts on this machine alone.

    Raises RuntimeError: no Ray, too old, no such cluster, or one that is open to all.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address is None:
        # Ray then takes 127.0.0.1 for its own address, and listens on that alone.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)  # else Ray leaves one in the home
        os.environ.setdefault("RAY_memory_monitor_refresh_ms", "0")  # else it ends workers beside a full ComfyUI
    ray = import_ray()
    quiet = {"log_to_driver": False, "logging_level": "CRITICAL", "configure_logging": True}
    if address is None:
        ray.init(address="local", include_dashboard=False, object_store_memory=500_000_000, **quiet)
        return ray
    if os.environ.get("RAY_AUTH_MODE") == "disabled" and not is_loopback(address):
        raise RuntimeError(OPEN.format(address))
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise RuntimeError(f"Ray's cluster at '{address}' cannot be reached: {first_sentence(error)}") from None
    return ray


def import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise RuntimeError(NO_RAY) from None
    if tuple(int(part) for part in ray.__version__.split(".")[:2]) < NEEDED:
        raise RuntimeError(f"This is Ray {ray.__version__}, which has no token by default. {NO_RAY}")
    return ray


def is_loopback(address: str) -> bool:
    host = address.removeprefix("ray://").rpartition(":")[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def first_sentence(error: Exception) -> str:
    return str(error).strip().split("\n")[0].split(". ")[0].rstrip(".") + "."


class Cluster:
    """A crew (dispatch.Crew) of actors."""

    def __init__(self, ray: Any, orders: Orders, cores: int = 0, workers: int = 0):
        """cores: of one worker, in place of a GPU. workers: to ask for even where there is no room yet (autoscaling).

        Raises RuntimeError where no machine has a GPU, and none is waited for.
        """
        self.ray, self.cores, self.workers = ray, cores, workers
        if not self.places():
            raise RuntimeError(NO_CORES.format(cores) if cores else NO_GPU)
        # By value, so that the machines need Ray and ComfyUI, and not this folder.
        ray.cloudpickle.register_pickle_by_value(importlib.import_module(__package__))
        resources = {"num_cpus": cores} if cores else {"num_gpus": 1, "num_cpus": 0}
        self.actor = ray.remote(max_restarts=0, max_task_retries=0, **resources)(Worker)
        self.orders = ray.put(orders)
        self.actors: dict[int, Any] = {}
        self.calls: dict[Any, tuple[int, str]] = {}
        self.numbers = itertools.count(1)

    def places(self) -> int:
        there = self.ray.cluster_resources()
        return max(int(there.get("CPU", 0)) // self.cores if self.cores else int(there.get("GPU", 0)), self.workers)

    def recruit(self) -> int:
        worker = next(self.numbers)
        self.actors[worker] = self.actor.remote(self.orders)
        self.calls[self.actors[worker].start.remote()] = worker, READY
        return worker

    def give(self, worker: int, clip: Clip) -> None:
        self.calls[self.actors[worker].make.remote(clip.name, clip.prompt)] = worker, DONE

    def hold(self, worker: int) -> None:
        self.calls[self.actors[worker].hold.remote()] = worker, DONE

    def dismiss(self, worker: int) -> None:
        self.calls = {call: there for call, there in self.calls.items() if there[0] != worker}
        if actor := self.actors.pop(worker, None):
            self.ray.kill(actor)

    def close(self) -> None:
        """Ends all workers; those that are idle get the time to clear up behind them."""
        busy = {worker for worker, _ in self.calls.values()}
        if stops := [actor.stop.remote() for worker, actor in self.actors.items() if worker not in busy]:
            self.ray.wait(stops, num_returns=len(stops), timeout=5)
        for worker in list(self.actors):
            self.dismiss(worker)
        self.ray.shutdown()

    def wait(self, seconds: float) -> Iterator[Event]:
        if not self.calls:
            time.sleep(seconds)
            return
        done, rest = self.ray.wait(list(self.calls), timeout=seconds)
        if done and rest:
            done += self.ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        for call in done:
            worker, kind = self.calls.pop(call)
            yield self.event(call, worker, kind)

    def event(self, call: Any, worker: int, kind: str) -> Event:
        try:
            return Event(worker, kind, self.ray.get(call))
        except self.ray.exceptions.RayTaskError as error:  # our own mistake, not the worker's death
            if kind == DONE:
                return Event(worker, DONE, Outcome(error=str(error), kind="other"))
            why = str(error)
        except self.ray.exceptions.RayError as error:
            why = first_sentence(error)
        # Killed before its clip is given away: a worker that is out of reach only may live on.
        self.dismiss(worker)
        return Event(worker, LOST, why)
