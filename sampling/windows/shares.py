"""The windows of one evaluation shared out: to the members of a gang, and to the GPUs of a process.

Each gets windows that lie side by side, so that several may go into one call. Whoever computed them, they come back in
their order.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from .gang import Gang

Results = tuple[int, list[list[int]], list[Tensor]]
"""(how many windows go before; some windows; what the model gives for them, one after the other, for each cond)"""


def share(count: int, rank: int, size: int) -> range:
    """Which of `count` windows the member `rank` of `size` computes: one at least, so that it has run as well."""
    first = min(rank * count // size, count - 1)
    return range(first, max((rank + 1) * count // size, first + 1))


def over_members(
    gang: Gang, windows: Sequence[list[int]], clip: Tensor, conds: int, compute: Callable[[range], Iterable[Results]]
) -> Iterator[Results]:
    """All windows; the members compute a share each. clip: frames c h w."""
    if gang.size == 1:
        yield from compute(range(len(windows)))
        return
    own = list(compute(share(len(windows), gang.rank, gang.size)))
    done = 0
    for rank in range(gang.size):
        numbers = share(len(windows), rank, gang.size)
        lengths = [len(windows[number]) for number in numbers]
        if rank == gang.rank:
            box = torch.cat([torch.stack(results) for _, _, results in own], dim=1)
        else:
            box = clip.new_empty(conds, sum(lengths), *clip.shape[1:])
        for number, results in zip(numbers, gang.from_member(rank, box).split(lengths, dim=1), strict=True):
            if number >= done:  # where there are more members than windows, two have the same one
                yield number, [windows[number]], list(results)
                done = number + 1


def over_devices(
    pool: Any, numbers: range, compute: Callable[[range, torch.device], Iterable[Results]]
) -> list[Results]:
    """pool: the host's MultiGPUThreadPool, a thread for each GPU."""
    devices = pool.devices[: len(numbers)]
    for rank, device in enumerate(devices):
        part = share(len(numbers), rank, len(devices))
        pool.submit(device, listed, compute, numbers[part.start : part.stop], device)
    answers = [pool.get_result(device) for device in devices]  # of all, also where one failed
    for _, error in answers:
        if error is not None:
            raise error
    return [each for found, _ in answers for each in found]


@torch.no_grad()
def listed(compute, numbers: range, device: torch.device) -> list[Results]:
    """All of it while the thread of that GPU runs."""
    return list(compute(numbers, device))
