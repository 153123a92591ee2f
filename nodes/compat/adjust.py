"""Position and weight adjustments and motion model settings of shared workflows."""

from comfy_api.latest import io

from ...motion.adjust import Adjustments, PositionAdjust, WeightAdjust
from ...motion.strength import Strength
from .form import form
from .strength import scaled_mask
from .types import MANY, AdSettings, MotionChoices, PositionAdjusts, WeightAdjusts

REPLACED = "Adjust Motion Model"
SETTINGS = AdSettings.Output(display_name="AD_SETTINGS")
STRETCH = "Spreads the positions over that many frames more."
CAP = "Only the first so many positions are used."
LENGTH = "Spreads the positions over so many frames."
DROP = "Leaves out so many positions at the start."
DROP_AFTER = "Leaves out so many at the start of the result."


def printed():
    return io.Boolean.Input("print_adjustment", default=False, tooltip="No use here: it is not printed.")


def number(name: str, default: int = 0, tooltip: str = ""):
    return io.Int.Input(name, default=default, min=0, max=MANY, tooltip=tooltip)


def manual_inputs() -> list[io.Input]:
    return [
        number("cap_initial_pe_length", tooltip=CAP),
        number("interpolate_pe_to_length", tooltip=LENGTH),
        number("initial_pe_idx_offset", tooltip=DROP),
        number("final_pe_idx_offset", tooltip=DROP_AFTER),
    ]


def position_form(node_id: str, display_name: str, *inputs: io.Input):
    previous = PositionAdjusts.Input("prev_pe_adjust", optional=True, tooltip="Adjustments that are made before.")
    output = PositionAdjusts.Output(display_name="PE_ADJUST")
    return form(node_id, display_name, [*inputs, printed(), previous], output, REPLACED)


@position_form(
    *("ADE_AdjustPESweetspotStretch", "Adjust PE [Sweetspot]"),
    number("sweetspot", 16, CAP),
    number("new_sweetspot", 16, LENGTH),
)
def sweetspot_stretch(sweetspot: int, new_sweetspot: int, print_adjustment: bool, prev_pe_adjust=()):
    return (*prev_pe_adjust, PositionAdjust(cap=sweetspot, length=new_sweetspot))


@position_form("ADE_AdjustPEFullStretch", "Adjust PE [Full Stretch]", number("pe_stretch", 0, STRETCH))
def full_stretch(pe_stretch: int, print_adjustment: bool, prev_pe_adjust=()):
    return (*prev_pe_adjust, PositionAdjust(stretch=pe_stretch))


@position_form("ADE_AdjustPEManual", "Adjust PE [Manual]", *manual_inputs())
def manual_positions(print_adjustment: bool, prev_pe_adjust=(), **manual: int):
    return (*prev_pe_adjust, manual_adjust(**manual))


def manual_adjust(
    cap_initial_pe_length: int = 0,
    interpolate_pe_to_length: int = 0,
    initial_pe_idx_offset: int = 0,
    final_pe_idx_offset: int = 0,
    motion_pe_stretch: int = 0,
) -> PositionAdjust:
    kept = (cap_initial_pe_length, interpolate_pe_to_length, final_pe_idx_offset)
    return PositionAdjust(motion_pe_stretch, initial_pe_idx_offset, *kept)


def weight_form(node_id: str, display_name: str, parts: tuple[str, ...], ending: str) -> type[io.ComfyNode]:
    """A form with a number for each of `parts`: ending "ADD" adds it to their weights, "MULT" multiplies these."""
    words = (
        {"default": 0.0, "min": -2.0, "max": 2.0, "tooltip": "Added to the weights."}
        if ending == "ADD"
        else {"default": 1.0, "min": 0.0, "max": 2.0, "tooltip": "Multiplies the weights."}
    )
    inputs = [io.Float.Input(f"{part}_{ending}", step=1e-6, **words) for part in parts]
    previous = WeightAdjusts.Input("prev_weight_adjust", optional=True, tooltip="Adjustments that are made before.")
    output = WeightAdjusts.Output(display_name="WEIGHT_ADJUST")

    @form(node_id, display_name, [*inputs, printed(), previous], output, REPLACED)
    def weights(print_adjustment: bool, prev_weight_adjust=(), **values: float):
        numbers = {part: values[f"{part}_{ending}"] for part in parts}
        own = WeightAdjust(add=numbers) if ending == "ADD" else WeightAdjust(mult=numbers)
        return (*prev_weight_adjust, own)

    return weights


@form(
    *("ADE_AnimateDiffSettings", "AnimateDiff Settings"),
    [
        PositionAdjusts.Input("pe_adjust", optional=True, tooltip="Changes of the position tables."),
        WeightAdjusts.Input("weight_adjust", optional=True, tooltip="Changes of the weights."),
    ],
    *(SETTINGS, REPLACED),
)
def animatediff_settings(pe_adjust=(), weight_adjust=()):
    return MotionChoices(Adjustments(pe_adjust, weight_adjust))


def model_settings(
    node_id: str, display_name: str, strengths: tuple[str, ...], stretch: bool, positions: bool, scale_optional: bool
) -> type[io.ComfyNode]:
    """One of the old Motion Model Settings: numbers that multiply weights, position adjustments, a motion scale."""
    strength = {"default": 1.0, "min": 0.0, "max": 10.0, "step": 0.0001, "tooltip": "Multiplies the weights."}
    inputs: list[io.Input] = [io.Float.Input(f"{part}_strength", **strength) for part in strengths]
    if stretch:
        inputs.append(number("motion_pe_stretch", tooltip=STRETCH))
    if positions:
        inputs += manual_inputs()
    mask = io.Mask.Input("mask_motion_scale", optional=True, tooltip="Where the scale is the larger one.")
    scale = {"default": 1.0, "min": 0.0, "step": 0.001, "optional": scale_optional}
    scales = [
        io.Float.Input("min_motion_scale", tooltip="Motion scale where the mask is black.", **scale),
        io.Float.Input("max_motion_scale", tooltip="Motion scale where the mask is white.", **scale),
    ]
    inputs += [mask, *scales] if scale_optional else [*scales, mask]

    @form(node_id, display_name, inputs, SETTINGS, REPLACED)
    def settings(min_motion_scale: float = 1.0, max_motion_scale: float = 1.0, mask_motion_scale=None, **values: float):
        mult = {part: values.pop(f"{part}_strength") for part in strengths}
        position = manual_adjust(**values)
        scale: Strength = 1.0
        if mask_motion_scale is not None:
            scale = scaled_mask(mask_motion_scale.float(), min_motion_scale, max_motion_scale, relative=True)
        positions = (position,) if position != PositionAdjust() else ()
        return MotionChoices(Adjustments(positions, (WeightAdjust(mult=mult),) if mult else ()), scale)

    return settings


PARTS = ("pe", "attn", "other")
ALL_PARTS = ("pe", "attn", "attn_q", "attn_k", "attn_v", "attn_out_weight", "attn_out_bias", "other")
NODES = [
    sweetspot_stretch,
    full_stretch,
    manual_positions,
    weight_form("ADE_AdjustWeightAllAdd", "Adjust Weight [All, Add]", ("all",), "ADD"),
    weight_form("ADE_AdjustWeightAllMult", "Adjust Weight [All, Mult]", ("all",), "MULT"),
    weight_form("ADE_AdjustWeightIndivAdd", "Adjust Weight [Indiv, Add]", PARTS, "ADD"),
    weight_form("ADE_AdjustWeightIndivMult", "Adjust Weight [Indiv, Mult]", PARTS, "MULT"),
    weight_form("ADE_AdjustWeightIndivAttnAdd", "Adjust Weight [Indiv-Attn, Add]", ALL_PARTS, "ADD"),
    weight_form("ADE_AdjustWeightIndivAttnMult", "Adjust Weight [Indiv-Attn, Mult]", ALL_PARTS, "MULT"),
    animatediff_settings,
    model_settings("ADE_AnimateDiffModelSettings_Release", "Motion Model Settings", (), False, False, False),
    model_settings("ADE_AnimateDiffModelSettingsSimple", "Motion Model Settings (Simple)", (), True, False, True),
    model_settings("ADE_AnimateDiffModelSettings", "Motion Model Settings (Advanced)", PARTS, True, True, True),
    model_settings(
        "ADE_AnimateDiffModelSettingsAdvancedAttnStrengths",
        "Motion Model Settings (Adv. Attn)",
        ALL_PARTS,
        True,
        True,
        True,
    ),
]
