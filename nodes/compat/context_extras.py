"""Context extras of shared workflows: ContextRef and NaiveReuse."""

from dataclasses import replace

from comfy_api.latest import io

from ...sampling.references.attention import INDEXES, SLIDING, Mode, Tune
from ...sampling.references.settings import NO_EXTRAS, Reference, Reuse
from .context import CONTEXT, REPLACED
from .timing import span
from .types import (
    MANY,
    ContextExtras,
    ContextOptions,
    Multival,
    ReferenceKeyframes,
    ReferenceMode,
    ReferenceTune,
    ReuseKeyframes,
    form,
)

EXTRAS = ContextExtras.Output(display_name="CONTEXT_EXTRAS")
MODE = ReferenceMode.Output(display_name="CONTEXTREF_MODE")
TUNE = ReferenceTune.Output(display_name="CONTEXTREF_TUNE")


def prev_extras():
    return ContextExtras.Input("prev_extras", optional=True, tooltip="Other extras of the same windows.")


def strength_multival():
    return Multival.Input("strength_multival", optional=True, tooltip="Its strength: a number, or one per frame.")


class SetContextExtras(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [
            ContextOptions.Input("context_opts", tooltip="From Context Options."),
            ContextExtras.Input("context_extras", optional=True, tooltip="What its windows do besides."),
        ]
        return form("ADE_ContextExtras_Set", "Set Context Extras", inputs, CONTEXT, REPLACED)

    @classmethod
    def execute(cls, context_opts, context_extras=None) -> io.NodeOutput:
        return io.NodeOutput(replace(context_opts, extras=context_extras) if context_extras else context_opts)


class ContextRef(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [
            prev_extras(),
            strength_multival(),
            ReferenceMode.Input("contextref_mode", optional=True, tooltip="Which windows are looked at."),
            ReferenceTune.Input("contextref_tune", optional=True, tooltip="How much is taken of them."),
            ReferenceKeyframes.Input("contextref_kf", optional=True, tooltip="What changes over the sampling."),
            *span(0.0, 0.25, optional=True),
        ]
        return form("ADE_ContextExtras_ContextRef", "Context Extras: ContextRef", inputs, EXTRAS, REPLACED)

    @classmethod
    def execute(
        cls,
        prev_extras=NO_EXTRAS,
        strength_multival=1.0,
        contextref_mode=None,
        contextref_tune=None,
        contextref_kf=(),
        start_percent: float = 0.0,
        end_percent: float = 0.1,  # of a prompt that names none, as there
    ) -> io.NodeOutput:
        mode, tune = contextref_mode or Mode(), contextref_tune or Tune()
        reference = Reference(strength_multival, tune, mode, contextref_kf, start_percent, end_percent)
        return io.NodeOutput(replace(prev_extras, reference=reference))


class NaiveReuse(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        mean = {"default": 0.95, "min": 0.0, "max": 1.0, "step": 0.001, "optional": True}
        inputs = [
            prev_extras(),
            strength_multival(),
            ReuseKeyframes.Input("naivereuse_kf", optional=True, tooltip="What changes over the sampling."),
            *span(0.0, 0.15, optional=True),
            io.Float.Input("weighted_mean", tooltip="How much of the first window is taken.", **mean),
        ]
        return form("ADE_ContextExtras_NaiveReuse", "Context Extras: NaiveReuse", inputs, EXTRAS, REPLACED)

    @classmethod
    def execute(
        cls,
        prev_extras=NO_EXTRAS,
        strength_multival=1.0,
        naivereuse_kf=(),
        start_percent: float = 0.0,
        end_percent: float = 0.1,  # of a prompt that names none, as there
        weighted_mean: float = 0.95,
    ) -> io.NodeOutput:
        reuse = Reuse(weighted_mean, strength_multival, naivereuse_kf, start_percent, end_percent)
        return io.NodeOutput(replace(prev_extras, reuse=reuse))


class ModeFirst(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return form("ADE_ContextExtras_ContextRef_ModeFirst", "ContextRef Mode: First", [], MODE, REPLACED)

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(Mode())


class ModeSliding(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        tooltip = "How many windows go together: every (sliding_width - 1)th is looked at by those after it."
        width = io.Int.Input("sliding_width", default=2, min=2, max=MANY, optional=True, tooltip=tooltip)
        return form("ADE_ContextExtras_ContextRef_ModeSliding", "ContextRef Mode: Sliding", [width], MODE, REPLACED)

    @classmethod
    def execute(cls, sliding_width: int = 2) -> io.NodeOutput:
        return io.NodeOutput(Mode(SLIDING, sliding_width))


class ModeIndexes(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        frames = "Frames, as 0, 16, 32: the windows with them are looked at by those after them."
        inputs = [
            io.String.Input("switch_on_idxs", default="", optional=True, tooltip=frames),
            io.Boolean.Input("always_include_0", default=True, optional=True, tooltip="Also frame 0."),
        ]
        return form("ADE_ContextExtras_ContextRef_ModeIndexes", "ContextRef Mode: Indexes", inputs, MODE, REPLACED)

    @classmethod
    def execute(cls, switch_on_idxs: str = "", always_include_0: bool = True) -> io.NodeOutput:
        frames = frame_numbers(switch_on_idxs) | ({0} if always_include_0 else set())
        return io.NodeOutput(Mode(INDEXES, indexes=frozenset(frames)))


def frame_numbers(text: str) -> set[int]:
    """ "0, 16" -> {0, 16}"""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        if not part.isdecimal():
            raise ValueError(
                f"switch_on_idxs has '{part}', which is no frame. Write whole numbers from 0 on, with commas between."
            )
    return {int(part) for part in parts}


def tuning(of: str, subject: str) -> list[io.Input]:
    words = {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.01, "optional": True}
    fidelity = "How little the negative prompt sees of the reference."
    return [
        io.Float.Input(f"{of}_style_fidelity", tooltip=fidelity, **words),
        io.Float.Input(f"{of}_ref_weight", tooltip=f"How many of the UNet's {subject} take part.", **words),
        io.Float.Input(f"{of}_strength", tooltip="How much of the reference is taken there.", **words),
    ]


class TuneAttnAdain(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [*tuning("attn", "self-attentions"), *tuning("adain", "blocks")]
        return form("ADE_ContextExtras_ContextRef_TuneAttnAdain", "ContextRef Tune: Attn+Adain", inputs, TUNE, REPLACED)

    @classmethod
    def execute(
        cls,
        attn_style_fidelity: float = 1.0,
        attn_ref_weight: float = 1.0,
        attn_strength: float = 1.0,
        adain_style_fidelity: float = 1.0,
        adain_ref_weight: float = 1.0,
        adain_strength: float = 1.0,
    ) -> io.NodeOutput:
        attention = (attn_style_fidelity, attn_ref_weight, attn_strength)
        return io.NodeOutput(Tune(*attention, adain_style_fidelity, adain_ref_weight, adain_strength))


class TuneAttn(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = tuning("attn", "self-attentions")
        return form("ADE_ContextExtras_ContextRef_TuneAttn", "ContextRef Tune: Attn", inputs, TUNE, REPLACED)

    @classmethod
    def execute(
        cls, attn_style_fidelity: float = 1.0, attn_ref_weight: float = 1.0, attn_strength: float = 1.0
    ) -> io.NodeOutput:
        return io.NodeOutput(Tune(attn_style_fidelity, attn_ref_weight, attn_strength))


NODES = [
    SetContextExtras,
    ContextRef,
    ModeFirst,
    ModeSliding,
    ModeIndexes,
    TuneAttn,
    TuneAttnAdain,
    NaiveReuse,
]
