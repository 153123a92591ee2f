"""AnimateLCM-I2V in shared workflows: a motion model that starts from a picture."""

from dataclasses import replace

from comfy_api.latest import io

from ...motion.load import encoder_alone, encoder_file
from ...motion.picture import DRIFT_AT_MOST, encoded_to_size, reference_picture
from ...motion.settings import in_range
from .form import form
from .gen2 import MODELS, ad_settings, loaded, model_name, settings_of, steering_in_a_range, with_loras
from .types import MotionModelADE

START = "Start from Picture (AnimateDiff)"


@form(
    *("ADE_LoadAnimateLCMI2VModel", "Load AnimateLCM-I2V Model"),
    [model_name, ad_settings()],
    [MotionModelADE.Output(display_name="MOTION_MODEL"), MotionModelADE.Output(display_name="encoder_only")],
    "Load Motion Model",
)
def load_i2v_model(model_name: str, ad_settings=None):
    motion_model = loaded(model_name, ad_settings)
    motion_format = motion_model.model.format
    if not motion_format.image_encoder:
        raise ValueError(
            f"'{model_name}' ({motion_format.family.name}) has no image encoder. Choose AnimateLCM_sd15_i2v here, "
            "or load this file with Load AnimateDiff Model."
        )
    return motion_model, encoder_alone(motion_model)


@form(
    *("ADE_ApplyAnimateLCMI2VModel", "Apply AnimateLCM-I2V Model"),
    [
        MotionModelADE.Input("motion_model", tooltip="From Load AnimateLCM-I2V Model."),
        io.Latent.Input(
            "ref_latent",
            tooltip="The picture to start from, through the checkpoint's VAE. Several are for the frames in turn.",
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
    *(MODELS, f"{START} and Apply Motion Model"),
)
def apply_i2v_model(
    motion_model,
    ref_latent: dict,
    ref_drift: float,
    apply_ref_when_disabled: bool,
    motion_lora=(),
    prev_m_models=(),
    **steering,
):
    drift = in_range("ref_drift", ref_drift, 0.0, DRIFT_AT_MOST)
    reference = reference_picture(motion_model, ref_latent["samples"], drift, apply_ref_when_disabled)
    settings = replace(settings_of(**steering), reference=reference)
    return (*prev_m_models, (with_loras(motion_model, motion_lora), settings))


@form(
    *("ADE_UpscaleAndVAEEncode", "Scale Ref Image and VAE Encode"),
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
    *(io.Latent.Output(display_name="LATENT"), START),
)
def upscale_and_encode(image, vae, latent_size: dict, scale_method: str, crop: str):
    return {"samples": encoded_to_size(image, vae, latent_size["samples"], scale_method, crop)}


@form(
    *("ADE_InjectI2VIntoAnimateDiffModel", "Inject I2V into AnimateDiff Model"),
    [
        model_name,
        MotionModelADE.Input("motion_model", tooltip="From Load AnimateLCM-I2V Model: its image encoder is taken."),
        ad_settings(),
    ],
    MotionModelADE.Output(display_name="MOTION_MODEL"),
    f"{START} with keep_without_motion, and Apply Motion Model twice: first AnimateLCM-I2V with an effect of 0",
)
def inject_i2v(model_name: str, motion_model, ad_settings=None):
    motion_format = motion_model.model.format
    if not motion_format.image_encoder:
        raise ValueError(
            f"motion_model ({motion_format.family.name}) has no image encoder. "
            "Connect one from Load AnimateLCM-I2V Model."
        )
    return loaded(model_name, ad_settings, encoder_path=encoder_file(motion_model))


NODES = [load_i2v_model, apply_i2v_model, upscale_and_encode, inject_i2v]
