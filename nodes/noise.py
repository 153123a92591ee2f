"""The noise that a clip starts from."""

from comfy_api.latest import io

from ..sampling.noise.draw import GENERATORS, LAYER_MODES, NOISE_TYPES, REPLACE, Draw, Layer, seeds_in
from ..sampling.run import with_noise
from .inputs import mistake_in

FAR = 2**31


def seed_override(tooltip: str):
    limits = {"default": 0, "min": 0, "max": 2**64 - 1}
    return io.Int.Input("seed_override", optional=True, force_input=True, tooltip=tooltip, **limits)


class NoiseOptions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_NoiseOptions",
            display_name="Noise per Frame (AnimateDiff)",
            category="animatediff",
            description="Chooses the noise that each frame starts from, for any sampler. "
            "Chain several to lay noise on noise, everywhere or where a mask is white.",
            search_aliases=[
                "animatediff",
                "sample settings",
                "freenoise",
                "noise layers",
                "constant noise",
                "noise type",
                "噪声",
                "采样设置",
            ],
            inputs=[
                io.Model.Input("model", tooltip="From Apply Motion Model, or from another of these."),
                io.Combo.Input(
                    "noise_type",
                    options=NOISE_TYPES,
                    tooltip="default: the sampler's own. constant: one frame's noise for all. empty: none. "
                    "repeated_context: the first window's, again and again. FreeNoise: the first window's, shuffled, "
                    "for long clips that hold together.",
                ),
                io.Combo.Input(
                    "mode",
                    options=[REPLACE, *(mode for mode in LAYER_MODES if mode != REPLACE)],
                    tooltip="replace: instead of the noise so far. The others lay it on top; normalized sum keeps its "
                    "strength as the sampler expects it.",
                ),
                io.Float.Input(
                    "weight",
                    default=1.0,
                    min=-10.0,
                    max=10.0,
                    step=0.001,
                    tooltip="How much of this noise, in the modes that lay it on top.",
                ),
                io.Int.Input(
                    "seed_offset",
                    default=0,
                    min=-FAR,
                    max=FAR,
                    tooltip="Added to the sampler's seed, or to each of frame_seeds.",
                ),
                io.Int.Input(
                    "batch_offset",
                    default=0,
                    min=0,
                    max=4096,
                    tooltip="Skips that many frames of the random stream: 16 goes on where a clip of 16 ended.",
                    advanced=True,
                ),
                io.Combo.Input(
                    "seed_gen",
                    options=GENERATORS,
                    tooltip="comfy: one random stream for the clip. auto1111: a seed per frame, counting up. "
                    "[gpu]: drawn on the graphics card, which gives other numbers.",
                    advanced=True,
                ),
                io.Float.Input(
                    "balance",
                    default=1.0,
                    min=0.0,
                    max=10.0,
                    step=0.001,
                    tooltip="add weighted: how much of the noise below gives way.",
                    advanced=True,
                ),
                io.String.Input(
                    "frame_seeds",
                    default="",
                    tooltip="A seed for every frame instead of seed_gen: 7, 7, 8, 9 ... Empty: none.",
                    advanced=True,
                ),
                io.Mask.Input("mask", optional=True, tooltip="Where this noise counts: one mask, or one per frame."),
                seed_override("Instead of the sampler's seed."),
            ],
            outputs=[io.Model.Output(display_name="model")],
        )

    @classmethod
    def validate_inputs(cls, frame_seeds: str | None = None) -> bool | str:
        return mistake_in(frame_seeds, seeds_in)

    @classmethod
    def execute(
        cls,
        model,
        noise_type: str,
        mode: str,
        weight: float,
        seed_offset: int,
        batch_offset: int,
        seed_gen: str,
        balance: float,
        frame_seeds: str,
        mask=None,
        seed_override: int | None = None,
    ) -> io.NodeOutput:
        draw = Draw(noise_type, seed_gen, seed_offset, batch_offset, seed_override, seeds_in(frame_seeds))
        return io.NodeOutput(with_noise(model, Layer(draw, mode, weight, balance, mask)))


NODES = [NoiseOptions]
