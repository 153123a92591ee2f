"""Camera poses of shared workflows: lists of numbers, which nodes of other video models take, too."""

from comfy_api.latest import io

from ...motion.camera_path import PRESETS, joined_rows, moved, rows_of, together
from .form import form
from .types import CameraPoses

REPLACED = "the camera node of the video model that takes the poses"
POSES = CameraPoses.Output(display_name="CAMERACTRL_POSES")
COMBINED = 6


def motion_type(name: str, tooltip: str = "What the camera does."):
    return io.Combo.Input(name, options=list(PRESETS), tooltip=tooltip)


def along() -> list[io.Input]:
    """How far and how long it does so, and after what."""
    speed = {"default": 1.0, "min": -100.0, "max": 100.0, "step": 0.01}
    return [
        io.Float.Input("speed", tooltip="1: the whole move in 16 frames. Less than 0 goes the other way.", **speed),
        io.Int.Input("frame_length", default=16, tooltip="Frames of this move."),
        CameraPoses.Input("prev_poses", optional=True, tooltip="Poses before these, which begin at their last."),
    ]


def posed(
    types: list[str], weights: list[float], speed: float, frame_length: int, prev_poses=None
) -> list[list[float]]:
    """A row of RealEstate10K for each frame."""
    rows = rows_of(moved(together([PRESETS[name] for name in types], weights), speed, frame_length))
    return joined_rows(prev_poses, rows) if prev_poses else rows


@form("ADE_CameraPoseBasic", "Create CameraCtrl Poses", [motion_type("motion_type"), *along()], POSES, REPLACED)
def camera_poses(motion_type: str, **others):
    return posed([motion_type], [1.0], **others)


MOTIONS = [f"motion_type{number}" for number in range(1, COMBINED + 1)]


@form(
    *("ADE_CameraPoseCombo", "Create CameraCtrl Poses (Combo)"),
    [*(motion_type(name, "One of what the camera does at once.") for name in MOTIONS), *along()],
    *(POSES, REPLACED),
)
def camera_poses_combined(speed: float, frame_length: int, prev_poses=None, **types: str):
    return posed([types[name] for name in MOTIONS], [1.0] * COMBINED, speed, frame_length, prev_poses)


NODES = [camera_poses, camera_poses_combined]
