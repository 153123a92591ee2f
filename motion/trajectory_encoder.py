"""MotionCtrl's part for objects (OMCM): what their ways over the picture add to the UNet's hidden states.

Source: MotionCtrl, arXiv:2312.03641, section 3.3; TencentARC/MotionCtrl, branch animatediff, `Adapter`.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from .formats import ENCODER_BLOCKS
from .image_encoder import FED, EncoderBlock
from .pose_encoder import PIXELS

WAY = 2
"""How far an object goes to the next frame: to the right and down, in pixels."""
KERNEL = 3
ADDED_LEVELS = 3
"""The authors compute the last level's feature, too, and their UNet never adds it."""


def added_level(site: str) -> int | None:
    """Whose feature is added behind the motion module at `site`: the last one of a down block."""
    found = FED.match(site)
    return int(found[1]) if found and int(found[1]) < ADDED_LEVELS else None


class TrajectoryEncoder(nn.Module):
    """Maps of ways -> one feature per level of the UNet's down blocks. `operations` has Conv2d."""

    def __init__(self, channels: tuple[int, ...], operations=nn, **place):
        """channels: per level."""
        super().__init__()
        self.channels = channels
        self.conv_in = operations.Conv2d(WAY * PIXELS**2, channels[0], KERNEL, padding=KERNEL // 2, **place)
        self.body = nn.ModuleList()
        for level, width in enumerate(channels):
            for index in range(ENCODER_BLOCKS):
                first = index == 0 and level > 0
                before = channels[level - 1] if first else width
                self.body.append(EncoderBlock(before, width, first, operations, KERNEL, **place))

    def forward(self, maps: Tensor) -> list[Tensor]:
        """maps: f 2 H W -> per level i: f c H/8/2^i W/8/2^i, halves rounded up, as the UNet's are."""
        x, features = self.conv_in(F.pixel_unshuffle(maps, PIXELS)), []
        for block in self.body:
            x = block(x)
            features.append(x)
        return features[ENCODER_BLOCKS - 1 :: ENCODER_BLOCKS]
