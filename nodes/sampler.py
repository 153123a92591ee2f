"""KSampler and context windows in one, which also goes on from a clip."""

import latent_preview
from comfy_api.latest import io

from ..sampling.pieces import sample_piece, with_words_of
from ..sampling.run import watch
from ..sampling.windows import presets
from ..sampling.windows.handler import with_windows
from .ksampler import cfg, denoise, sampler_name, scheduler, seed, steps

OF_THE_MODEL = "as on the model"


class ContextSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_ContextSampler",
            display_name="Sampler (Context Windows)",
            category="animatediff",
            description="KSampler and Context Windows in one. With continue_from it samples the frames that come "
            "next: a clip of any length in pieces, in the memory of one piece.",
            search_aliases=[
                "animatediff",
                "ksampler",
                "continue",
                "extend animation",
                "context options",
                "长动画",
                "续接",
                "上下文",
            ],
            inputs=[
                io.Model.Input("model", tooltip="From Apply Motion Model."),
                seed("Of the noise. Use one seed for all pieces of a clip: its noise goes on where it stopped."),
                steps(),
                cfg(
                    7.5,
                    "How strongly the prompt is followed. 7 to 8 for most motion models; 1 to 2 for AnimateLCM and "
                    "AnimateDiff-Lightning.",
                ),
                sampler_name(),
                scheduler(),
                io.Conditioning.Input("positive", tooltip="What you want to see: one prompt, or one per frame."),
                io.Conditioning.Input("negative", tooltip="What you do not want to see."),
                io.Latent.Input("latent_image", tooltip="The new frames: its batch is how many there are."),
                denoise("Less than 1 keeps that much of latent_image."),
                io.Combo.Input(
                    "preset",
                    options=[*presets.PRESETS, OF_THE_MODEL],
                    tooltip="stable: windows that move from step to step, so that no seam stays. long: each frame only "
                    "once through the checkpoint, motion in windows inside. fast: the fewest windows. loop: the last "
                    "frame flows into the first. as on the model: what Context Windows chose.",
                ),
                io.Int.Input(
                    "context_length",
                    default=16,
                    min=1,
                    max=1024,
                    tooltip="Frames per window, no more than the motion model holds.",
                ),
                io.Latent.Input(
                    "continue_from",
                    optional=True,
                    tooltip="The clip that the new frames come after: the output clip of another of these.",
                ),
            ],
            outputs=[
                io.Latent.Output(display_name="clip", tooltip="Everything so far: continue_from and the new frames."),
                io.Latent.Output(display_name="new_frames", tooltip="Only what was sampled here."),
            ],
        )

    @classmethod
    def execute(
        cls,
        model,
        seed: int,
        steps: int,
        cfg: float,
        sampler_name: str,
        scheduler: str,
        positive,
        negative,
        latent_image: dict,
        denoise: float,
        preset: str,
        context_length: int,
        continue_from: dict | None = None,
    ) -> io.NodeOutput:
        if preset != OF_THE_MODEL:
            model = with_windows(model, presets.preset(preset, context_length))
        words = {"steps": steps, "cfg": cfg, "sampler_name": sampler_name, "scheduler": scheduler, "denoise": denoise}
        words["callback"] = latent_preview.prepare_callback(model, steps)
        before = None if continue_from is None else continue_from["samples"]
        clip, new = sample_piece(watch(model), latent_image, before, seed, positive, negative, **words)
        return io.NodeOutput(with_words_of(latent_image, clip, continue_from), with_words_of(latent_image, new))


NODES = [ContextSampler]
