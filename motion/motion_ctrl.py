"""MotionCtrl's files: for the camera (CMCM), attentions in the place of a motion model's; for objects (OMCM), an
encoder of their ways."""

from collections.abc import Mapping

from comfy.model_patcher import ModelPatcher
from torch import Tensor

from .add_on import add_on
from .camera_attention import CameraAttentions, own_weights, widths_in
from .foreign import is_for_objects
from .formats import ENCODER_BLOCKS, NotAMotionModel, refuse_widths
from .trajectory_encoder import ADDED_LEVELS, TrajectoryEncoder


def is_for_the_camera(state: Mapping[str, Tensor]) -> bool:
    return any(".cc_projection." in key for key in state)


def motion_ctrl_camera(state: Mapping[str, Tensor], disable_dynamic: bool = False) -> ModelPatcher:
    """state: a file's tensors. Raises NotAMotionModel (the message goes on after the file's name)."""
    weights = own_weights(state)
    widths = widths_in(weights)
    refuse_widths(tuple(widths.values()))

    def make(attention, operations, **place) -> CameraAttentions:
        return CameraAttentions(widths, attention, operations, **place)

    return add_on(make, weights, "MotionCtrl", disable_dynamic)


def motion_ctrl_objects(state: Mapping[str, Tensor], disable_dynamic: bool = False) -> ModelPatcher:
    """As `motion_ctrl_camera`. The last level of the file's encoder is never added to anything, and left out."""
    if is_for_the_camera(state) or "encoder_conv_in.weight" in state:
        raise NotAMotionModel("is an add-on for the camera, not for objects. Load it with Camera Path.")
    if not is_for_objects(state):
        raise NotAMotionModel("is no MotionCtrl file for objects. Choose motionctrl_animatediff_omcm.ckpt here.")
    blocks = range(ADDED_LEVELS * ENCODER_BLOCKS)
    parts = ("conv_in.", *(f"body.{block}." for block in blocks))
    weights = {key: value for key, value in state.items() if key.startswith(parts)}
    first = (f"body.{block}.block1.bias" for block in blocks[::ENCODER_BLOCKS])
    channels = tuple(weights[bias].numel() if bias in weights else 0 for bias in first)
    refuse_widths(channels)

    def make(attention, operations, **place) -> TrajectoryEncoder:
        return TrajectoryEncoder(channels, operations, **place)

    return add_on(make, weights, "MotionCtrl", disable_dynamic)
