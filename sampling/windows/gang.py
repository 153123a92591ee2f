"""One clip by several processes, each with its own GPU: all run the same graph, and share the windows of each step.

The environment says who belongs together (`ENVIRONMENT`, which the command farm sets with --gang). They join for one
run of a sampler. Who fails or ends leaves: its connections break, and the others know at once. Everyone gets all
results, not sums of them, and blends them in one order, so a gang has the bits of one process.

gloo over TCP, on GPUs as well: a process whose partner died under NCCL hangs for minutes or is ended, and between
machines it is the network that takes the time. Each listens on the one address by which it reaches the first member.
"""

import itertools
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

import torch
import torch.distributed
from torch import Tensor

ENVIRONMENT = "ANIMATEDIFF_GANG"
"""rank/size@host:port, such as 0/2@10.0.0.1:29500: who this process is, and where the first one is met."""
MEETING = timedelta(minutes=10)
"""How long members wait for each other before a run."""
PATIENCE = timedelta(minutes=30)
"""How long they wait for each other's windows: models may come from a slow disk. Who ends is known at once."""

NO_PLACE = "{}={} is no place in a gang: write RANK/SIZE@HOST:PORT, such as 0/2@10.0.0.1:29500; the first rank is 0."
NOT_MET = (
    "Member {} of {} did not meet the others of its gang at {}:{} ({}). Where one of them failed before its sampler, "
    "its log says why. Start them all again."
)
LOST = (
    "Another member of this gang of {} was lost, failed or was stopped, so its windows are missing and the clip ends "
    "here ({}). Its log says why. Start them all again."
)
DIFFERENT = (
    "The members of this gang are about to make different clips ({}). All need the same graph, the same values and the "
    "same versions."
)


@dataclass(frozen=True)
class Place:
    rank: int
    size: int
    host: str
    port: int


def place_of(text: str) -> Place | None:
    """What ENVIRONMENT says; None for an empty text. Raises ValueError."""
    found = re.fullmatch(r"(\d+)/(\d+)@(.+):(\d+)", text)
    if text and (not found or int(found[1]) >= int(found[2])):
        raise ValueError(NO_PLACE.format(ENVIRONMENT, text))
    return Place(int(found[1]), int(found[2]), found[3], int(found[4])) if text else None


class Gang:
    """Those who share a run; one that is alone exchanges nothing."""

    def __init__(self, rank: int = 0, size: int = 1, group: Any = None):
        self.rank, self.size, self.group = rank, size, group

    def from_member(self, rank: int, tensor: Tensor) -> Tensor:
        """That member's tensor, on the device of one's own. All give one of the same shape and type."""
        if self.size == 1:
            return tensor
        box = tensor.cpu().contiguous() if rank == self.rank else torch.empty_like(tensor, device="cpu")
        options = torch.distributed.BroadcastOptions()
        options.rootRank, options.rootTensor = rank, 0
        try:
            self.group.broadcast([box.view(-1).view(torch.uint8)], options).wait()
        except RuntimeError as error:
            raise RuntimeError(LOST.format(self.size, first_line(error))) from error
        return box.to(tensor.device)

    def numbers(self, own: int) -> list[int]:
        """What each member gives, in the order of ranks."""
        return [int(self.from_member(rank, torch.tensor([own]))) for rank in range(self.size)]

    def texts(self, own: str) -> list[str]:
        data = torch.tensor(list(own.encode()), dtype=torch.uint8)
        boxes = [data if rank == self.rank else data.new_empty(n) for rank, n in enumerate(self.numbers(len(data)))]
        return [bytes(self.from_member(rank, box).tolist()).decode() for rank, box in enumerate(boxes)]

    def check_same(self, what: str) -> None:
        """what: words for what this member is about to do. Raises RuntimeError where another has other words."""
        if len(set(texts := self.texts(what))) > 1:
            raise RuntimeError(DIFFERENT.format("; ".join(texts)))


ALONE = Gang()


@contextmanager
def joined(place: Place | None) -> Iterator[Gang]:
    """The gang of one run. Raises RuntimeError where the others do not come."""
    if place is None:
        yield ALONE
        return
    gang = Gang(place.rank, place.size, met(place))
    try:
        yield gang
    finally:
        gang.group = None  # closes the connections, by which the others know


def met(place: Place) -> Any:
    """A process group of the members that begin their next run."""
    gloo = torch.distributed.ProcessGroupGloo
    try:
        store, runs = meeting_place(place)
        options = gloo._Options()
        options._devices = [gloo.create_device(hostname=own_address(place.host))]
        options._timeout = MEETING
        group = gloo(torch.distributed.PrefixStore(f"run {next(runs)}", store), place.rank, place.size, options)
    except (OSError, RuntimeError) as error:
        raise RuntimeError(
            NOT_MET.format(place.rank + 1, place.size, place.host, place.port, first_line(error))
        ) from error
    group._set_default_timeout(PATIENCE)
    return group


@cache
def meeting_place(place: Place) -> tuple[torch.distributed.Store, Iterator[int]]:
    """Where members tell each other their addresses, for the life of the process; and the numbers of its runs."""
    listening = {}
    if place.rank == 0:
        listening["master_listen_fd"] = socket.create_server((place.host, place.port)).detach()
    store = torch.distributed.TCPStore(
        place.host, place.port, is_master=place.rank == 0, timeout=MEETING, wait_for_workers=False, **listening
    )
    return store, itertools.count(1)


def own_address(host: str) -> str:
    """By which this machine reaches that one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))  # sends nothing
        return probe.getsockname()[0]


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
