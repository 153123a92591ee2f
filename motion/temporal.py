"""The temporal transformer: self-attention along time at every pixel, one per site of the UNet.

Source: AnimateDiff, arXiv:2307.04725, section 4.2 and figure 4; guoyww/AnimateDiff `VanillaTemporalModule`.
Shapes are written as einops does; f is the frames of one video, b the videos of one call.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .chunks import chunks
from .formats import HEADS
from .strength import Seen
from .views import Views, of_views

Attention = Callable[[Tensor, Tensor, Tensor, int], Tensor]
"""(q, k, v, heads) -> out, all of the shape (n, f, c)."""


@dataclass(frozen=True)
class LowRank:
    """What a motion LoRA adds to one linear layer while that runs: y + strength up(down(x))."""

    layer: nn.Module
    down: nn.Module
    up: nn.Module
    strength: float | Seen | Tensor
    """The rank's scale is in it."""


@dataclass(frozen=True)
class PoseMerge:
    """What a camera does to the tokens of a module's first attention: x + strength W(x + feature)."""

    layer: nn.Module
    feature: Tensor
    """Goes with the hidden state as strengths do, with its channels: c where they have 1."""
    strength: float | Seen | Tensor

    def to(self, x: Tensor) -> Tensor:
        """x: n f c."""
        return x + self.strength * self.layer(x + self.feature)


@dataclass(frozen=True)
class Substitute:
    """What stands in for a module's last attention, and knows a camera's poses: MotionCtrl's."""

    block: Callable[[Tensor, Tensor, float | Tensor, "Steering"], Tensor]
    """(tokens, poses, motion scale, steering) -> tokens."""
    pose: Tensor
    """Goes with the hidden state as strengths do, with 12 channels where they have 1."""
    strength: float | Seen | Tensor
    """The share of it; of the module's own attention the rest."""

    def of(self, x: Tensor, own: Callable[[Tensor], Tensor], scale: float | Tensor, steering: "Steering") -> Tensor:
        """x: n f c. own: the module's attention."""
        found = self.block(x, self.pose, scale, steering)
        if not isinstance(self.strength, Tensor) and self.strength == 1.0:
            return found
        return torch.lerp(own(x), found, self.strength)


@dataclass(frozen=True)
class Steering:
    """What steers one motion module in one call.

    Its strengths are numbers, or what goes with the hidden state in its present form: `Seen` for a whole call,
    (b f) 1 h w for pictures (b f) c h w, (n f 1) for tokens (n f c).
    """

    frames: int
    """Of each video; those of one video are contiguous."""
    norm_across_frames: bool = False
    """The GroupNorm averages over f, h, w of a video (diffusers; the SDXL branch) instead of over h, w of a frame
    (guoyww's SD1.5 code)."""
    scales: tuple[float | Seen | Tensor, ...] = (1.0,)
    """Motion scale of each attention of a block; the last one holds for those after it."""
    loras: tuple[LowRank, ...] = ()
    positions: Tensor | None = None
    """(f c): the sinusoid for no fewer frames than the tokens have, where it is at hand."""
    views: Views | None = None
    poses: tuple[PoseMerge, ...] = ()
    substitute: Substitute | None = None

    def scale(self, attention: int) -> float | Tensor:
        return self.scales[min(attention, len(self.scales) - 1)]

    def linear(self, layer: nn.Module, x: Tensor) -> Tensor:
        y = layer(x)
        for lora in self.loras:
            if lora.layer is layer:
                y = y + lora.up(lora.down(x)) * lora.strength
        return y

    def mapped(self, change: Callable) -> "Steering":
        """The same with `change` done to every strength that is no number."""

        def of(strength):
            return strength if isinstance(strength, (int, float)) else change(strength)

        poses = tuple(replace(pose, feature=of(pose.feature), strength=of(pose.strength)) for pose in self.poses)
        loras = tuple(replace(lora, strength=of(lora.strength)) for lora in self.loras)
        other = self.substitute
        if other is not None:
            other = replace(other, pose=of(other.pose), strength=of(other.strength))
        scales = tuple(of(scale) for scale in self.scales)
        return replace(self, scales=scales, loras=loras, poses=poses, substitute=other)


def scaled_dot_product(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """softmax(q k^T / sqrt(d)) v per head, d = c / heads."""
    q, k, v = (rearrange(t, "n f (heads d) -> n heads f d", heads=heads) for t in (q, k, v))
    return rearrange(F.scaled_dot_product_attention(q, k, v), "n heads f d -> n f (heads d)")


def sinusoid(length: int, channels: int) -> Tensor:
    """The position table (length, channels) in float32: sin and cos interleaved, wavelengths 2 pi to 10000 x 2 pi.

    Source: "Attention Is All You Need", section 3.5; bit-equal to guoyww, diffusers, HotShot-XL and AnimateLCM.
    """
    position = torch.arange(length).unsqueeze(1)
    rate = torch.exp(torch.arange(0, channels, 2) * (-math.log(10000.0) / channels))
    table = torch.zeros(length, channels)
    table[:, 0::2] = torch.sin(position * rate)
    table[:, 1::2] = torch.cos(position * rate)
    return table


@lru_cache(maxsize=64)
def sinusoid_on(length: int, channels: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    with torch.inference_mode(False):  # a cached inference tensor could not be trained through later
        return sinusoid(length, channels).to(device, dtype)


class TemporalAttention(nn.Module):
    """Self-attention over the frames. The position is added to the normalised tokens, so it reaches q, k and v."""

    def __init__(self, channels: int, attention: Attention, operations, **place):
        super().__init__()
        self.attention = attention
        self.to_q = operations.Linear(channels, channels, bias=False, **place)
        self.to_k = operations.Linear(channels, channels, bias=False, **place)
        self.to_v = operations.Linear(channels, channels, bias=False, **place)
        self.to_out = nn.ModuleList([operations.Linear(channels, channels, **place)])
        self.register_buffer("position_table", None, persistent=False)
        """(length, channels) of a model whose table was trained; None where it is the sinusoid."""

    def positions(self, like: Tensor, steering: Steering) -> Tensor:
        """(f c) for tokens `like` (n f c)."""
        table = self.position_table if self.position_table is not None else steering.positions
        if table is None:
            return sinusoid_on(*like.shape[1:], like.device, like.dtype)
        return table[: like.shape[1]].to(like)

    def forward(
        self, x: Tensor, scale: float | Tensor, steering: Steering, poses: tuple[PoseMerge, ...] = ()
    ) -> Tensor:
        """x: n f c. `scale` (motion scale) multiplies the keys, so the logits: 1 is as trained."""
        x = x + self.positions(x, steering)
        for pose in poses:
            x = pose.to(x)
        q, k, v = (steering.linear(layer, x) for layer in (self.to_q, self.to_k, self.to_v))
        if isinstance(scale, Tensor) or scale != 1.0:
            k = k * scale
        return steering.linear(self.to_out[0], self.attention(q, k, v, HEADS))


class GEGLU(nn.Module):
    """value x gelu(gate), exact (erf). Source: arXiv:2002.05202."""

    def __init__(self, channels: int, inner: int, operations, **place):
        super().__init__()
        self.proj = operations.Linear(channels, inner * 2, **place)

    def forward(self, x: Tensor, steering: Steering) -> Tensor:
        value, gate = steering.linear(self.proj, x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, channels: int, operations, **place):
        super().__init__()
        inner = channels * 4
        # net.1 is the published files' dropout: no weights, but it keeps the numbering of the keys.
        self.net = nn.Sequential(
            GEGLU(channels, inner, operations, **place), nn.Identity(), operations.Linear(inner, channels, **place)
        )

    def forward(self, x: Tensor, steering: Steering) -> Tensor:
        return steering.linear(self.net[2], self.net[0](x, steering))


class TemporalBlock(nn.Module):
    def __init__(self, channels: int, attentions: int, attention: Attention, operations, **place):
        super().__init__()
        self.attention_blocks = nn.ModuleList(
            TemporalAttention(channels, attention, operations, **place) for _ in range(attentions)
        )
        self.norms = nn.ModuleList(operations.LayerNorm(channels, **place) for _ in range(attentions))
        self.ff = FeedForward(channels, operations, **place)
        self.ff_norm = operations.LayerNorm(channels, **place)

    def forward(self, x: Tensor, steering: Steering) -> Tensor:
        """x: n f c."""
        x = self.attend(x, steering) if steering.views is None else self.attend_in_views(x, steering.views, steering)
        return x + self.ff(self.ff_norm(x), steering)

    def attend(self, x: Tensor, steering: Steering) -> Tensor:
        last = len(self.norms) - 1
        for index in range(last):
            x = self.attend_once(x, index, steering)
        if steering.substitute is None:
            return self.attend_once(x, last, steering)
        own = partial(self.attend_once, index=last, steering=steering)
        return steering.substitute.of(x, own, steering.scale(last), steering)

    def attend_once(self, x: Tensor, index: int, steering: Steering) -> Tensor:
        poses = steering.poses if index == 0 else ()
        return x + self.attention_blocks[index](self.norms[index](x), steering.scale(index), steering, poses)

    def attend_in_views(self, x: Tensor, views: Views, steering: Steering) -> Tensor:
        """Each view on its own, its positions from 0; where views overlap, their weighted mean."""

        def attend(frames: Tensor, tokens: Tensor) -> Tensor:
            return self.attend(tokens, steering.mapped(lambda tensor: of_views(tensor, frames)))

        return views.attended(x, attend)


class TemporalTransformer(nn.Module):
    """One motion module. With `proj_out` at zero, as training starts, it is the identity.

    `operations` has Linear, LayerNorm and GroupNorm (`torch.nn`, or the host's casting ones).
    """

    def __init__(
        self, channels: int, attentions: int, attention: Attention = scaled_dot_product, operations=nn, **place
    ):
        super().__init__()
        self.norm = operations.GroupNorm(num_groups=32, num_channels=channels, eps=1e-6, affine=True, **place)
        self.proj_in = operations.Linear(channels, channels, **place)
        self.transformer_blocks = nn.ModuleList([TemporalBlock(channels, attentions, attention, operations, **place)])
        self.proj_out = operations.Linear(channels, channels, **place)

    def forward(self, x: Tensor, steering: Steering) -> Tensor:
        """x: (b f) c h w -> the same shape. `steering`: its tensors are (b f) 1 h w or (b f) 1 1 1."""
        frames = steering.frames
        if steering.norm_across_frames:
            y = self.norm(rearrange(x, "(b f) c h w -> b c (f h) w", f=frames))
            y = rearrange(y, "b c (f h) w -> b f c (h w)", f=frames, w=x.shape[-1])
        else:
            y = rearrange(self.norm(x), "(b f) c h w -> b f c (h w)", f=frames)
        steering = steering.mapped(lambda amount: _per_pixel(amount, frames, x))
        flat = rearrange(x, "(b f) c h w -> b f c (h w)", f=frames)
        parts = chunks(flat.shape[-1], len(x), flat.shape[2], x.device)
        if len(parts) == 1:
            return (flat + self.move(y, steering)).reshape(x.shape)
        out = torch.empty_like(flat)
        for pixels in parts:
            own = steering.mapped(lambda amount, pixels=pixels: amount[..., pixels])
            out[..., pixels] = flat[..., pixels] + self.move(y[..., pixels], own)
        return out.view_as(x)

    def move(self, y: Tensor, steering: Steering) -> Tensor:
        """What is added to a hidden state whose normalised pixels these are. y: b f c pixels -> the same shape."""
        videos = y.shape[0]
        steering = steering.mapped(lambda amount: rearrange(amount, "b f c pixels -> (b pixels) f c"))
        y = self.proj_in(rearrange(y, "b f c pixels -> (b pixels) f c"))
        for block in self.transformer_blocks:
            y = block(y, steering)
        return rearrange(self.proj_out(y), "(b pixels) f c -> b f c pixels", b=videos)


def _per_pixel(amount: Tensor, frames: int, like: Tensor) -> Tensor:
    """(b f) c h w or (b f) c 1 1 -> b f c (h w), for pictures `like`."""
    amount = amount.expand(-1, -1, *like.shape[-2:])
    return rearrange(amount, "(b f) c h w -> b f c (h w)", f=frames)
