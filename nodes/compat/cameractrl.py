"""CameraCtrl in shared workflows: a motion model whose camera goes along poses."""

import folder_paths
from comfy_api.latest import io

from ...motion.camera import check_steers, load_camera, with_camera
from ...motion.camera_poses import poses_of
from ...motion.load import MOTION_MODELS
from .form import form
from .gen2 import MODELS, ad_settings, loaded, model_name, settings_of, steering_in_a_range, with_loras
from .strength import keyframe
from .types import CameraPoses, MotionModelADE, Multival

PATH = "Camera Path (AnimateDiff)"
CAMERA = "animatediff_camera_without_path"
"""A motion model's attachment: the camera that it was loaded with."""


def camera_ctrl():
    return io.Combo.Input(
        "camera_ctrl",
        options=folder_paths.get_filename_list(MOTION_MODELS),
        tooltip="CameraCtrl.ckpt, in models/animatediff_models.",
    )


def cameractrl_multival(tooltip: str):
    return Multival.Input("cameractrl_multival", optional=True, tooltip=tooltip)


@form(
    *("ADE_LoadAnimateDiffModelWithCameraCtrl", "Load AnimateDiff+CameraCtrl Model"),
    [model_name, camera_ctrl, ad_settings()],
    MotionModelADE.Output(display_name="MOTION_MODEL"),
    f"Load Motion Model and {PATH}",
)
def load_with_camera(model_name: str, camera_ctrl: str, ad_settings=None):
    motion_model = loaded(model_name, ad_settings)
    camera = load_camera(folder_paths.get_full_path_or_raise(MOTION_MODELS, camera_ctrl))
    check_steers(camera, motion_model)
    motion_model.set_attachments(CAMERA, camera)
    return motion_model


def steering() -> list[io.Input]:
    inputs = steering_in_a_range()
    place = 1 + [each.id for each in inputs].index("effect_multival")
    return [*inputs[:place], cameractrl_multival("How strongly the camera counts."), *inputs[place:]]


@form(
    *("ADE_ApplyAnimateDiffModelWithCameraCtrl", "Apply AnimateDiff+CameraCtrl Model"),
    [
        MotionModelADE.Input("motion_model", tooltip="From Load AnimateDiff+CameraCtrl Model."),
        CameraPoses.Input("cameractrl_poses", tooltip="Where the camera is in each frame; it rests at the last one."),
        *steering(),
    ],
    *(MODELS, f"{PATH} and Apply Motion Model"),
)
def apply_with_camera(
    motion_model, cameractrl_poses, cameractrl_multival=1.0, motion_lora=(), prev_m_models=(), **steering
):
    camera = motion_model.get_attachment(CAMERA)
    if camera is None:
        raise ValueError(
            "motion_model has no CameraCtrl. Load it with Load AnimateDiff+CameraCtrl Model, whose camera_ctrl is "
            "CameraCtrl.ckpt."
        )
    motion_model = with_camera(motion_model, camera, poses_of(cameractrl_poses), cameractrl_multival)
    return (*prev_m_models, (with_loras(motion_model, motion_lora), settings_of(**steering)))


KEYFRAME = "ADE_CameraCtrlAnimateDiffKeyframe", "AnimateDiff+CameraCtrl Keyframe"
NODES = [
    load_with_camera,
    apply_with_camera,
    keyframe(*KEYFRAME, cameractrl_multival("Multiplies how strongly the camera counts."), "camera"),
]
