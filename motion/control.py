"""What ControlNets add, where another node changes the size of hidden states (Deep Shrink) while the UNet runs.

The host leaves out what does not fit, and only its log says so.
"""

from collections.abc import MutableMapping

import torch.nn.functional as F
from torch import Tensor


class FittedControl:
    """Brings what is added to the skips and the middle of one call's UNet to the sizes that they turn out to have."""

    def __init__(self, control: MutableMapping[str, list[Tensor | None]]):
        """control: as the host's ControlNets give it. It is changed, as the host does that takes its entries off."""
        self.skips, self.middle = control.get("output", []), control.get("middle", [])

    def before_skip(self, h: Tensor, options: dict) -> Tensor:
        """An `input_block_patch`, behind all others: what it gets is what the host keeps as a skip. h: n c h w."""
        index = options["block"][1]
        if index < len(self.skips):
            self.skips[index] = fitted(self.skips[index], h)
        return h

    def behind_skip(self, h: Tensor, options: dict) -> Tensor:
        """An `input_block_patch_after_skip`, behind all others: what the last block gives goes to the middle."""
        if options["block"][1] == len(self.skips) - 1:
            self.middle[:] = [fitted(each, h) for each in self.middle]
        return h


def fitted(residual: Tensor | None, like: Tensor) -> Tensor | None:
    """n c h w at the height and width of `like`."""
    if residual is None or residual.shape[-2:] == like.shape[-2:]:
        return residual
    return F.interpolate(residual, size=like.shape[-2:], mode="bilinear")
