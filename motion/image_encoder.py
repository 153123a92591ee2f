"""The image encoder of AnimateLCM-I2V: what a picture adds to the UNet's hidden state, level by level.

Source: AnimateLCM, arXiv:2402.00769, section 4.3; G-U-N/AnimateLCM, keys `img_encoder.*`.
Shapes are written as einops does; f is the frames of one video, b the videos of one call.

It is part of a `MotionModel`, so the host loads, offloads and counts it. The picture hangs on the MOTION_MODEL as an
attachment (`picture`), so motion LoRAs and adjustments may come before or behind it; `attach` puts it into the
`MotionSettings`. Each level's feature is added to the input of the second motion module of the matching down block; an
`encoder_only` model has the same places with modules that pass on what they get. One picture is encoded once a run, as
long as windows are of one length: places in the video count from 0 in each. A regional prompt with an area has the
whole picture in its area, as in ComfyUI-AnimateDiff-Evolved.
"""

import re

import torch.nn.functional as F
from torch import Tensor, nn

from .formats import ENCODER_BLOCKS, LATENT_CHANNELS
from .temporal import sinusoid

FED = re.compile(r"^down_blocks\.(\d+)\.motion_modules\.1$")


def fed_level(site: str) -> int | None:
    """The level whose feature is added to the input of the motion module at `site`: the second of each down block."""
    found = FED.match(site)
    return int(found[1]) if found else None


class EncoderBlock(nn.Module):
    """in_conv, then x + block2(relu(block1(x))); the first block of a level halves the picture before."""

    def __init__(self, before: int, channels: int, halves: bool, operations, kernel: int = 1, **place):
        """kernel: of in_conv and block2."""
        super().__init__()
        self.halves, near = halves, kernel // 2
        differ = before != channels
        self.in_conv = operations.Conv2d(before, channels, kernel, padding=near, **place) if differ else None
        self.block1 = operations.Conv2d(channels, channels, 3, padding=1, **place)
        self.block2 = operations.Conv2d(channels, channels, kernel, padding=near, **place)

    def forward(self, x: Tensor) -> Tensor:
        if self.halves:
            # The mean of what is there at an odd edge, which is the mean with the edge repeated.
            x = F.avg_pool2d(x, 2, ceil_mode=True)
        if self.in_conv is not None:
            x = self.in_conv(x)
        return x + self.block2(F.relu(self.block1(x)))


class ImageEncoder(nn.Module):
    """Latents -> one feature per level of the UNet's down blocks. `operations` has Conv2d."""

    def __init__(self, channels: tuple[int, ...], operations=nn, **place):
        """channels: per level; `place`: dtype and device of the weights."""
        super().__init__()
        self.conv_in = operations.Conv2d(LATENT_CHANNELS, channels[0], 3, padding=1, **place)
        self.body = nn.ModuleList()
        for level, width in enumerate(channels):
            for block in range(ENCODER_BLOCKS):
                first = block == 0 and level > 0
                before = channels[level - 1] if first else width
                self.body.append(EncoderBlock(before, width, first, operations, **place))

    def forward(self, latents: Tensor, frames: int, drift: float = 0.0) -> list[Tensor]:
        """latents: (b f) 4 h w, scaled for the UNet -> per level i (b f) c h/2^i w/2^i, halves rounded up.

        `drift` (ref_drift; 0.8 in training) times the sinusoid of its place in the video is added to each frame.
        """
        x = self.conv_in(latents)
        positions = sinusoid(frames, x.shape[1]).to(x) * drift
        x = x + positions.repeat(len(x) // frames, 1)[:, :, None, None]
        features = []
        for index, block in enumerate(self.body):
            x = block(x)
            if index % ENCODER_BLOCKS == ENCODER_BLOCKS - 1:
                features.append(x)
        return features


def laid_on(feature: Tensor, like: Tensor) -> Tensor:
    """feature ((b f) c h w) for the hidden state `like` ((conds b f) c h w): once per cond.

    Where another node made the hidden state smaller (Deep Shrink), the feature is brought to its size.
    """
    if feature.shape[-2:] != like.shape[-2:]:
        feature = F.interpolate(feature, size=like.shape[-2:], mode="bilinear")
    return feature.repeat(len(like) // len(feature), 1, 1, 1)
