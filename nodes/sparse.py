"""SparseCtrl file -> CONTROL_NET for the host's Apply ControlNet."""

import folder_paths
from comfy_api.latest import io

from ..motion.settings import STRONGEST, in_range
from ..motion.sparse_net import RGB, load_sparse_net
from ..sampling.sparse_control import SparseControl, SparseSettings
from ..sampling.values.places import places
from .inputs import mistake_in, schedule, strength
from .text import said

NEAREST, NOTHING = "nearest", "nothing"
KINDS = {
    RGB: "for pictures (rgb): Apply ControlNet needs the VAE",
    "scribble": "for drawings (scribble): white lines on black",
}


class LoadSparseCtrl(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_LoadSparseCtrl",
            display_name="Load SparseCtrl (AnimateDiff)",
            category="animatediff",
            description="Pictures or drawings for some frames of a clip; motion fills in the rest. For Apply "
            "ControlNet. Which kind the file is stands on the node.",
            search_aliases=[
                "animatediff",
                "sparsectrl",
                "sparse control",
                "keyframes",
                "storyboard",
                "sketch",
                "scribble",
                "image to video",
                "interpolation",
                "first and last frame",
                "关键帧",
                "首尾帧",
                "分镜",
                "线稿",
            ],
            inputs=[
                io.Combo.Input(
                    "control_net_name",
                    options=folder_paths.get_filename_list("controlnet"),
                    tooltip="A file in models/controlnet: v3_sd15_sparsectrl_rgb for pictures, "
                    "v3_sd15_sparsectrl_scribble for drawings.",
                ),
                io.String.Input(
                    "frames",
                    default="0",
                    tooltip="Which frame each picture of Apply ControlNet's image is for, counted from 0; -1 is the "
                    "clip's last frame: '0, 5, 10, -1'. Or spread, from the start, to the end, middle.",
                ),
                io.Combo.Input(
                    "without_picture",
                    options=[NEAREST, NOTHING],
                    default=NEAREST,
                    tooltip="What a context window without a picture gets: the picture nearest to it, or nothing.",
                    advanced=True,
                ),
                strength(
                    "motion_scale",
                    STRONGEST,
                    "How strongly the file's own motion modules tie the frames together. 1 is as trained.",
                    advanced=True,
                ),
                strength(
                    "effect",
                    1.0,
                    "How much the file's own motion modules count; 0 leaves them out.",
                    advanced=True,
                ),
                schedule(
                    "strength_schedule", "Multiplies Apply ControlNet's strength over frames, regions or the sampling."
                ),
            ],
            outputs=[io.ControlNet.Output(display_name="control_net")],
        )

    @classmethod
    def validate_inputs(cls, frames: str | None = None) -> bool | str:
        return mistake_in(frames, places)

    @classmethod
    def execute(
        cls,
        control_net_name: str,
        frames: str,
        without_picture: str,
        motion_scale: float,
        effect: float,
        strength_schedule=None,
    ) -> io.NodeOutput:
        settings = SparseSettings(
            places(frames),
            nearest=without_picture == NEAREST,
            motion_scale=in_range("motion_scale", motion_scale, 0.0, STRONGEST),
            effect=in_range("effect", effect, 0.0, 1.0),
            strength=1.0 if strength_schedule is None else strength_schedule,
        )
        net = load_sparse_net(folder_paths.get_full_path_or_raise("controlnet", control_net_name))
        return io.NodeOutput(SparseControl(net, settings), ui=said(KINDS[net.model.kind]))


NODES = [LoadSparseCtrl]
