"""PIA in shared workflows: a clip that keeps close to a picture."""

from dataclasses import replace

from comfy_api.latest import io

from ...motion.load import encoder_file
from ...motion.picture import Unencoded, check_image, check_vae
from ...motion.picture_channels import Movement
from ...motion.settings import ReferencePicture
from ...sampling.values.schedules import times
from .form import form
from .gen2 import MODELS, ad_settings, loaded, model_name, settings_of, steering_in_a_range, with_loras
from .strength import keyframe
from .types import MANY, MotionModelADE, Multival, PiaInput

START = "Start from Picture (AnimateDiff)"
PRESETS = {
    "Animation (Small Motion)": "small",
    "Animation (Medium Motion)": "moderate",
    "Animation (Large Motion)": "large",
    "Loop (Small Motion)": "small loop",
    "Loop (Medium Motion)": "moderate loop",
    "Loop (Large Motion)": "large loop",
    "Style Transfer (Small Motion)": "restyle a little",
    "Style Transfer (Medium Motion)": "restyle more",
    "Style Transfer (Large Motion)": "restyle much",
}
INPUT = PiaInput.Output(display_name="PIA_INPUT")


def pia_input(tooltip: str):
    return PiaInput.Input("pia_input", optional=True, tooltip=tooltip)


@form(
    *("ADE_ApplyAnimateDiffModelWithPIA", "Apply AnimateDiff-PIA Model"),
    [
        MotionModelADE.Input("motion_model", tooltip="PIA, from Load AnimateDiff Model."),
        io.Image.Input("image", tooltip="The picture to start from. Of several each frame has its own."),
        io.Vae.Input("vae", tooltip="The checkpoint's VAE."),
        pia_input("How much of the picture each frame shows; all of it without."),
        *steering_in_a_range(),
    ],
    *(MODELS, f"{START} and Apply Motion Model"),
)
def apply_pia_model(motion_model, image, vae, pia_input=1.0, motion_lora=(), prev_m_models=(), **steering):
    check_pia(motion_model)
    check_image(image)
    check_vae(vae)
    reference = ReferencePicture(Unencoded(image, vae, "bilinear"), share=pia_input, in_turn=False)
    settings = replace(settings_of(**steering), reference=reference)
    return (*prev_m_models, (with_loras(motion_model, motion_lora), settings))


def check_pia(motion_model) -> None:
    """Raises ValueError for another one."""
    if not motion_model.model.format.picture_conv:
        raise ValueError(
            f"motion_model is {motion_model.model.format.family.name}, and must be PIA. Choose pia.ckpt in Load "
            "AnimateDiff Model."
        )


@form(
    *("ADE_InputPIA_Multival", "PIA Input [Multival]"),
    [Multival.Input("multival", tooltip="How much of the picture each frame, or region, shows.")],
    *(INPUT, START),
)
def pia_input_multival(multival):
    return multival


@form(
    *("ADE_InputPIA_PaperPresets", "PIA Input [Paper Presets]"),
    [
        io.Combo.Input("preset", options=list(PRESETS), tooltip="How far the frames may leave the picture."),
        io.Int.Input(
            "batch_index",
            default=0,
            min=-MANY,
            max=MANY,
            step=1,
            tooltip="Which frame is the picture; -1 is the clip's last frame.",
        ),
        Multival.Input("mult_multival", optional=True, tooltip="Multiplies the preset."),
        io.Boolean.Input("print_values", default=False, optional=True, tooltip="No use here: they are not printed."),
    ],
    *(INPUT, START),
)
def pia_input_presets(preset: str, batch_index: int, mult_multival=None, print_values: bool = False):
    return times(Movement(PRESETS[preset], batch_index, mirrored=True), mult_multival)


@form(
    *("ADE_InjectPIAIntoAnimateDiffModel", "Inject PIA into AnimateDiff Model"),
    [model_name, MotionModelADE.Input("motion_model", tooltip="PIA: what takes the picture in is its."), ad_settings()],
    MotionModelADE.Output(display_name="MOTION_MODEL"),
    f"{START} with PIA itself",
)
def inject_pia(model_name: str, motion_model, ad_settings=None):
    check_pia(motion_model)
    return loaded(model_name, ad_settings, encoder_path=encoder_file(motion_model))


KEYFRAME = "ADE_PIA_AnimateDiffKeyframe", "AnimateDiff-PIA Keyframe"
NODES = [
    apply_pia_model,
    pia_input_multival,
    pia_input_presets,
    keyframe(*KEYFRAME, pia_input("Multiplies how much of the picture each frame shows."), "share"),
    inject_pia,
]
