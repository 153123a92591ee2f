"""A camera's path on a MOTION_MODEL, by CameraCtrl or MotionCtrl."""

import folder_paths
from comfy_api.latest import io, ui

from ..motion.camera import TRAINED_FRAMES, load_camera, with_camera
from ..motion.camera_poses import MOVES, Path, camera_path
from ..motion.load import MOTION_MODELS
from ..motion.settings import STRONGEST, in_range
from ..sampling.values.camera_drawing import drawing
from ..sampling.values.schedules import times
from .inputs import mistake_in, schedule, strength
from .text import said
from .types import MotionModel

FASTEST = 100.0


class CameraPath(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_CameraPath",
            display_name="Camera Path (AnimateDiff)",
            category="animatediff",
            description="The camera goes along a path while the clip moves, by CameraCtrl or MotionCtrl. Between "
            "Load Motion Model, with v3, and Apply Motion Model. The path is drawn on the node, from above and from "
            "the side.",
            search_aliases=[
                "animatediff",
                "cameractrl",
                "motionctrl",
                "cmcm",
                "camera control",
                "camera motion",
                "pan",
                "zoom",
                "tilt",
                "roll",
                "dolly",
                "运镜",
                "镜头",
                "相机",
            ],
            inputs=[
                MotionModel.Input("motion_model", tooltip="AnimateDiff v3 (v3_sd15_mm), from Load Motion Model."),
                io.Combo.Input(
                    "camera_file",
                    options=folder_paths.get_filename_list(MOTION_MODELS),
                    tooltip="CameraCtrl.ckpt or motionctrl_animatediff_cmcm.ckpt, in models/animatediff_models.",
                ),
                io.String.Input(
                    "path",
                    default="0: pan left 1.0",
                    multiline=True,
                    tooltip="From which frame on the camera does what, how fast: '0: static, 8: pan left 1.0, 24: zoom "
                    "in 0.6 + tilt up 0.3 ease'. Or the lines of a RealEstate10K pose file. "
                    f"Moves: {', '.join(MOVES)}.",
                ),
                io.Float.Input(
                    "speed",
                    default=1.0,
                    min=-FASTEST,
                    max=FASTEST,
                    step=0.01,
                    tooltip="Multiplies the speeds in path; less than 0 goes the other way. A pose file has its own.",
                ),
                strength("strength", STRONGEST, "How strongly the camera counts. 1 is as trained, 0 is no camera."),
                schedule("strength_schedule", "Multiplies strength over frames, regions or the sampling."),
            ],
            outputs=[MotionModel.Output(display_name="motion_model")],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
        )

    @classmethod
    def validate_inputs(cls, path: str | None = None) -> bool | str:
        return mistake_in(path, camera_path)

    @classmethod
    def execute(
        cls, motion_model, camera_file: str, path: str, speed: float, strength: float, strength_schedule=None
    ) -> io.NodeOutput:
        found = camera_path(path, in_range("speed", speed, -FASTEST, FASTEST))
        strength = times(in_range("strength", strength, 0.0, STRONGEST), strength_schedule)
        camera = load_camera(folder_paths.get_full_path_or_raise(MOTION_MODELS, camera_file))
        motion_model = with_camera(motion_model, camera, found, strength)
        is_words = isinstance(found, Path)
        frames = found.legs[-1].start + TRAINED_FRAMES if is_words else len(found.rows)
        words = f"{len(found.legs)} moves" if is_words else f"{len(found.rows)} poses"
        shown = ui.PreviewImage(drawing(found.poses(frames)), cls=cls).as_dict() | said(words)
        return io.NodeOutput(motion_model, ui=shown)


NODES = [CameraPath]
