"""CameraCtrl's files: a pose encoder, and a linear layer for each motion module's first attention."""

from collections.abc import Mapping

from comfy.model_patcher import ModelPatcher
from torch import Tensor, nn

from .add_on import add_on
from .formats import TABLE, NotAMotionModel, refuse_widths
from .pose_encoder import STEERED, PoseEncoder

MERGE = ".temporal_transformer.transformer_blocks.0.attention_blocks.0.processor.qkv_merge."
PARTS = ("pose_encoder_state_dict", "attention_processor_state_dict")
"""Where the published file has its tensors; in files made from it they lie side by side."""


class CameraNet(nn.Module):
    def __init__(self, channels: tuple[int, ...], widths: Mapping[str, int], attention, operations, **place):
        """channels: per level. widths: site -> channels."""
        super().__init__()
        self.channels = channels
        self.encoder = PoseEncoder(channels, attention, operations, **place)
        self.merges = nn.ModuleDict(
            {site.replace(".", "/"): operations.Linear(width, width, **place) for site, width in widths.items()}
        )


def camera_ctrl(state: Mapping[str, Tensor], disable_dynamic: bool = False) -> ModelPatcher:
    """state: a file's tensors. Raises NotAMotionModel (the message goes on after the file's name)."""
    merges = {key: value for key, value in state.items() if MERGE in key}
    if "encoder_conv_in.weight" not in state or not merges:
        raise NotAMotionModel("is no CameraCtrl file. Choose CameraCtrl.ckpt here.")
    levels = range(len({key.split(".")[1] for key in state if key.startswith("encoder_down_conv_blocks.")}))
    first = (f"encoder_down_conv_blocks.{level}.0.block1.bias" for level in levels)
    channels = tuple(state[bias].numel() if bias in state else 0 for bias in first)
    refuse_widths(channels)
    owners = {key: key.split(MERGE)[0] for key in merges if key.endswith("bias")}
    widths = {owner: merges[key].numel() for key, owner in owners.items() if STEERED.match(owner)}
    encoder = {f"encoder.{key}": value for key, value in state.items() if key.startswith("encoder_")}
    weights = {key: value for key, value in encoder.items() if not TABLE.search(key)}
    weights |= {f"merges.{key.replace(MERGE, '|').replace('.', '/').replace('|', '.')}": merges[key] for key in merges}

    def make(attention, operations, **place) -> CameraNet:
        return CameraNet(channels, widths, attention, operations, **place)

    return add_on(make, weights, "CameraCtrl", disable_dynamic)
