"""AnimateLCM-I2V in shared workflows: a motion model that starts from a picture."""

from dataclasses import replace

from comfy_api.latest import io

from ...motion.load import encoder_alone, encoder_file
from ...motion.picture import DRIFT_AT_MOST, encoded_to_size, reference_picture
from ...motion.settings import in_range
from .gen2 import ad_settings, loaded, model_name, settings_of, steering_in_a_range, with_loras
from .types import MotionModelADE, MotionModels, form

START = "Start from Picture (AnimateDiff)"


class LoadAnimateLCMI2VModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        output = MotionModelADE.Output(display_name="MOTION_MODEL")
        ids = "ADE_LoadAnimateLCMI2VModel", "Load AnimateLCM-I2V Model"
        schema = form(*ids, [model_name(), ad_settings()], output, "Load Motion Model")
        schema.outputs += [MotionModelADE.Output(display_name="encoder_only")]
        return schema

    @classmethod
    def execute(cls, model_name: str, ad_settings=None) -> io.NodeOutput:
        motion_model = loaded(model_name, ad_settings)
        motion_format = motion_model.model.format
        if not motion_format.image_encoder:
            raise ValueError(
                f"'{model_name}' ({motion_format.family.name}) has no image encoder. Choose AnimateLCM_sd15_i2v here, "
                "or load this file with Load AnimateDiff Model."
            )
        return io.NodeOutput(motion_model, encoder_alone(motion_model))


class ApplyAnimateLCMI2VModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return form(
            "ADE_ApplyAnimateLCMI2VModel",
            "Apply AnimateLCM-I2V Model",
            [
                MotionModelADE.Input("motion_model", tooltip="From Load AnimateLCM-I2V Model."),
                io.Latent.Input(
                    "ref_latent",
                    tooltip="The picture to start from, through the checkpoint's VAE. Several are for the frames in "
                    "turn.",
                ),
                io.Float.Input(
                    "ref_drift",
                    default=0.0,
                    min=0.0,
                    max=10.0,
                    step=0.001,
                    tooltip="How far frames may leave the picture; 0.8 in training.",
                ),
                io.Boolean.Input(
                    "apply_ref_when_disabled",
                    default=False,
                    tooltip="Whether the picture counts also where the motion has no effect or is out of its range.",
                ),
                *steering_in_a_range(),
            ],
            MotionModels.Output(display_name="M_MODELS"),
            f"{START} and Apply Motion Model",
        )

    @classmethod
    def execute(
        cls,
        motion_model,
        ref_latent: dict,
        ref_drift: float,
        apply_ref_when_disabled: bool,
        start_percent: float,
        end_percent: float,
        motion_lora=(),
        scale_multival=1.0,
        effect_multival=1.0,
        ad_keyframes=(),
        prev_m_models=(),
        per_block=(),
    ) -> io.NodeOutput:
        span = start_percent, end_percent
        settings = settings_of(scale_multival, effect_multival, ad_keyframes, per_block, span)
        drift = in_range("ref_drift", ref_drift, 0.0, DRIFT_AT_MOST)
        reference = reference_picture(motion_model, ref_latent["samples"], drift, apply_ref_when_disabled)
        pair = with_loras(motion_model, motion_lora), replace(settings, reference=reference)
        return io.NodeOutput((*prev_m_models, pair))


class UpscaleAndVAEEncode(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return form(
            "ADE_UpscaleAndVAEEncode",
            "Scale Ref Image and VAE Encode",
            [
                io.Image.Input("image", tooltip="The picture to start from."),
                io.Vae.Input("vae", tooltip="The checkpoint's VAE."),
                io.Latent.Input("latent_size", tooltip="Latents of the clip's size."),
                io.Combo.Input(
                    "scale_method",
                    options=["nearest-exact", "bilinear", "area", "bicubic", "lanczos"],
                    tooltip="How the picture is scaled to the clip's size.",
                ),
                io.Combo.Input(
                    "crop",
                    options=["disabled", "center"],
                    default="center",
                    tooltip="center cuts off what does not fit the clip's shape; disabled distorts.",
                ),
            ],
            io.Latent.Output(display_name="LATENT"),
            START,
        )

    @classmethod
    def execute(cls, image, vae, latent_size: dict, scale_method: str, crop: str) -> io.NodeOutput:
        samples = encoded_to_size(image, vae, latent_size["samples"], scale_method, crop)
        return io.NodeOutput({"samples": samples})


class InjectI2VIntoAnimateDiffModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return form(
            "ADE_InjectI2VIntoAnimateDiffModel",
            "Inject I2V into AnimateDiff Model",
            [
                model_name(),
                MotionModelADE.Input(
                    "motion_model", tooltip="From Load AnimateLCM-I2V Model: its image encoder is taken."
                ),
                ad_settings(),
            ],
            MotionModelADE.Output(display_name="MOTION_MODEL"),
            f"{START} with keep_without_motion, and Apply Motion Model twice: first AnimateLCM-I2V with an effect of 0",
        )

    @classmethod
    def execute(cls, model_name: str, motion_model, ad_settings=None) -> io.NodeOutput:
        motion_format = motion_model.model.format
        if not motion_format.image_encoder:
            raise ValueError(
                f"motion_model ({motion_format.family.name}) has no image encoder. "
                "Connect one from Load AnimateLCM-I2V Model."
            )
        return io.NodeOutput(loaded(model_name, ad_settings, encoder_path=encoder_file(motion_model)))


NODES = [
    LoadAnimateLCMI2VModel,
    ApplyAnimateLCMI2VModel,
    UpscaleAndVAEEncode,
    InjectI2VIntoAnimateDiffModel,
]
