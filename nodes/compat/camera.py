"""Camera poses of shared workflows: lists of numbers, which nodes of other video models take, too."""

from pathlib import Path

import folder_paths
from comfy_api.latest import io

from ...motion.camera_path import LENS, PRESETS, joined_rows, moved, rows_of, together
from ...motion.camera_poses import pose_lines
from .form import form
from .types import MANY, CameraPoses

REPLACED = "Camera Path (AnimateDiff), or the camera node of the video model that takes the poses"
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


STRENGTHS = [f"strength{number}" for number in range(1, COMBINED + 1)]


def weighed() -> list[io.Input]:
    """Each of the moves, with its share behind it."""
    words = {"default": 1.0, "min": 0.0, "max": 10.0, "step": 0.01, "tooltip": "Multiplies the move before it."}
    pairs = zip(MOTIONS, STRENGTHS, strict=True)
    moves = [(motion_type(a, "One of what the camera does at once."), io.Float.Input(b, **words)) for a, b in pairs]
    return [each for pair in moves for each in pair]


@form(
    *("ADE_CameraPoseAdvanced", "Create CameraCtrl Poses (Adv.)"),
    [*weighed(), *along()],
    *(POSES, REPLACED),
)
def camera_poses_weighed(speed: float, frame_length: int, prev_poses=None, **moves):
    types, strengths = ([moves[name] for name in names] for names in (MOTIONS, STRENGTHS))
    return posed(types, strengths, speed, frame_length, prev_poses)


@form(
    *("ADE_CameraManualPoseAppend", "Manual Append CameraCtrl Poses"),
    [
        CameraPoses.Input("poses_first", tooltip="The poses that come first."),
        CameraPoses.Input("poses_last", tooltip="The poses behind them, which begin at their last."),
    ],
    *(POSES, REPLACED),
)
def appended_poses(poses_first, poses_last):
    return joined_rows(poses_first, poses_last)


def poses():
    return CameraPoses.Input("poses", tooltip="From Create or Load CameraCtrl Poses.")


def share(name: str, default: float, step: float, tooltip: str):
    return io.Float.Input(name, default=default, min=0, max=1, step=step, tooltip=tooltip)


@form(
    *("ADE_ReplaceCameraParameters", "Replace Camera Parameters"),
    [
        poses(),
        share("fx", LENS[0], 1e-9, "Focal length, as a share of the picture's width."),
        share("fy", LENS[1], 1e-9, "Focal length, as a share of the picture's height."),
        share("cx", LENS[2], 0.01, "The picture's middle, as a share of its width."),
        share("cy", LENS[3], 0.01, "The picture's middle, as a share of its height."),
    ],
    *(POSES, REPLACED),
)
def replaced_lens(poses, fx: float, fy: float, cx: float, cy: float):
    return [[row[0], fx, fy, cx, cy, *row[5:]] for row in poses]


@form(
    *("ADE_ReplaceOriginalPoseAspectRatio", "Replace Orig. Pose Aspect Ratio"),
    [
        poses(),
        io.Int.Input(
            "orig_pose_width", default=1280, min=1, max=MANY, tooltip="Of the pictures that the poses are of."
        ),
        io.Int.Input(
            "orig_pose_height", default=720, min=1, max=MANY, tooltip="Of the pictures that the poses are of."
        ),
    ],
    *(POSES, REPLACED),
)
def replaced_size(poses, orig_pose_width: int, orig_pose_height: int):
    return [[*row[:5], orig_pose_width, orig_pose_height, *row[7:]] for row in poses]


def pose_filename():
    folder = Path(folder_paths.get_input_directory())
    names = sorted(path.name for path in folder.glob("*.txt") if path.is_file())
    return io.Combo.Input(
        "pose_filename", options=names, tooltip="A RealEstate10K pose file in ComfyUI's input folder."
    )


def in_input(name: str) -> Path:
    """A file of the input folder. Raises ValueError for any other: a workflow of somebody else must not read it."""
    folder = Path(folder_paths.get_input_directory()).resolve()
    path = (folder / name.strip().strip('"')).resolve()
    if not path.is_relative_to(folder) or not path.is_file():
        raise ValueError(
            f"There is no pose file '{path.name}' in ComfyUI's input folder, and no other folder is read. Put it there."
        )
    return path


def poses_in(name: str) -> list[list[float]]:
    path = in_input(name)
    try:
        return pose_lines(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError(f"'{path.name}' is no text. A RealEstate10K pose file has 19 numbers a line.") from None


def changed(cls, pose_filename: str = "", file_path: str = "") -> float:
    """A fingerprint: the host runs the node again when the file has changed."""
    try:
        return in_input(pose_filename or file_path).stat().st_mtime
    except ValueError:
        return 0.0


@form(
    "ADE_LoadCameraPoses", "Load CameraCtrl Poses (File)", [pose_filename], POSES, REPLACED, fingerprint_inputs=changed
)
def poses_of_file(pose_filename: str):
    return poses_in(pose_filename)


@form(
    *("ADE_LoadCameraPosesFromPath", "Load CameraCtrl Poses (Path)"),
    [
        io.String.Input(
            "file_path",
            default="X://path/to/pose_file.txt",
            optional=True,
            tooltip="A RealEstate10K pose file in ComfyUI's input folder; no other folder is read.",
        )
    ],
    *(POSES, REPLACED),
    fingerprint_inputs=changed,
)
def poses_of_path(file_path: str = ""):
    return poses_in(file_path)


NODES = [
    *(camera_poses, camera_poses_combined, camera_poses_weighed, appended_poses),
    *(replaced_lens, replaced_size, poses_of_file, poses_of_path),
]
