"""GroupNorms of the host's UNet that average over the frames of one video, for one call.

The host's UNet normalises every picture alone. Models that were trained otherwise (`families.Norms`) get it here: for
the call, each such norm stands inside an `AcrossFrames` in the module tree of that MODEL, and afterwards in its old
place again, also when the call raised.

Which they are is data of the family, in three modes; the others average over each frame:

| | `official` (default) | `as diffusers` | `as ADE` (compat nodes) |
|---|---|---|---|
| v1 | ResBlocks and the last norm | the motion modules' norm | all |
| v2, v3, LCM, Lightning, Long | none | the motion modules' norm | none if it has a mid block, or 32 frames |
| AnimateDiff-SDXL | the motion modules' norm | the motion modules' norm | all |
| HotShot-XL | ResBlocks and the last norm | the motion modules' norm | all |

`official` is the code that the family was trained with; `tests/oracle` holds each mode to tensors from that code and
from diffusers. `as early ADE` is `as ADE` with all of them for models with a mid block, too. In these two they stay so
where the motion model has no effect, or is out of its range.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from comfy.ldm.modules.attention import SpatialTransformer
from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock, UNetModel
from einops import rearrange
from torch import Tensor, nn

from .families import Norms
from .fit import blocks_of


class AcrossFrames(nn.Module):
    """The host's GroupNorm over f, h, w: (b f) c h w is normalised as b c (f h) w."""

    def __init__(self, norm: nn.Module, frames: int):
        super().__init__()
        self.norm = norm
        self.frames = frames

    def forward(self, x: Tensor) -> Tensor:
        x = rearrange(x, "(b f) c h w -> b c (f h) w", f=self.frames)
        return rearrange(self.norm(x), "b c (f h) w -> (b f) c h w", f=self.frames)


@contextmanager
def norms_across_frames(unet: UNetModel, norms: Norms, frames: int) -> Iterator[None]:
    places = list(_places(unet, norms))
    own = [parent._modules[name] for parent, name in places]
    try:
        for (parent, name), norm in zip(places, own, strict=True):
            parent._modules[name] = AcrossFrames(norm, frames)
        yield
    finally:
        for (parent, name), norm in zip(places, own, strict=True):
            parent._modules[name] = norm


def _places(unet: UNetModel, norms: Norms) -> Iterator[tuple[nn.Module, str]]:
    """Each chosen norm as (its parent, its name there)."""
    for layers in blocks_of(unet).values():
        for layer in layers:
            if norms.resblocks and isinstance(layer, ResBlock):
                yield layer.in_layers, "0"
                yield layer.out_layers, "0"
            if norms.spatial_transformers and isinstance(layer, SpatialTransformer):
                yield layer, "norm"
    if norms.resblocks:
        yield unet.out, "0"
