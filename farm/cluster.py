"""Ray's part: workers are actors, one for each GPU. Placement, death, transport and authentication are Ray's.

With --gang a worker is several actors, each with a GPU and a ComfyUI, that make one clip together: they get the same
prompt, and share the windows of long clips among themselves (sampling/windows/gang.py). After a failure all of them
start anew.

The one file that imports ray. An actor is never restarted by Ray (that would wait for its own machine): the dispatcher
asks for a new one, which stays pending until a GPU is free, so a machine that joins is used.
"""

import importlib
import ipaddress
import itertools
import math
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .dispatch import DONE, LOST, READY, Event
from .job import Clip
from .worker import Machine, Orders, Outcome, Worker

NEEDED = (2, 60)
NO_RAY = "The farm needs Ray: pip install 'ray>=2.60,<3'. For one GPU, without Ray: --part 1/1."
NO_GPU = (
    "Ray sees no GPU on any machine ('ray status' shows what it sees). Start Ray on machines that have one, or use "
    "--cores 4: workers that compute on the CPU, with 4 cores each."
)
NO_CORES = "Ray sees no machine with {} cores ('ray status' shows what it sees). Use a smaller --cores."
TOO_FEW = "--gang {} needs as many GPUs for one clip, and Ray sees {} ('ray status' shows what it sees)."
HEAD = "node:__internal_head__"
"""Ray's name for the machine of its head, among that one's resources."""
GRACE = 5
"""Seconds in which the others of a gang are to say that they miss one that has failed."""
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
    """A crew (dispatch.Crew) whose workers are actors, or gangs of several that make a clip together."""

    def __init__(self, ray: Any, orders: Orders, cores: int = 0, workers: int = 0, size: int = 1):
        """cores: of one actor, in place of a GPU. workers: to ask for even where there is no room yet (autoscaling).
        size: actors of a worker.

        Raises RuntimeError where there is no room for a worker, and none is waited for.
        """
        self.ray, self.cores, self.workers, self.size = ray, cores, workers, size
        if not self.places():
            none = NO_CORES.format(cores) if cores else NO_GPU
            raise RuntimeError(TOO_FEW.format(size, self.room()) if self.room() else none)
        # By value, so that the machines need Ray and ComfyUI, and not this folder.
        ray.cloudpickle.register_pickle_by_value(importlib.import_module(__package__))
        self.resources = {"CPU": cores} if cores else {"GPU": 1}
        needs = {"num_cpus": cores, "num_gpus": 0 if cores else 1}
        # Of a gang: with a thread besides, to end the clip at hand.
        self.actor = ray.remote(max_restarts=0, max_task_retries=0, max_concurrency=min(size, 2), **needs)(Worker)
        self.orders = ray.put(orders)
        self.head = next(node["NodeManagerAddress"] for node in ray.nodes() if HEAD in node["Resources"])
        self.members: dict[int, list[Any]] = {}
        self.groups: dict[int, Any] = {}
        self.calls: dict[Any, tuple[int, int, str]] = {}
        """(worker, rank of the member, kind of event)"""
        self.answers: dict[int, list[tuple[int, Machine | Outcome]]] = {}
        self.failing: dict[int, float] = {}
        """Gangs of which a member has failed, and when the others' time is up."""
        self.numbers = itertools.count(1)

    def room(self) -> int:
        there = self.ray.cluster_resources()
        return int(there.get("CPU", 0)) // self.cores if self.cores else int(there.get("GPU", 0))

    def places(self) -> int:
        return max(self.room() // self.size, self.workers)

    def recruit(self) -> int:
        worker, actor, meeting = next(self.numbers), self.actor, ""
        if self.size > 1:  # all of it or nothing, on as few machines as can be
            self.groups[worker] = self.ray.util.placement_group([self.resources] * self.size, strategy="PACK")
            actor = actor.options(placement_group=self.groups[worker])
        members = self.members[worker] = [actor.remote(self.orders) for _ in range(self.size)]
        if self.size > 1:
            meeting = members[0].meeting.remote(self.head)
        self.call(worker, READY, [each.start.remote(rank, self.size, meeting) for rank, each in enumerate(members)])
        return worker

    def give(self, worker: int, clip: Clip) -> None:
        afresh = self.failing.pop(worker, None) is not None
        calls = [each.make.remote(clip.name, clip.prompt, afresh) for each in self.members[worker]]
        self.call(worker, DONE, calls)

    def hold(self, worker: int) -> None:
        self.call(worker, DONE, [each.hold.remote() for each in self.members[worker]])

    def call(self, worker: int, kind: str, calls: list[Any]) -> None:
        self.answers[worker] = []
        self.calls |= {call: (worker, rank, kind) for rank, call in enumerate(calls)}

    def dismiss(self, worker: int) -> None:
        self.calls = {call: there for call, there in self.calls.items() if there[0] != worker}
        self.failing.pop(worker, None)
        for actor in self.members.pop(worker, ()):
            self.ray.kill(actor)
        if group := self.groups.pop(worker, None):
            self.ray.util.remove_placement_group(group)

    def close(self) -> None:
        """Ends all workers; those that are idle get the time to clear up behind them."""
        busy = {worker for worker, *_ in self.calls.values()}
        idle = [actor for worker, members in self.members.items() if worker not in busy for actor in members]
        if stops := [actor.stop.remote() for actor in idle]:
            self.ray.wait(stops, num_returns=len(stops), timeout=5)
        for worker in list(self.members):
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
            if call in self.calls:  # else its worker was lost just now
                yield from self.answered(call, *self.calls.pop(call))
        self.give_up()

    def answered(self, call: Any, worker: int, rank: int, kind: str) -> Iterator[Event]:
        """An event, when all members have answered, or one was lost."""
        try:
            value = self.ray.get(call)
        except self.ray.exceptions.RayTaskError as error:  # our own mistake, not the worker's death
            value = Outcome(error=str(error), kind="other") if kind == DONE else None
            why = str(error)
        except self.ray.exceptions.RayError as error:
            value, why = None, first_sentence(error)
        if value is None:
            # Killed before its clip is given away: a worker that is out of reach only may live on.
            self.dismiss(worker)
            yield Event(worker, LOST, why)
            return
        self.answers[worker].append((rank, value))
        if self.size > 1 and is_wrong(value):
            self.failing.setdefault(worker, time.monotonic() + GRACE)
        if len(self.answers[worker]) == self.size:
            yield Event(worker, kind, together(self.answers[worker]))

    def give_up(self) -> None:
        """Ends the clips of gangs in which the others wait in vain."""
        for worker in {worker for worker, *_ in self.calls.values()} & self.failing.keys():
            if time.monotonic() > self.failing[worker]:
                self.failing[worker] = math.inf
                for actor in self.members[worker]:
                    actor.give_up.remote()


def is_wrong(answer: Machine | Outcome) -> bool:
    return bool(answer.error if isinstance(answer, Outcome) else answer.problem)


def together(answers: list[tuple[int, Machine | Outcome]]) -> Machine | Outcome:
    """What the members say as one: what went wrong first, or what the first of them says, who has the files."""
    in_order = [value for _, value in sorted(answers, key=lambda answer: answer[0])]
    if wrong := [value for _, value in answers if is_wrong(value)]:
        # That another one was lost says nothing where that one has told why.
        return min(wrong, key=lambda value: "of this gang" in getattr(value, "error", ""))
    first = in_order[0]
    if len(answers) == 1 or isinstance(first, Outcome):
        return first
    names = " + ".join(dict.fromkeys(machine.machine for machine in in_order))
    differ = len({machine.versions() for machine in in_order}) > 1
    return replace(
        first,
        machine=f"{names}, a gang of {len(in_order)}",
        vram=min(machine.vram for machine in in_order),
        problem="its machines have different versions of ComfyUI, torch or AnimateDiff Native" if differ else "",
    )
