"""CameraCtrl: what the rays of a camera's path are in the motion modules' attention, level by level.

Source: CameraCtrl, arXiv:2404.02101; hehao13/CameraCtrl, `CameraPoseEncoder` and `PoseAdaptorAttnProcessor`.
"""

import re

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .formats import ENCODER_BLOCKS
from .image_encoder import EncoderBlock
from .temporal import Attention, Steering, TemporalBlock, scaled_dot_product

PIXELS = 8
"""Of a picture, to one of the latents."""
RAY = 6
STEERED = re.compile(r"^(down|up)_blocks\.(\d+)\.motion_modules\.\d+$")


def level_of(site: str, levels: int) -> int | None:
    """Whose feature the motion module at `site` gets; None in the middle block, which gets none."""
    found = STEERED.match(site)
    if found is None:
        return None
    return int(found[2]) if found[1] == "down" else levels - 1 - int(found[2])


class PoseEncoder(nn.Module):
    """Rays of one video -> one feature per level of the UNet. `operations` has Conv2d, Linear and LayerNorm."""

    def __init__(self, channels: tuple[int, ...], attention: Attention = scaled_dot_product, operations=nn, **place):
        super().__init__()
        self.encoder_conv_in = operations.Conv2d(RAY * PIXELS**2, channels[0], 3, padding=1, **place)
        self.encoder_down_conv_blocks, self.encoder_down_attention_blocks = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(channels):
            blocks = []
            for index in range(ENCODER_BLOCKS):
                first = index == 0 and level > 0
                blocks.append(EncoderBlock(channels[level - 1] if first else width, width, first, operations, **place))
            self.encoder_down_conv_blocks.append(nn.ModuleList(blocks))
            attended = [TemporalBlock(width, 1, attention, operations, **place) for _ in blocks]
            self.encoder_down_attention_blocks.append(nn.ModuleList(attended))

    def forward(self, rays: Tensor) -> list[Tensor]:
        """rays: f 6 H W -> per level i: f c H/8/2^i W/8/2^i, halves rounded up, as the UNet's are."""
        x, features = self.encoder_conv_in(F.pixel_unshuffle(rays, PIXELS)), []
        steering = Steering(len(rays))
        for blocks, attended in zip(self.encoder_down_conv_blocks, self.encoder_down_attention_blocks, strict=True):
            for block, attention in zip(blocks, attended, strict=True):
                x = block(x)
                height, width = x.shape[-2:]
                tokens = attention(rearrange(x, "f c h w -> (h w) f c"), steering)
                x = rearrange(tokens, "(h w) f c -> f c h w", h=height, w=width)
            features.append(x)
        return features
