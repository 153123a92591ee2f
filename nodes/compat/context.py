"""Context Options and View Options of shared workflows: window plans under their old names."""

from dataclasses import replace

from comfy_api.latest import io

from ...sampling.windows.plan import BATCHED, LOOPED_UNIFORM, STANDARD_STATIC, STANDARD_UNIFORM, WHOLE_CLIP, WindowPlan
from .form import form
from .timing import guarantee_steps, percent
from .types import ContextOptions, Group, ViewOptions

REPLACED = "Context Windows (AnimateDiff)"

LABORATORY = "🔬"
"""Stands before the names of their experimental fuse methods."""
EXPERIMENTAL = [
    "delayed reverse sawtooth",
    "pyramid-sigma",
    "pyramid-sigma inverse",
    "gauss-sigma",
    "gauss-sigma inverse",
    "random",
]
FUSE_METHODS = ["pyramid", "flat", "overlap-linear", *(LABORATORY + name for name in EXPERIMENTAL)]
FUSE_METHODS_STATIC = ["pyramid", "relative", *FUSE_METHODS[1:]]


def length(of: str = "context"):
    return io.Int.Input(f"{of}_length", default=16, min=1, max=128, tooltip="Frames per window.")


def stride(of: str = "context"):
    return io.Int.Input(f"{of}_stride", default=1, min=1, max=32, tooltip="Also windows of every 2nd, 4th, ... frame.")


def overlap(of: str = "context"):
    return io.Int.Input(
        f"{of}_overlap", default=4, min=0, max=128, tooltip="Frames that a window shares with the next."
    )


def context_schedule():
    return io.Combo.Input("context_schedule", options=["uniform"], tooltip="The only one.")


def closed_loop():
    return io.Boolean.Input("closed_loop", default=False, tooltip="The last window goes on at frame 0.")


def fuse_method(options=FUSE_METHODS, default="pyramid"):
    tooltip = "How much each frame of a window counts where windows overlap."
    return io.Combo.Input("fuse_method", options=options, default=default, optional=True, tooltip=tooltip)


def use_on_equal_length():
    tooltip = "Also where the clip is exactly one window long."
    return io.Boolean.Input("use_on_equal_length", default=False, optional=True, tooltip=tooltip)


def group():
    """The inputs by which several context options take turns during the run."""
    start = "Where in the sampling these options begin (0 is the first step)."
    return [
        percent("start_percent", 0.0, start, optional=True),
        guarantee_steps(tooltip="For how many steps they hold at least."),
        ContextOptions.Input(
            "prev_context", optional=True, tooltip="Context options that hold at other times of the run."
        ),
    ]


def others() -> list[io.Input]:
    """What most context options end with."""
    views = ViewOptions.Input("view_opts", optional=True, tooltip="Windows inside the temporal attention.")
    return [use_on_equal_length(), *group(), views]


CONTEXT = ContextOptions.Output(display_name="CONTEXT_OPTS")
VIEW = ViewOptions.Output(display_name="VIEW_OPTS")


def grouped(prev_context: Group | None, plan: WindowPlan) -> Group:
    before = prev_context or Group()
    return replace(before, plans=(*before.plans, plan))


def context_form(
    node_id: str, display_name: str, schedule: str, inputs: list[io.Input], blending: str = "flat"
) -> type[io.ComfyNode]:
    """A form for windows by that schedule, its inputs by WindowPlan's names.

    blending: the fuse_method of a prompt that names none.
    """

    @form(node_id, f"Context Options: {display_name}", inputs, CONTEXT, REPLACED)
    def context(prev_context=None, view_opts=None, context_schedule="uniform", fuse_method=blending, **others):
        words = {"context_overlap": 0, "fuse_method": fuse_method.removeprefix(LABORATORY), "views": view_opts}
        words["repeats"] = schedule == LOOPED_UNIFORM
        return grouped(prev_context, WindowPlan(schedule, **words | others))

    return context


@form(
    *("ADE_ViewsOnlyContextOptions", "Context Options: Views Only"),
    [ViewOptions.Input("view_opts_req", tooltip="Windows inside the temporal attention."), *group()],
    *(CONTEXT, REPLACED),
)
def views_only(view_opts_req, prev_context=None, **turn):
    return grouped(prev_context, WindowPlan(WHOLE_CLIP, 1, 0, fuse_method="flat", views=view_opts_req, **turn))


def view_form(node_id: str, display_name: str, schedule: str, inputs: list[io.Input]) -> type[io.ComfyNode]:
    """A form for windows inside the temporal attention."""

    @form(node_id, f"View Options: {display_name}", inputs, VIEW, REPLACED)
    def view(view_length: int, view_overlap: int, view_stride: int = 1, fuse_method: str = "flat", **others):
        method = fuse_method.removeprefix(LABORATORY)
        others["repeats"] = schedule == LOOPED_UNIFORM
        return WindowPlan(schedule, view_length, view_overlap, view_stride, fuse_method=method, **others)

    return view


NODES = [
    context_form(
        "ADE_StandardStaticContextOptions",
        "Standard Static",
        STANDARD_STATIC,
        [length(), overlap(), fuse_method(FUSE_METHODS_STATIC), *others()],
        "pyramid",
    ),
    context_form(
        "ADE_StandardUniformContextOptions",
        "Standard Uniform",
        STANDARD_UNIFORM,
        [length(), stride(), overlap(), fuse_method(), *others()],
        "pyramid",
    ),
    context_form(
        "ADE_LoopedUniformContextOptions",
        "Looped Uniform",
        LOOPED_UNIFORM,
        [length(), stride(), overlap(), closed_loop(), fuse_method(), *others()],
    ),
    context_form(  # the first of these forms, from when there was one schedule
        "ADE_AnimateDiffUniformContextOptions",
        "Looped Uniform",
        LOOPED_UNIFORM,
        [length(), stride(), overlap(), context_schedule(), closed_loop(), fuse_method(default="flat"), *others()],
    ),
    context_form("ADE_BatchedContextOptions", "Batched", BATCHED, [length(), *group()]),
    views_only,
    view_form(
        "ADE_StandardStaticViewOptions",
        "Standard Static",
        STANDARD_STATIC,
        [length("view"), overlap("view"), fuse_method()],
    ),
    view_form(
        "ADE_StandardUniformViewOptions",
        "Standard Uniform",
        STANDARD_UNIFORM,
        [length("view"), stride("view"), overlap("view"), fuse_method()],
    ),
    view_form(
        "ADE_LoopedUniformViewOptions",
        "Looped Uniform",
        LOOPED_UNIFORM,
        [length("view"), stride("view"), overlap("view"), closed_loop(), fuse_method(), use_on_equal_length()],
    ),
]
