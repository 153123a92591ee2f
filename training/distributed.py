"""Several processes that train one thing: each has its own clips, and all have the sum of the gradients.

torchrun starts them and tells each its place by RANK, WORLD_SIZE and LOCAL_RANK. Not DistributedDataParallel, which
wants to own the forward pass: one flat sum after the last gradient is what it does, but for the overlap.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed
from torch import Tensor


@dataclass(frozen=True)
class World:
    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that saves, samples and speaks."""
        return self.rank == 0

    def summed(self, gradients: Sequence[Tensor], loss: Tensor) -> Tensor:
        """Sums the gradients, in place, and the loss over all processes."""
        if self.size == 1:
            return loss
        flat = torch.cat([loss.view(1), *(gradient.flatten() for gradient in gradients)])
        torch.distributed.all_reduce(flat)
        for gradient, part in zip(gradients, flat[1:].split([each.numel() for each in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))
        return flat[0]

    def check_together(self, step: int, device: torch.device) -> None:
        """Raises RuntimeError where processes are about to do different steps."""
        if self.size == 1:
            return
        ends = torch.tensor([step, -step], device=device)
        torch.distributed.all_reduce(ends, torch.distributed.ReduceOp.MAX)
        last, first = int(ends[0]), -int(ends[1])
        if first != last:
            raise RuntimeError(
                f"The processes of this run begin at different steps ({first} and {last}): they do not see the same "
                "saves. Give all of them one output folder (--output), or begin again (--start-anew)."
            )


ALONE = World()


def asked_for() -> bool:
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextmanager
def joined() -> Iterator[World]:
    """This process's place among those that torchrun started: NCCL between GPUs, gloo elsewhere."""
    if not asked_for():
        yield ALONE
        return
    with_nccl = torch.cuda.is_available() and torch.distributed.is_nccl_available()  # which Windows has not
    torch.distributed.init_process_group("nccl" if with_nccl else "gloo")
    try:
        yield World(torch.distributed.get_rank(), torch.distributed.get_world_size())
    finally:
        torch.distributed.destroy_process_group()
