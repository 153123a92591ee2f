"""How a clip moves, as a picture and as numbers."""

import math

from comfy_api.latest import io, ui

from ..sampling.clips.chart import chart
from ..sampling.clips.measures import mean, measure, report
from ..sampling.pieces import windows_of
from ..sampling.windows.plan import windows
from .text import said


class MeasureMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_MeasureMotion",
            display_name="Measure Motion (AnimateDiff)",
            category="animatediff",
            description="How a clip moves, as a picture and as numbers: how far and where to, flicker, seams between "
            "context windows, drift from the first frame.",
            search_aliases=["animatediff", "optical flow", "flicker", "seam", "measure", "光流", "闪烁", "测量运动"],
            inputs=[
                io.Image.Input("images", tooltip="The clip: from VAE Decode, or a video's frames."),
                io.Model.Input(
                    "model", optional=True, tooltip="What the clip was sampled with: its windows give the seams."
                ),
            ],
            outputs=[
                io.Image.Output(display_name="chart"),
                io.Float.Output(display_name="motion", tooltip="Pixels a frame."),
                io.Float.Output(display_name="right", tooltip="Pixels a frame to the right; less than 0: to the left."),
                io.Float.Output(display_name="down", tooltip="Pixels a frame down; less than 0: up."),
                io.Float.Output(display_name="flicker", tooltip="Percent of white."),
                io.Float.Output(display_name="seam", tooltip="Change at the windows' borders over that elsewhere."),
                io.Float.Output(display_name="drift", tooltip="Of the last frame from the first, percent of white."),
                io.String.Output(display_name="report"),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, images, model=None) -> io.NodeOutput:
        frames = images.shape[0]
        plan = None if model is None else windows_of(model, frames)
        found = measure(images, windows(plan, frames, 0) if plan is not None and plan.applies_to(frames) else ())
        picture, seam = chart(found), found.seam()
        numbers = (mean(found.strength), *found.whole(), mean(found.flicker), math.nan if seam is None else seam)
        words = report(found)
        shown = ui.PreviewImage(picture, cls=cls).as_dict() | said(words)
        return io.NodeOutput(picture, *numbers, found.drift[-1], words, ui=shown)


NODES = [MeasureMotion]
