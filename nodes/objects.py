"""Objects whose ways over the picture are given, on a MOTION_MODEL, by MotionCtrl."""

import folder_paths
from comfy_api.latest import io, ui

from ..motion.load import MOTION_MODELS
from ..motion.objects import Ways, load_objects, with_objects
from ..motion.settings import STRONGEST, in_range
from ..motion.trajectories import Trajectories, trajectories_of
from ..sampling.values.schedules import times
from ..sampling.values.trajectory_drawing import drawing
from .inputs import mistake_in, schedule, strength
from .text import said
from .types import MotionModel

SMALLEST, LARGEST = 8, 16384


def pixels(name: str, tooltip: str):
    return io.Int.Input(name, default=512, min=SMALLEST, max=LARGEST, tooltip=tooltip)


def trajectories_in(points: str, width: int, height: int) -> Trajectories:
    sides = (in_range(name, value, SMALLEST, LARGEST) for name, value in (("width", width), ("height", height)))
    return trajectories_of(points, *sides)


class ObjectPath(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_ObjectPath",
            display_name="Object Path (AnimateDiff)",
            category="animatediff",
            description="Objects go over the picture on given paths, by MotionCtrl. Between Load Motion Model, with "
            "v3, and Apply Motion Model. The paths are drawn on the node.",
            search_aliases=[
                "animatediff",
                "motionctrl",
                "omcm",
                "trajectory",
                "trajectories",
                "drag",
                "object motion",
                "轨迹",
                "物体运动",
            ],
            inputs=[
                MotionModel.Input("motion_model", tooltip="AnimateDiff v3 (v3_sd15_mm), from Load Motion Model."),
                io.Combo.Input(
                    "object_file",
                    options=folder_paths.get_filename_list(MOTION_MODELS),
                    tooltip="motionctrl_animatediff_omcm.ckpt, in models/animatediff_models.",
                ),
                io.String.Input(
                    "points",
                    default="100,300 250,280 400,300",
                    multiline=True,
                    tooltip="One object a line: points 'x,y' in pixels from the upper left corner, spread evenly over "
                    "the clip and joined. Or one point a line, with an empty line between objects.",
                ),
                pixels("width", "Of the picture in whose pixels the points are. The clip may have another size."),
                pixels("height", "As width."),
                strength("strength", STRONGEST, "How strongly the paths count. 1 is as trained, 0 is no paths."),
                io.Float.Input(
                    "end_percent",
                    default=0.3,
                    min=0.0,
                    max=1.0,
                    step=0.001,
                    tooltip="Until where in the sampling they count. 0.3 is as trained: what moves where is decided in "
                    "the first steps.",
                ),
                schedule("strength_schedule", "Multiplies strength over frames, regions or the sampling."),
            ],
            outputs=[MotionModel.Output(display_name="motion_model")],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
        )

    @classmethod
    def validate_inputs(
        cls, points: str | None = None, width: int | None = None, height: int | None = None
    ) -> bool | str:
        return None in (width, height) or mistake_in(points, lambda text: trajectories_in(text, width, height))

    @classmethod
    def execute(
        cls,
        motion_model,
        object_file: str,
        points: str,
        width: int,
        height: int,
        strength: float,
        end_percent: float,
        strength_schedule=None,
    ) -> io.NodeOutput:
        found = trajectories_in(points, width, height)
        strength = times(in_range("strength", strength, 0.0, STRONGEST), strength_schedule)
        ways = Ways(found, strength, in_range("end_percent", end_percent, 0.0, 1.0))
        encoder = load_objects(folder_paths.get_full_path_or_raise(MOTION_MODELS, object_file))
        motion_model = with_objects(motion_model, encoder, ways)
        shown = ui.PreviewImage(drawing(found, width, height), cls=cls).as_dict()
        return io.NodeOutput(motion_model, ui=shown | said(f"objects: {len(found.objects)}"))


NODES = [ObjectPath]
