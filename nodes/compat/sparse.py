"""SparseCtrl, and the node that applies a ControlNet, in workflows made for Advanced-ControlNet."""

from dataclasses import replace

import folder_paths
from comfy_api.latest import io
from torch import Tensor

from ...motion.picture import check_inputs
from ...motion.sparse_net import load_sparse_net
from ...sampling.sparse_control import SparseControl, SparseSettings, encoded
from ...sampling.values import places
from ...sampling.values.places import Places
from ...sampling.values.schedules import times
from ..inputs import mistake_in
from .form import form
from .types import SparseMethod

LOAD, APPLY = "Load SparseCtrl (AnimateDiff)", "ComfyUI's own Apply ControlNet"
NEAREST = "nearest_hint"
SPREADS = {
    "uniform": places.SPREAD,
    "starting": places.FROM_THE_START,
    "ending": places.TO_THE_END,
    "center": places.MIDDLE,
}
METHOD = SparseMethod.Output(display_name="SPARSE_METHOD")


class PreparedPictures:
    """Latents of pictures that go through an IMAGE socket to the node that applies SparseCtrl, and nowhere else."""

    def __init__(self, latents: Tensor):
        self.condhint = latents

    def movedim(self, *_) -> "PreparedPictures":
        return self

    def __getattr__(self, name: str):
        raise AttributeError(
            "What RGB SparseCtrl gives is no picture any more, but latents for SparseCtrl: connect it to the image of "
            "Apply ControlNet only."
        )


def files():
    names = folder_paths.get_filename_list("controlnet")
    return io.Combo.Input("sparsectrl_name", options=names, tooltip="A SparseCtrl file in models/controlnet.")


def number(name: str, tooltip: str, most: float = 10.0, step: float = 0.001, default: float = 1.0, **words):
    return io.Float.Input(name, default=default, min=0.0, max=most, step=step, tooltip=tooltip, **words)


@form(
    *("ACN_SparseCtrlLoaderAdvanced", "Load SparseCtrl Model"),
    [
        files,
        io.Boolean.Input("use_motion", default=True, tooltip="Whether the file's own motion modules run."),
        number("motion_strength", "How much the file's own motion modules count."),
        number("motion_scale", "How strongly the file's own motion modules tie the frames together."),
        SparseMethod.Input("sparse_method", optional=True, tooltip="Which frame each picture is for."),
        io.Custom("TIMESTEP_KEYFRAME").Input("tk_optional", optional=True, tooltip="Not taken here."),
        io.Combo.Input(
            "context_aware",
            options=[NEAREST, "off"],
            optional=True,
            tooltip="What a window without a picture gets: the nearest one, or none.",
        ),
        number("sparse_hint_mult", "Multiplies what is added to frames with a picture.", optional=True),
        number("sparse_nonhint_mult", "Multiplies what is added to the other frames.", optional=True),
        number("sparse_mask_mult", "How much of a picture the network is told is there.", optional=True),
    ],
    *(io.ControlNet.Output(display_name="CONTROL_NET"), LOAD),
)
def load_sparsectrl(
    sparsectrl_name: str,
    use_motion: bool,
    motion_strength: float,
    motion_scale: float,
    sparse_method: Places | None = None,
    tk_optional=None,
    context_aware: str = NEAREST,
    sparse_hint_mult: float = 1.0,
    sparse_nonhint_mult: float = 1.0,
    sparse_mask_mult: float = 1.0,
):
    refuse(tk_optional=tk_optional)
    settings = SparseSettings(
        sparse_method or Places(),
        nearest=context_aware == NEAREST,
        motion_scale=motion_scale,
        effect=motion_strength if use_motion else 0.0,
        at_pictures=sparse_hint_mult,
        between=sparse_nonhint_mult,
        mask=sparse_mask_mult,
    )
    path = folder_paths.get_full_path_or_raise("controlnet", sparsectrl_name)
    return SparseControl(load_sparse_net(path), settings)


@form(
    *("ACN_SparseCtrlIndexMethodNode", "SparseCtrl Index Method"),
    [io.String.Input("indexes", default="0", tooltip="The frame of each picture; -1 is the clip's last frame.")],
    *(METHOD, LOAD),
    validate_inputs=lambda cls, indexes=None: mistake_in(indexes, places.places),
)
def index_method(indexes: str):
    return places.places(indexes)


@form(
    *("ACN_SparseCtrlSpreadMethodNode", "SparseCtrl Spread Method"),
    [io.Combo.Input("spread", options=list(SPREADS), tooltip="How the pictures are spread over the clip.")],
    *(METHOD, LOAD),
)
def spread_method(spread: str):
    return Places(spread=SPREADS[spread])


@form(
    *("ACN_SparseCtrlRGBPreprocessor", "RGB SparseCtrl"),
    [
        io.Image.Input("image", tooltip="The pictures."),
        io.Vae.Input("vae", tooltip="The checkpoint's VAE."),
        io.Latent.Input("latent_size", tooltip="Latents of the clip's size."),
    ],
    *(io.Image.Output(display_name="proc_IMAGE"), f"{APPLY}, with its vae"),
)
def prepare_rgb(image, vae, latent_size: dict):
    check_inputs(image, vae, latent_size["samples"])
    return PreparedPictures(encoded(image.movedim(-1, 1), vae, latent_size["samples"]))


def apply_inputs(*more: io.Input) -> list[io.Input]:
    share = {"most": 1.0}
    return [
        io.Conditioning.Input("positive", tooltip="The prompt."),
        io.Conditioning.Input("negative", tooltip="The negative prompt."),
        io.ControlNet.Input("control_net", tooltip="A ControlNet, T2I-Adapter or SparseCtrl."),
        io.Image.Input("image", tooltip="Its pictures."),
        number("strength", "How strongly it acts.", step=0.01),
        number("start_percent", "From where in the sampling it acts.", default=0.0, **share),
        number("end_percent", "Up to where in the sampling it acts.", **share),
        io.Mask.Input("mask_optional", optional=True, tooltip="Where a SparseCtrl acts: one mask, or one per frame."),
        io.Custom("TIMESTEP_KEYFRAME").Input("timestep_kf", optional=True, tooltip="Not taken here."),
        io.Custom("LATENT_KEYFRAME").Input("latent_kf_override", optional=True, tooltip="Not taken here."),
        io.Custom("CONTROL_NET_WEIGHTS").Input("weights_override", optional=True, tooltip="Not taken here."),
        *more,
        io.Vae.Input("vae_optional", optional=True, tooltip="For a ControlNet that sees pictures through a VAE."),
    ]


PROMPTS = [io.Conditioning.Output(display_name=name) for name in ("positive", "negative")]


@form("ACN_AdvancedControlNetApply_v2", "Apply Advanced ControlNet", apply_inputs(), PROMPTS, APPLY)
def apply_v2(
    positive,
    negative,
    control_net,
    image,
    strength: float,
    start_percent: float,
    end_percent: float,
    mask_optional=None,
    timestep_kf=None,
    latent_kf_override=None,
    weights_override=None,
    vae_optional=None,
):
    refuse(timestep_kf=timestep_kf, latent_kf_override=latent_kf_override, weights_override=weights_override)
    if mask_optional is not None:
        control_net = masked(control_net, mask_optional)
    if strength == 0.0:
        return positive, negative
    hint, span, made = image.movedim(-1, 1), (start_percent, end_percent), {}

    def applied(conditioning: list) -> list:
        found = []
        for text, entries in conditioning:
            before = entries.get("control")
            if before not in made:
                control = control_net.copy().set_cond_hint(hint, strength, span, vae=vae_optional)
                made[before] = control.set_previous_controlnet(before)
            found.append([text, entries | {"control": made[before], "control_apply_to_uncond": False}])
        return found

    return applied(positive), applied(negative)


@form(
    *("ACN_AdvancedControlNetApply", "Apply Advanced ControlNet (old)"),
    apply_inputs(io.Model.Input("model_optional", optional=True, tooltip="Passed on as it is.")),
    [*PROMPTS, io.Model.Output(display_name="model_opt")],
    APPLY,
)
def apply_old(model_optional=None, **inputs):
    return *apply_v2.execute(**inputs).result, model_optional


def refuse(**connected) -> None:
    """Raises ValueError where something is connected that only Advanced-ControlNet knows."""
    for name, value in connected.items():
        if value is not None:
            raise ValueError(
                f"{name} is connected, and keyframes and weights of ControlNets are Advanced-ControlNet's: install it, "
                "or take that connection off."
            )


def masked(control_net, mask: Tensor) -> SparseControl:
    """The same SparseCtrl where the mask (n h w) is white. Raises ValueError for another ControlNet."""
    if not isinstance(control_net, SparseControl):
        raise ValueError(
            "mask_optional is connected, and a mask for a ControlNet is Advanced-ControlNet's: install it, or take the "
            "mask off. (SparseCtrl takes one here.)"
        )
    strength = times(control_net.settings.strength, mask.float())
    control = control_net.copy()
    control.settings = replace(control_net.settings, strength=strength)
    return control


NODES = [load_sparsectrl, index_method, spread_method, prepare_rgb, apply_v2, apply_old]
