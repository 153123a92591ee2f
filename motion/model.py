"""A motion model: one temporal transformer per site of the UNet, and what takes a picture in (AnimateLCM-I2V's image
encoder, PIA's further channels of the first convolution), under the canonical key names."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .formats import PICTURE_CHANNELS, TABLE, MotionFormat, sites
from .image_encoder import ImageEncoder
from .temporal import Attention, TemporalTransformer, scaled_dot_product, sinusoid

LEARNT = 1e-3
"""A table further than this from the sinusoid (half precision rounds it by less) was trained, and is kept."""


class NoMotion(nn.Module):
    """Stands in an `encoder_only` model where a temporal transformer would: passes on what it gets."""

    def forward(self, x: Tensor, steering) -> Tensor:
        return x


class MotionModel(nn.Module):
    """`down_blocks.i.motion_modules.j.temporal_transformer`, `mid_block...` and `up_blocks...` of one MotionFormat,
    and its `img_encoder` or `picture_conv`."""

    def __init__(self, motion_format: MotionFormat, attention: Attention = scaled_dot_product, operations=nn, **place):
        """`place`: dtype and device of the weights."""
        super().__init__()
        self.format = motion_format
        self.img_encoder: ImageEncoder | None = None
        if motion_format.image_encoder:
            self.img_encoder = ImageEncoder(motion_format.channels, operations, **place)
        self.picture_conv: nn.Module | None = None
        if motion_format.picture_conv:
            width = motion_format.channels[0]
            self.picture_conv = operations.Conv2d(PICTURE_CHANNELS, width, 3, padding=1, bias=False, **place)
        for site, channels in sites(motion_format).items():
            if motion_format.encoder_only:
                transformer = NoMotion()
            else:
                transformer = TemporalTransformer(channels, motion_format.attentions, attention, operations, **place)
            parent: nn.Module = self
            for name in site.split("."):
                if name not in parent._modules:
                    parent.add_module(name, nn.Module())
                parent = parent._modules[name]
            parent.add_module("temporal_transformer", transformer)

    def sites(self) -> dict[str, TemporalTransformer | NoMotion]:
        """Name of the site, as `down_blocks.0.motion_modules.1` -> its module, in the UNet's order."""
        return {site: self.get_submodule(f"{site}.temporal_transformer") for site in sites(self.format)}

    def keep_learnt_tables(self, state: Mapping[str, Tensor]) -> None:
        """Take over the position tables of `state` that differ from the sinusoid; the others are made when needed."""
        for key, table in state.items():
            if TABLE.search(key):
                table = table[0].to(torch.float32)
                if (table - sinusoid(*table.shape)).abs().max() > LEARNT:
                    self.get_submodule(key.removesuffix(".pos_encoder.pe")).position_table = table.clone()

    def learnt_tables(self) -> dict[str, Tensor]:
        """The position tables (1, length, channels) that were taken over, under the keys of a file."""
        tables = {
            f"{name}.pos_encoder.pe": getattr(each, "position_table", None) for name, each in self.named_modules()
        }
        return {key: table[None].cpu() for key, table in tables.items() if table is not None}
