"""Which frames are sampled together, as a picture."""

import comfy.samplers
from comfy_api.latest import io, ui

from ..sampling.pieces import windows_of
from ..sampling.windows.drawing import picture


class PreviewWindows(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_PreviewWindows",
            display_name="Preview Windows (AnimateDiff)",
            category="animatediff",
            description="A picture of the context windows: frames across, windows down, a band for each step. "
            "The darker a cell, the more its window counts in that frame.",
            search_aliases=["animatediff", "visualize context", "context options", "上下文"],
            inputs=[
                io.Model.Input("model", tooltip="From Context Windows; without one, the windows a long clip gets."),
                io.Int.Input("frames", default=48, min=1, max=4096, tooltip="Frames of the clip."),
                io.Int.Input("steps", default=4, min=1, max=100, tooltip="Steps of the sampler that are drawn."),
            ],
            outputs=[io.Image.Output(display_name="image")],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, model, frames: int, steps: int) -> io.NodeOutput:
        sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "normal", steps)
        image = picture([windows_of(model, frames)] * steps, frames, sigmas[:-1].tolist())
        return io.NodeOutput(image, ui=ui.PreviewImage(image, cls=cls))


NODES = [PreviewWindows]
