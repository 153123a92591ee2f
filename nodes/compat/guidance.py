"""Custom CFG of shared workflows, with its extras."""

from collections.abc import Callable
from dataclasses import replace

from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from ...motion.strength import Amount, total
from ...sampling.guidance import with_guidance, with_perturbed_attention, with_rescale
from ...sampling.values.keyframes import InTurns, Keyed
from .form import form
from .timing import eased, guarantee_steps, interpolation, percent, print_keyframes, spaced
from .types import CFGExtras, CFGKeyframe, CustomCFG, GuidanceExtras, Multival

REPLACED = "Guidance Schedule (AnimateDiff)"
PERTURBED, RESCALED = "PerturbedAttentionGuidance", "RescaleCFG"
"""The host's nodes."""


def with_custom_cfg(model: ModelPatcher, keys: tuple[CFGKeyframe, ...]) -> ModelPatcher:
    """A clone of `model` whose guidance the keyframes take turns in."""

    def turns(pick: Callable[[GuidanceExtras], Amount]) -> InTurns:
        return InTurns(tuple(replace(key.cfg, strength=pick(key.extras or GuidanceExtras())) for key in keys))

    if any(key.extras for key in keys):
        model = with_rescale(model, turns(lambda extras: extras.rescale))
        model = with_perturbed_attention(model, turns(lambda extras: extras.perturbed))
    return with_guidance(model, InTurns(tuple(key.cfg for key in keys)))


def cfg_form(node_id: str, display_name: str, *inputs: io.Input):
    return form(node_id, display_name, list(inputs), CustomCFG.Output(display_name="CUSTOM_CFG"), REPLACED)


def cfg(name: str = "cfg"):
    return io.Float.Input(name, default=8.0, min=0.0, max=100.0, step=0.1, tooltip="Instead of the sampler's cfg.")


def cfg_multival():
    return Multival.Input("cfg_multival", tooltip="Instead of the sampler's cfg: a number, or one per frame and pixel.")


def previous():
    return CustomCFG.Input("prev_custom_cfg", optional=True, tooltip="Guidance at other times.")


def extras():
    return CFGExtras.Input("cfg_extras", optional=True, tooltip="More that guides, while this cfg holds.")


def keyframes(values: list[float], start: float, end: float, extras: GuidanceExtras | None) -> tuple[CFGKeyframe, ...]:
    return tuple(CFGKeyframe(Keyed(*timed), extras) for timed in spaced(values, start, end))


def whole_sampling(node_id: str, display_name: str, value: io.Input) -> type[io.ComfyNode]:
    """A form for one cfg, however it is given."""

    @cfg_form(node_id, display_name, value, extras())
    def custom_cfg(cfg_extras=None, **values):
        return (CFGKeyframe(Keyed(0.0, values[value.id]), cfg_extras),)

    return custom_cfg


def from_a_moment_on(node_id: str, display_name: str, value: io.Input) -> type[io.ComfyNode]:
    """The same, from some point of the sampling on."""
    inputs = [value, percent("start_percent", 0.0), guarantee_steps(optional=False), previous(), extras()]

    @cfg_form(node_id, display_name, *inputs)
    def keyframe(start_percent: float, guarantee_steps: int, prev_custom_cfg=(), cfg_extras=None, **values):
        return (*prev_custom_cfg, CFGKeyframe(Keyed(start_percent, values[value.id], guarantee_steps), cfg_extras))

    return keyframe


@cfg_form(
    *("ADE_CustomCFGKeyframeInterpolation", "Custom CFG Keyframes Interp."),
    percent("start_percent", 0.0),
    percent("end_percent", 1.0),
    cfg("cfg_start"),
    cfg("cfg_end"),
    interpolation(),
    io.Int.Input("intervals", default=50, min=2, max=100, tooltip="In how many steps it changes."),
    print_keyframes(),
    previous(),
    extras(),
)
def keyframes_between(
    start_percent: float,
    end_percent: float,
    cfg_start: float,
    cfg_end: float,
    interpolation: str,
    intervals: int,
    print_keyframes: bool,
    prev_custom_cfg=(),
    cfg_extras=None,
):
    values = eased(cfg_start, cfg_end, interpolation, intervals)
    return (*prev_custom_cfg, *keyframes(values, start_percent, end_percent, cfg_extras))


NUMBERS = {"default": -1, "min": -1, "step": 0.001, "force_input": True, "tooltip": "Numbers, one after the other."}


@cfg_form(
    *("ADE_CustomCFGKeyframeFromList", "Custom CFG Keyframes From List"),
    io.Float.Input("cfgs_float", **NUMBERS),
    percent("start_percent", 0.0),
    percent("end_percent", 1.0),
    print_keyframes(),
    previous(),
    extras(),
)
def keyframes_from_list(
    cfgs_float, start_percent: float, end_percent: float, print_keyframes: bool, prev_custom_cfg=(), cfg_extras=None
):
    values = cfgs_float if isinstance(cfgs_float, list) else [cfgs_float]
    return (*prev_custom_cfg, *keyframes(values, start_percent, end_percent, cfg_extras))


def previous_extras():
    return CFGExtras.Input("prev_extras", optional=True, tooltip="Others.")


def perturbed_by(scale, prev_extras: GuidanceExtras | None) -> GuidanceExtras:
    """One more perturbed-attention guidance: scales add up."""
    before = prev_extras or GuidanceExtras()
    return replace(before, perturbed=total(before.perturbed, scale))


def rescaled_by(multiplier, prev_extras: GuidanceExtras | None) -> GuidanceExtras:
    """The last multiplier counts."""
    return replace(prev_extras or GuidanceExtras(), rescale=multiplier)


def extras_form(
    node_id: str, display_name: str, value: io.Input, make: Callable[..., GuidanceExtras], replaced_by: str
) -> type[io.ComfyNode]:
    """A form with one input of any name for `make`."""
    output = CFGExtras.Output(display_name="CFG_EXTRAS")

    @form(node_id, display_name, [value, previous_extras()], output, replaced_by)
    def more(prev_extras=None, **values):
        return make(values[value.id], prev_extras)

    return more


def model_form(node_id: str, display_name: str, value: io.Input, apply: Callable, replaced_by: str):
    """A form that puts one of the extras on a MODEL for a whole sampling."""
    inputs = [io.Model.Input("model", tooltip="With motion, or any checkpoint."), value]

    @form(node_id, display_name, inputs, io.Model.Output(display_name="MODEL"), replaced_by)
    def guided(model, **values):
        return apply(model, values[value.id])

    return guided


def scale(kind: type[io.Input] = Multival.Input, name: str = "scale_multival", **words) -> io.Input:
    return kind(name, tooltip="How strongly self-attention guides.", **words)


def multiplier(kind: type[io.Input] = Multival.Input, name: str = "mult_multival", **words) -> io.Input:
    return kind(name, tooltip="How far the spread is that of the positive prompt.", **words)


NODES = [
    whole_sampling("ADE_CustomCFGSimple", "Custom CFG", cfg()),
    whole_sampling("ADE_CustomCFG", "Custom CFG [Multival]", cfg_multival()),
    from_a_moment_on("ADE_CustomCFGKeyframeSimple", "Custom CFG Keyframe", cfg()),
    from_a_moment_on("ADE_CustomCFGKeyframe", "Custom CFG Keyframe [Multival]", cfg_multival()),
    keyframes_between,
    keyframes_from_list,
    extras_form(
        "ADE_CFGExtrasPAGSimple",
        "CFG Extras - PAG",
        scale(io.Float.Input, "scale", default=3.0, min=0.0, max=100.0, step=0.1),
        perturbed_by,
        PERTURBED,
    ),
    extras_form("ADE_CFGExtrasPAG", "CFG Extras - PAG [Multival]", scale(), perturbed_by, PERTURBED),
    extras_form(
        "ADE_CFGExtrasRescaleCFGSimple",
        "CFG Extras - RescaleCFG",
        multiplier(io.Float.Input, "multiplier", default=0.7, min=0.0, max=1.0, step=0.01),
        rescaled_by,
        RESCALED,
    ),
    extras_form("ADE_CFGExtrasRescaleCFG", "CFG Extras - RescaleCFG [Multival]", multiplier(), rescaled_by, RESCALED),
    model_form(
        "ADE_PerturbedAttentionGuidanceMultival",
        "PerturbedAttnGuide [Multival]",
        scale(),
        with_perturbed_attention,
        PERTURBED,
    ),
    model_form("ADE_RescaleCFGMultival", "RescaleCFG [Multival]", multiplier(), with_rescale, RESCALED),
]
