"""Context extras of shared workflows: ContextRef and NaiveReuse."""

from dataclasses import replace

from comfy_api.latest import io

from ...sampling.references.attention import INDEXES, SLIDING, Mode, Tune
from ...sampling.references.settings import NO_LINKS, Reference, Reuse
from ..inputs import mistake_in
from . import types
from .context import CONTEXT, REPLACED
from .form import form
from .timing import span
from .types import MANY, Multival

EXTRAS = types.ContextExtras.Output(display_name="CONTEXT_EXTRAS")
MODE = types.ReferenceMode.Output(display_name="CONTEXTREF_MODE")
TUNE = types.ReferenceTune.Output(display_name="CONTEXTREF_TUNE")


def prev_extras():
    return types.ContextExtras.Input("prev_extras", optional=True, tooltip="Other extras of the same windows.")


def strength_multival():
    return Multival.Input("strength_multival", optional=True, tooltip="Its strength: a number, or one per frame.")


@form(
    *("ADE_ContextExtras_Set", "Set Context Extras"),
    [
        types.ContextOptions.Input("context_opts", tooltip="From Context Options."),
        types.ContextExtras.Input("context_extras", optional=True, tooltip="What its windows do besides."),
    ],
    *(CONTEXT, REPLACED),
)
def set_context_extras(context_opts, context_extras=None):
    return replace(context_opts, extras=context_extras) if context_extras else context_opts


@form(
    *("ADE_ContextExtras_ContextRef", "Context Extras: ContextRef"),
    [
        prev_extras(),
        strength_multival(),
        types.ReferenceMode.Input("contextref_mode", optional=True, tooltip="Which windows are looked at."),
        types.ReferenceTune.Input("contextref_tune", optional=True, tooltip="How much is taken of them."),
        types.ReferenceKeyframes.Input("contextref_kf", optional=True, tooltip="What changes over the sampling."),
        *span(0.0, 0.25, optional=True),
    ],
    *(EXTRAS, REPLACED),
)
def context_ref(
    prev_extras=NO_LINKS,
    strength_multival=1.0,
    contextref_mode=None,
    contextref_tune=None,
    contextref_kf=(),
    start_percent: float = 0.0,
    end_percent: float = 0.1,  # of a prompt that names none, as there
):
    mode, tune = contextref_mode or Mode(), contextref_tune or Tune()
    reference = Reference(strength_multival, tune, mode, contextref_kf, start_percent, end_percent)
    return replace(prev_extras, reference=reference)


MEAN = {"default": 0.95, "min": 0.0, "max": 1.0, "step": 0.001, "optional": True}


@form(
    *("ADE_ContextExtras_NaiveReuse", "Context Extras: NaiveReuse"),
    [
        prev_extras(),
        strength_multival(),
        types.ReuseKeyframes.Input("naivereuse_kf", optional=True, tooltip="What changes over the sampling."),
        *span(0.0, 0.15, optional=True),
        io.Float.Input("weighted_mean", tooltip="How much of the first window is taken.", **MEAN),
    ],
    *(EXTRAS, REPLACED),
)
def naive_reuse(
    prev_extras=NO_LINKS,
    strength_multival=1.0,
    naivereuse_kf=(),
    start_percent: float = 0.0,
    end_percent: float = 0.1,  # of a prompt that names none, as there
    weighted_mean: float = 0.95,
):
    reuse = Reuse(weighted_mean, strength_multival, naivereuse_kf, start_percent, end_percent)
    return replace(prev_extras, reuse=reuse)


@form("ADE_ContextExtras_ContextRef_ModeFirst", "ContextRef Mode: First", [], MODE, REPLACED)
def mode_first():
    return Mode()


SLIDING_WIDTH = "How many windows go together: every (sliding_width - 1)th is looked at by those after it."


@form(
    *("ADE_ContextExtras_ContextRef_ModeSliding", "ContextRef Mode: Sliding"),
    [io.Int.Input("sliding_width", default=2, min=2, max=MANY, optional=True, tooltip=SLIDING_WIDTH)],
    *(MODE, REPLACED),
)
def mode_sliding(sliding_width: int = 2):
    return Mode(SLIDING, sliding_width)


INDEX_LIST = "Frames, as 0, 16, 32: the windows with them are looked at by those after them."


@form(
    *("ADE_ContextExtras_ContextRef_ModeIndexes", "ContextRef Mode: Indexes"),
    [
        io.String.Input("switch_on_idxs", default="", optional=True, tooltip=INDEX_LIST),
        io.Boolean.Input("always_include_0", default=True, optional=True, tooltip="Also frame 0."),
    ],
    *(MODE, REPLACED),
    validate_inputs=lambda cls, switch_on_idxs=None: mistake_in(switch_on_idxs, frame_numbers),
)
def mode_indexes(switch_on_idxs: str = "", always_include_0: bool = True):
    frames = frame_numbers(switch_on_idxs) | ({0} if always_include_0 else set())
    return Mode(INDEXES, indexes=frozenset(frames))


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


@form(
    *("ADE_ContextExtras_ContextRef_TuneAttnAdain", "ContextRef Tune: Attn+Adain"),
    [*tuning("attn", "self-attentions"), *tuning("adain", "blocks")],
    *(TUNE, REPLACED),
)
def tune_attention_and_adain(
    attn_style_fidelity: float = 1.0,
    attn_ref_weight: float = 1.0,
    attn_strength: float = 1.0,
    adain_style_fidelity: float = 1.0,
    adain_ref_weight: float = 1.0,
    adain_strength: float = 1.0,
):
    attention = (attn_style_fidelity, attn_ref_weight, attn_strength)
    return Tune(*attention, adain_style_fidelity, adain_ref_weight, adain_strength)


@form(
    *("ADE_ContextExtras_ContextRef_TuneAttn", "ContextRef Tune: Attn"),
    *(tuning("attn", "self-attentions"), TUNE, REPLACED),
)
def tune_attention(attn_style_fidelity: float = 1.0, attn_ref_weight: float = 1.0, attn_strength: float = 1.0):
    return Tune(attn_style_fidelity, attn_ref_weight, attn_strength)


NODES = [
    *(set_context_extras, context_ref, mode_first, mode_sliding, mode_indexes, tune_attention),
    *(tune_attention_and_adain, naive_reuse),
]
