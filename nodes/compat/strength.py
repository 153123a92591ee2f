"""Multivals, keyframes and per-block strengths of shared workflows."""

from dataclasses import replace

import torch
from comfy_api.latest import io

from ...motion.settings import BlockStrength, Keyframe
from ...motion.strength import Amount, product, total
from .form import form
from .timing import guarantee_steps, percent
from .types import Block, Floats, Keyframes, Multival, PerBlock

SCHEDULE = "Frame Schedule (AnimateDiff)"


def amount(value: float | list, mask=None) -> Amount:
    """A number, or a list of one per frame; with a mask, their product."""
    if isinstance(value, (list, tuple)):
        if not value:
            raise ValueError("The list of values is empty. Give it at least one number.")
        value = torch.tensor([float(each) for each in value]).view(-1, 1, 1)
    return value if mask is None else product(value, mask.float())


def multival_form(node_id: str, display_name: str, *inputs: io.Input):
    return form(node_id, display_name, list(inputs), Multival.Output(display_name="MULTIVAL"), SCHEDULE)


def multival(node_id: str, display_name: str, value: io.Input) -> type[io.ComfyNode]:
    """A form for a value of any kind, and where it holds."""
    where = io.Mask.Input("mask_optional", optional=True, tooltip="Multiplies the value.")

    @multival_form(node_id, display_name, value, where)
    def valued(mask_optional=None, **values):
        return amount(values[value.id], mask_optional)

    return valued


@multival_form(
    *("ADE_MultivalScaledMask", "Multival Scaled Mask"),
    io.Float.Input("min_float_val", default=0.0, min=0.0, step=0.001, tooltip="The value where it is black."),
    io.Float.Input("max_float_val", default=1.0, min=0.0, step=0.001, tooltip="The value where it is white."),
    io.Mask.Input("mask", tooltip="One mask, or one per frame."),
    io.Combo.Input(
        "scaling",
        options=["absolute", "relative"],
        optional=True,
        tooltip="relative: the mask's darkest and lightest are taken for black and white.",
    ),
)
def multival_scaled_mask(min_float_val: float | list, max_float_val: float | list, mask, scaling: str = "absolute"):
    return scaled_mask(mask.float(), amount(min_float_val), amount(max_float_val), scaling == "relative")


def scaled_mask(mask: torch.Tensor, least: Amount, most: Amount, relative: bool) -> torch.Tensor:
    if relative and mask.max() > mask.min():
        mask = (mask - mask.min()) / (mask.max() - mask.min())
    return total(product(mask, total(most, product(least, -1.0))), least)


@form(
    *("ADE_MultivalConvertToMask", "Multival to Mask"),
    [Multival.Input("multival", tooltip="A number, or one per frame and pixel.")],
    *(io.Mask.Output(display_name="MASK"), SCHEDULE),
)
def multival_to_mask(multival):
    return multival if isinstance(multival, torch.Tensor) else torch.full((1, 1, 1), float(multival))


@form(
    *("ADE_FloatToFloats", "Float to Floats"),
    [io.Float.Input("FLOAT", default=39, force_input=True, tooltip="A number, or a list of them.")],
    *(Floats.Output(display_name="FLOATS"), SCHEDULE),
)
def float_to_floats(FLOAT):
    return FLOAT if isinstance(FLOAT, list) else [FLOAT]


def keyframe(node_id: str, display_name: str, own: io.Input, field: str) -> type[io.ComfyNode]:
    """A form for one keyframe. own: what it changes besides scale and effect; field: of Keyframe, that it becomes."""
    inherit = {"default": True, "optional": True, "tooltip": "What is left open stays as it was."}
    inputs = [
        percent("start_percent", 0.0, "Where in the sampling this keyframe begins (0 is the first step)."),
        Keyframes.Input("prev_ad_keyframes", optional=True, tooltip="Keyframes at other times."),
        Multival.Input("scale_multival", optional=True, tooltip="Multiplies the motion scale."),
        Multival.Input("effect_multival", optional=True, tooltip="Multiplies the effect."),
        *(own, io.Boolean.Input("inherit_missing", **inherit), guarantee_steps()),
    ]
    output = Keyframes.Output(display_name="AD_KEYFRAMES")

    @form(node_id, display_name, inputs, output, "Step Schedule (AnimateDiff)")
    def node(
        start_percent: float,
        prev_ad_keyframes=(),
        scale_multival=None,
        effect_multival=None,
        inherit_missing: bool = True,
        guarantee_steps: int = 1,
        **more,
    ):
        own_value = {field: more.get(own.id)}
        steps = {"inherit_missing": inherit_missing, "guarantee_steps": guarantee_steps}
        return (*prev_ad_keyframes, Keyframe(start_percent, scale_multival, effect_multival, **own_value, **steps))

    return node


BLOCKS = "Block Weights (AnimateDiff)"


@form(
    *("ADE_ADBlockCombo", "AD Block"),
    [
        Multival.Input("effect", optional=True, tooltip="How much of the block's modules is used."),
        Multival.Input("scale", optional=True, tooltip="Their motion scale."),
    ],
    *(Block.Output(display_name="AD_BLOCK"), BLOCKS),
)
def block_combo(effect=1.0, scale=1.0):
    return BlockStrength(effect=effect, scales=(scale,))


@form(
    *("ADE_ADBlockIndiv", "AD Block+"),
    [
        Multival.Input("effect", optional=True, tooltip="How much of the block's modules is used."),
        Multival.Input("scale_0", optional=True, tooltip="Motion scale of their first attention."),
        Multival.Input("scale_1", optional=True, tooltip="Motion scale of their second attention."),
    ],
    *(Block.Output(display_name="AD_BLOCK"), BLOCKS),
)
def block_individual(effect=1.0, scale_0=1.0, scale_1=1.0):
    return BlockStrength(effect=effect, scales=(scale_0, scale_1))


MODULES = {
    "SD15": {"down": (2, 2, 2, 2), "mid": (1,), "up": (3, 3, 3, 3)},
    "SDXL": {"down": (2, 2, 2), "mid": (1,), "up": (3, 3, 3)},
}
"""Motion modules of each level."""


def block_names(base: str, with_modules: bool) -> list[str]:
    """down_0__0, down_0__1, ... mid, up_0__0, ...; without modules down_0, ... mid, up_0, ..."""
    names = []
    for part, levels in MODULES[base].items():
        for level, modules in enumerate(levels):
            own = "mid" if part == "mid" else f"{part}_{level}"
            names += [f"{own}__{module}" for module in range(modules)] if with_modules and part != "mid" else [own]
    return names


def named_block(name: str, block: BlockStrength) -> BlockStrength:
    """`block` for the modules that an input's name stands for: down, down_0 or down_0__1."""
    block_name, _, module = name.partition("__")
    part, _, level = block_name.partition("_")
    return replace(block, part=part, level=int(level) if level else None, module=int(module) if module else None)


PER_BLOCK = PerBlock.Output(display_name="PER_BLOCK")


def per_block(node_id: str, display_name: str, names: list[str]) -> type[io.ComfyNode]:
    """A form with an AD_BLOCK for each of `names`."""
    inputs = [Block.Input(name, optional=True, tooltip=f"Strengths of {name}.") for name in names]

    @form(node_id, display_name, inputs, PER_BLOCK, BLOCKS)
    def named_blocks(**blocks: BlockStrength):
        return tuple(named_block(name, blocks[name]) for name in names if blocks.get(name))

    return named_blocks


def per_block_floats(node_id: str, display_name: str, base: str, count: int) -> type[io.ComfyNode]:
    """A form with a list of numbers for all motion modules."""
    names = block_names(base, with_modules=True)
    effect, scale = f"effect_{count}_floats", f"scale_{count}_floats"
    inputs = [Floats.Input(name, optional=True, tooltip=f"{count} numbers.") for name in (effect, scale)]

    @form(node_id, display_name, inputs, PER_BLOCK, BLOCKS)
    def numbered_blocks(**lists: list[float]):
        effects, scales = (lists.get(name) or [1.0] * len(names) for name in (effect, scale))
        for name, values in ((effect, effects), (scale, scales)):
            if len(values) < len(names):
                raise ValueError(f"{name} has {len(values)} numbers. Give it {len(names)}: one per motion module.")
        values = zip(names, effects, scales, strict=False)
        return tuple(named_block(n, BlockStrength(effect=e, scales=(s,))) for n, e, s in values)

    return numbered_blocks


NUMBER = {"default": 1.0, "min": 0.0, "step": 0.001}
NODES = [
    multival("ADE_MultivalDynamic", "Multival", io.Float.Input("float_val", tooltip="The value.", **NUMBER)),
    multival(
        "ADE_MultivalDynamicFloatInput",
        "Multival [Float List]",
        io.Float.Input(
            "float_val", max=10.0, force_input=True, tooltip="A number, or a list of one per frame.", **NUMBER
        ),
    ),
    multival("ADE_MultivalDynamicFloats", "Multival [Floats]", Floats.Input("floats", tooltip="A number per frame.")),
    multival_scaled_mask,
    multival_to_mask,
    float_to_floats,
    keyframe(
        *("ADE_AnimateDiffKeyframe", "AnimateDiff Keyframe"),
        PerBlock.Input("per_block_replace", optional=True, tooltip="Strengths of single blocks."),
        "blocks",
    ),
    block_combo,
    block_individual,
    per_block("ADE_PerBlockHighLevel", "AD Per Block", ["down", "mid", "up"]),
    per_block("ADE_PerBlock_SD15_MidLevel", "AD Per Block+ (SD1.5)", block_names("SD15", False)),
    per_block("ADE_PerBlock_SD15_LowLevel", "AD Per Block++ (SD1.5)", block_names("SD15", True)),
    per_block_floats("ADE_PerBlock_SD15_FromFloats", "AD Per Block Floats (SD1.5)", "SD15", 21),
    per_block("ADE_PerBlock_SDXL_MidLevel", "AD Per Block+ (SDXL)", block_names("SDXL", False)),
    per_block("ADE_PerBlock_SDXL_LowLevel", "AD Per Block++ (SDXL)", block_names("SDXL", True)),
    per_block_floats("ADE_PerBlock_SDXL_FromFloats", "AD Per Block Floats (SDXL)", "SDXL", 16),
]
