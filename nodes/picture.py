"""A picture on a MOTION_MODEL that has an image encoder: the clip starts from it."""

from comfy_api.latest import io

from ..motion.picture import (
    DRIFT_AT_MOST,
    check_encoder,
    check_inputs,
    encoded_to_size,
    reference_picture,
    starting_from,
)
from ..motion.picture_channels import MOVEMENTS, Movement
from ..motion.settings import STRONGEST, in_range
from ..sampling.values.schedules import times
from .inputs import schedule, strength
from .text import said
from .types import MotionModel


class StartFromPicture(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_StartFromPicture",
            display_name="Start from Picture (AnimateDiff)",
            category="animatediff",
            description="Image to video: the clip shows what is in a picture. Between Load Motion Model, with "
            "AnimateLCM_sd15_i2v or pia, and Apply Motion Model.",
            search_aliases=[
                "animatediff",
                "image to video",
                "image to animation",
                "img2vid",
                "i2v",
                "init image",
                "start image",
                "first frame",
                "reference image",
                "ref_latent",
                "animatelcm",
                "animatelcm-i2v",
                "pia",
                "图生视频",
                "图生动画",
                "首帧",
                "起始图",
            ],
            inputs=[
                MotionModel.Input("motion_model", tooltip="AnimateLCM-I2V or PIA, from Load Motion Model."),
                io.Image.Input(
                    "image", tooltip="The picture to start from. Several are for the frames of the clip in turn."
                ),
                io.Vae.Input("vae", tooltip="The checkpoint's VAE."),
                io.Latent.Input(
                    "latent_image",
                    tooltip="What the sampler gets as latent_image: the picture is brought to its size, and what does "
                    "not fit its shape is cut off.",
                ),
                strength(
                    "drift",
                    DRIFT_AT_MOST,
                    "AnimateLCM-I2V: how far the frames may leave the picture. 0 keeps closest to it, 0.8 is as "
                    "trained.",
                    default=0.8,
                ),
                strength("strength", STRONGEST, "How much the picture counts. 1 is as trained, 0 is no picture."),
                io.Boolean.Input(
                    "keep_without_motion",
                    default=False,
                    tooltip="Whether the picture counts also where Apply Motion Model has an effect of 0, or is out of "
                    "its start_percent and end_percent.",
                    advanced=True,
                ),
                schedule("strength_schedule", "Multiplies strength over frames, regions or the sampling."),
                io.Combo.Input(
                    "movement",
                    options=list(MOVEMENTS),
                    default=MOVEMENTS[0],
                    optional=True,
                    tooltip="PIA: how far the frames may leave the picture: small, moderate or large; a loop, which "
                    "comes back to it; or a new style for it. AnimateLCM-I2V has drift for that.",
                ),
                io.Int.Input(
                    "at_frame",
                    default=0,
                    min=-4096,
                    max=4096,
                    optional=True,
                    tooltip="PIA: which frame is the picture, counted from 0; -1 is the clip's last frame.",
                    advanced=True,
                ),
            ],
            outputs=[MotionModel.Output(display_name="motion_model")],
        )

    @classmethod
    def execute(
        cls,
        motion_model,
        image,
        vae,
        latent_image: dict,
        drift: float,
        strength: float,
        keep_without_motion: bool,
        strength_schedule=None,
        movement: str = MOVEMENTS[0],
        at_frame: int = 0,
    ) -> io.NodeOutput:
        check_encoder(motion_model)
        check_inputs(image, vae, latent_image["samples"])
        drift = in_range("drift", drift, 0.0, DRIFT_AT_MOST)
        strength = times(in_range("strength", strength, 0.0, STRONGEST), strength_schedule)
        latents = encoded_to_size(image, vae, latent_image["samples"], "lanczos", "center")
        share = Movement(movement, at_frame)
        reference = reference_picture(motion_model, latents, drift, keep_without_motion, strength, share)
        height, width = (vae.spacial_compression_encode() * side for side in latents.shape[-2:])
        name, count = motion_model.model.format.family.name, len(latents)
        pictures = "1 picture" if count == 1 else f"{count} pictures in turn"
        words = f"{name}: {pictures}, {width} x {height}"
        return io.NodeOutput(starting_from(motion_model, reference), ui=said(words))


NODES = [StartFromPicture]
