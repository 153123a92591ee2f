"""A clip put together from its windows: the weighted mean wherever they overlap."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor


class Blend:
    def __init__(self, clip: Tensor, clips: int):
        """clip: frames c h w, what the clips are like. clips: how many are put together at once, one for each cond."""
        self.sums = [torch.zeros_like(clip) for _ in range(clips)]
        self.totals = clip.new_zeros((len(clip), 1, 1, 1))

    def add(self, window: Sequence[int], weights: Sequence[float], parts: Sequence[Tensor]) -> None:
        """window: frames; weights: of each of them; parts: (frames c h w) of each clip."""
        place = self.totals.device
        frames = on_device(tuple(window), place, torch.long)
        column = on_device(tuple(weights), place, self.totals.dtype).view(-1, 1, 1, 1)
        self.totals.index_add_(0, frames, column)
        for total, part in zip(self.sums, parts, strict=True):
            total.index_add_(0, frames, part * column)

    def clips(self) -> list[Tensor]:
        return [total.div_(self.totals) for total in self.sums]


@lru_cache(maxsize=1024)
def on_device(values: tuple[float, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    """Kept, because windows come again in later steps, and bringing numbers to a GPU makes it wait."""
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)
