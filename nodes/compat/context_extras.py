"""Context extras of shared workflows: ContextRef and NaiveReuse."""

from dataclasses import replace

from comfy_api.latest import io

from ...sampling.extras import NO_EXTRAS, ExtraKeyframe, Reference, Reuse
from ...sampling.reference_attention import INDEXES, SLIDING, Mode, Tune
from ...sampling.schedules import EASINGS
from .context import CONTEXT, REPLACED
from .sigmas import EASE
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


def fraction(name: str, default: float, tooltip: str, step: float = 0.001, optional: bool = True):
    return io.Float.Input(name, default=default, min=0.0, max=1.0, step=step, optional=optional, tooltip=tooltip)


def percents(start: float, end: float, optional: bool = True) -> list[io.Input]:
    return [
        fraction("start_percent", start, "Where in the sampling it begins (0 is the first step).", optional=optional),
        fraction("end_percent", end, "Where in the sampling it ends (1 is the last step).", optional=optional),
    ]


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
            *percents(0.0, 0.25),
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
        end_percent: float = 0.1,
    ) -> io.NodeOutput:
        mode, tune = contextref_mode or Mode(), contextref_tune or Tune()
        reference = Reference(strength_multival, tune, mode, contextref_kf, start_percent, end_percent)
        return io.NodeOutput(replace(prev_extras, reference=reference))


class NaiveReuse(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        mean = "How much of the first window is taken."
        inputs = [
            prev_extras(),
            strength_multival(),
            ReuseKeyframes.Input("naivereuse_kf", optional=True, tooltip="What changes over the sampling."),
            *percents(0.0, 0.15),
            fraction("weighted_mean", 0.95, mean),
        ]
        return form("ADE_ContextExtras_NaiveReuse", "Context Extras: NaiveReuse", inputs, EXTRAS, REPLACED)

    @classmethod
    def execute(
        cls,
        prev_extras=NO_EXTRAS,
        strength_multival=1.0,
        naivereuse_kf=(),
        start_percent: float = 0.0,
        end_percent: float = 0.1,
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
    return [
        fraction(f"{of}_style_fidelity", 1.0, "How little the negative prompt sees of the reference.", 0.01),
        fraction(f"{of}_ref_weight", 1.0, f"How many of the UNet's {subject} take part.", 0.01),
        fraction(f"{of}_strength", 1.0, "How much of the reference is taken there.", 0.01),
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


INHERIT = "What is left open stays as the keyframes before it set it."


def keyframe_forms(
    one_id: str, interpolation_id: str, list_id: str, name: str, socket, with_mode_and_tune: bool
) -> list[type[io.ComfyNode]]:
    """One keyframe, interpolated ones and those of a list, for the extra of that name."""
    output = socket.Output(display_name=f"{name.upper()}_KF")
    default_start = 1.0 if with_mode_and_tune else 0.0

    def replaced() -> list[io.Input]:
        inputs = [
            socket.Input("prev_kf", optional=True, tooltip="Keyframes at other times."),
            Multival.Input("mult_multival", optional=True, tooltip="Multiplies the strength."),
        ]
        if with_mode_and_tune:
            inputs.append(ReferenceMode.Input("mode_replace", optional=True, tooltip="Instead of its mode."))
            inputs.append(ReferenceTune.Input("tune_replace", optional=True, tooltip="Instead of its tune."))
        return inputs

    def inherit_missing(optional: bool = False):
        return io.Boolean.Input("inherit_missing", default=True, optional=optional, tooltip=INHERIT)

    def printed():
        return io.Boolean.Input("print_keyframes", default=False, tooltip="No use here: they are not printed.")

    class KeyframeForm(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            steps = "For how many steps at least."
            inputs = [
                *replaced(),
                fraction("mult", 1.0, "Multiplies the strength."),
                fraction("start_percent", 0.0, "Where in the sampling this keyframe begins (0 is the first step)."),
                io.Int.Input("guarantee_steps", default=1, min=0, max=MANY, optional=True, tooltip=steps),
                inherit_missing(optional=True),
            ]
            return form(one_id, f"{name} Keyframe", inputs, output, REPLACED)

        @classmethod
        def execute(
            cls,
            prev_kf=(),
            mult_multival=None,
            mode_replace=None,
            tune_replace=None,
            mult: float = 1.0,
            start_percent: float = default_start,
            guarantee_steps: int = 1,
            inherit_missing: bool = True,
        ) -> io.NodeOutput:
            what = (mult_multival, tune_replace, mode_replace, inherit_missing)
            return io.NodeOutput((*prev_kf, ExtraKeyframe(start_percent, mult, *what, guarantee_steps)))

    class KeyframeInterpolationForm(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            inputs = [
                *percents(0.0, 1.0, optional=False),
                fraction("mult_start", 1.0, "The first one's mult.", optional=False),
                fraction("mult_end", 1.0, "The last one's mult.", optional=False),
                io.Combo.Input("interpolation", options=list(EASE), tooltip="The way in between."),
                io.Int.Input("intervals", default=50, min=2, max=100, tooltip="How many keyframes."),
                inherit_missing(),
                printed(),
                *replaced(),
            ]
            return form(interpolation_id, f"{name} Keyframes Interp.", inputs, output, REPLACED)

        @classmethod
        def execute(
            cls,
            start_percent: float,
            end_percent: float,
            mult_start: float,
            mult_end: float,
            interpolation: str,
            intervals: int,
            inherit_missing: bool,
            print_keyframes: bool,
            prev_kf=(),
            mult_multival=None,
            mode_replace=None,
            tune_replace=None,
        ) -> io.NodeOutput:
            ease = EASINGS[EASE[interpolation]]
            mults = [mult_start + (mult_end - mult_start) * ease(index / (intervals - 1)) for index in range(intervals)]
            what = (mult_multival, tune_replace, mode_replace, inherit_missing)
            return io.NodeOutput((*prev_kf, *keyframes(mults, start_percent, end_percent, what)))

    class KeyframeFromListForm(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            numbers = "Mults, one after the other."
            inputs = [
                io.Float.Input("mults_float", default=-1, min=-1, step=0.001, force_input=True, tooltip=numbers),
                *percents(0.0, 1.0, optional=False),
                inherit_missing(),
                printed(),
                *replaced(),
            ]
            return form(list_id, f"{name} Keyframes From List", inputs, output, REPLACED)

        @classmethod
        def execute(
            cls,
            mults_float,
            start_percent: float,
            end_percent: float,
            inherit_missing: bool,
            print_keyframes: bool,
            prev_kf=(),
            mult_multival=None,
            mode_replace=None,
            tune_replace=None,
        ) -> io.NodeOutput:
            mults = mults_float if isinstance(mults_float, list) else [mults_float]
            what = (mult_multival, tune_replace, mode_replace, inherit_missing)
            return io.NodeOutput((*prev_kf, *keyframes(mults, start_percent, end_percent, what)))

    return [KeyframeForm, KeyframeInterpolationForm, KeyframeFromListForm]


def keyframes(mults: list[float], start: float, end: float, what: tuple) -> list[ExtraKeyframe]:
    """A keyframe for each mult, evenly from `start` to `end`; only the first is owed a step."""
    last = max(len(mults) - 1, 1)
    return [
        ExtraKeyframe(start + (end - start) * index / last, mult, *what, guarantee_steps=1 if index == 0 else 0)
        for index, mult in enumerate(mults)
    ]


NODES = [
    SetContextExtras,
    ContextRef,
    ModeFirst,
    ModeSliding,
    ModeIndexes,
    TuneAttn,
    TuneAttnAdain,
    *keyframe_forms(
        "ADE_ContextExtras_ContextRef_Keyframe",
        "ADE_ContextExtras_ContextRef_KeyframeInterpolation",
        "ADE_ContextExtras_ContextRef_KeyframeFromList",
        "ContextRef",
        ReferenceKeyframes,
        with_mode_and_tune=True,
    ),
    NaiveReuse,
    *keyframe_forms(
        "ADE_ContextExtras_NaiveReuse_Keyframe",
        "ADE_ContextExtras_NaiveReuse_KeyframeInterpolation",
        "ADE_ContextExtras_NaiveReuse_KeyframeFromList",
        "NaiveReuse",
        ReuseKeyframes,
        with_mode_and_tune=False,
    ),
]
