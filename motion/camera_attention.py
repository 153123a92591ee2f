"""MotionCtrl's part for the camera (CMCM): an attention that knows its poses, in place of a motion module's last one.

Source: MotionCtrl, arXiv:2312.03641, section 3.2; TencentARC/MotionCtrl, branch animatediff.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .formats import SITE
from .temporal import Attention, Steering, TemporalAttention

POSE = 12
"""Numbers of a pose: the 3 x 4 matrix from the first frame's camera to this one's, row by row."""
INNER = ".temporal_transformer.transformer_blocks.0."
NAMES = {"attention_blocks.1.": "attention.", "norms.1.": "norm.", "cc_projection.": "cc_projection."}
"""In a motion module's block, and ours."""


class CameraAttention(nn.Module):
    """One motion module's. `operations` has Linear and LayerNorm."""

    def __init__(self, channels: int, attention: Attention, operations, **place):
        super().__init__()
        self.cc_projection = operations.Linear(channels + POSE, channels, **place)
        self.attention = TemporalAttention(channels, attention, operations, **place)
        self.norm = operations.LayerNorm(channels, **place)

    def forward(self, x: Tensor, pose: Tensor, scale: float | Tensor, steering: Steering) -> Tensor:
        """x: n f c. pose: n f 12. scale: the motion scale."""
        x = self.cc_projection(torch.cat([x, pose], dim=-1))
        return x + self.attention(self.norm(x), scale, steering)


class CameraAttentions(nn.Module):
    """Those of a motion model."""

    def __init__(self, widths: Mapping[str, int], attention: Attention, operations, **place):
        """widths: site -> channels."""
        super().__init__()
        self.widths = dict(widths)
        self.sites = nn.ModuleDict(
            {own_name(site): CameraAttention(width, attention, operations, **place) for site, width in widths.items()}
        )

    def at(self, site: str) -> CameraAttention:
        return self.sites[own_name(site)]


def own_name(site: str) -> str:
    return site.replace(".", "/")


def own_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of CameraAttentions in a file's tensors, under our names, without position tables."""
    weights = {}
    for key, value in state.items():
        site, inner, rest = key.partition(INNER)
        name = next((name for name in NAMES if rest.startswith(name)), None)
        if inner and name and SITE.fullmatch(f"{site}.") and not rest.endswith(".pe"):
            weights[f"sites.{own_name(site)}.{NAMES[name]}{rest.removeprefix(name)}"] = value
    return weights


def widths_in(weights: Mapping[str, Tensor]) -> dict[str, int]:
    """Site -> channels, of what `own_weights` gave."""
    end = ".cc_projection.bias"
    owners = {key: key.removeprefix("sites.").removesuffix(end) for key in weights if key.endswith(end)}
    return {site.replace("/", "."): weights[key].numel() for key, site in owners.items()}
