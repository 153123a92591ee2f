"""What windows keep for one another: on the UNet's device where there is room, else in the host's memory."""

import math
from collections.abc import Sequence

import comfy.model_management
from comfy.model_patcher import ModelPatcher
from torch import Tensor

RESERVE = 1.5
"""Free memory over what is counted on, as the host has it."""

Place = tuple
"""One of the UNet's self-attentions, or a block."""


class Bank:
    def __init__(self, room: float = math.inf):
        """room: how many bytes may stay on the device."""
        self.room = room
        self.kept: dict[tuple, tuple[Tensor, ...]] = {}
        """(the cond's uuid, the place) -> what it held: (frames ...) each."""

    def keep(self, conds: Sequence, place: Place, tensors: Sequence[Tensor]) -> None:
        """conds: the uuids of those in a call, one after the other in the tensors (conds frames) ..."""
        for cond, *parts in zip(conds, *(tensor.chunk(len(conds)) for tensor in tensors), strict=True):
            device = parts[0].device
            self.room += sum(each.nbytes for each in self.kept.pop((cond, place), ()) if each.device == device)
            size = sum(each.nbytes for each in parts)
            if size <= self.room:
                self.room -= size
            else:
                parts = [each.to(comfy.model_management.unet_offload_device()) for each in parts]
            self.kept[cond, place] = tuple(parts)

    def held(self, conds: Sequence) -> dict[Place, list[tuple[Tensor, ...]]]:
        """For each place what was kept there for each of these conds."""
        places = [place for cond, place in self.kept if cond == conds[0]]
        return {place: [self.kept[cond, place] for cond in conds] for place in places}


def room_beside(patcher: ModelPatcher, shape: Sequence[int]) -> float:
    """How many bytes are free on the UNet's device beside its call with latents of that shape: (conds frames) c h w."""
    if comfy.model_management.is_device_cpu(patcher.load_device):
        return math.inf
    free = patcher.get_free_memory(patcher.load_device)
    return free / RESERVE - patcher.model.memory_required(list(shape))
