"""Context Options and View Options of shared workflows: window plans under their old names."""

from dataclasses import dataclass, replace

from comfy_api.latest import io

from ...sampling.references.settings import NO_EXTRAS, Extras
from ...sampling.windows.plan import BATCHED, LOOPED_UNIFORM, STANDARD_STATIC, STANDARD_UNIFORM, WHOLE_CLIP, WindowPlan
from .timing import guarantee_steps, percent
from .types import ContextOptions, ViewOptions, form


@dataclass(frozen=True)
class Group:
    """Context options that take turns, and the extras of them all."""

    plans: tuple[WindowPlan, ...] = ()
    """Each holds from its start_percent on."""
    extras: Extras = NO_EXTRAS


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


def grouped(prev_context: Group | None, plan: WindowPlan) -> io.NodeOutput:
    before = prev_context or Group()
    return io.NodeOutput(replace(before, plans=(*before.plans, plan)))


def context_form(
    node_id: str, display_name: str, schedule: str, inputs: list[io.Input], blending: str = "flat"
) -> type[io.ComfyNode]:
    """A form for windows by that schedule. blending: the fuse_method of a prompt that names none."""

    class ContextForm(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return form(node_id, f"Context Options: {display_name}", inputs, CONTEXT, REPLACED)

        @classmethod
        def execute(
            cls,
            context_length: int,
            context_overlap: int = 0,
            context_stride: int = 1,
            context_schedule: str = "uniform",
            closed_loop: bool = False,
            fuse_method: str = blending,
            use_on_equal_length: bool = False,
            start_percent: float = 0.0,
            guarantee_steps: int = 1,
            prev_context=None,
            view_opts=None,
        ) -> io.NodeOutput:
            method = fuse_method.removeprefix(LABORATORY)
            plan = WindowPlan(schedule, context_length, context_overlap, context_stride, closed_loop, method)
            turn = {"start_percent": start_percent, "guarantee_steps": guarantee_steps}
            plan = replace(plan, use_on_equal_length=use_on_equal_length, views=view_opts, **turn)
            return grouped(prev_context, plan)

    return ContextForm


class ViewsOnly(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [ViewOptions.Input("view_opts_req", tooltip="Windows inside the temporal attention."), *group()]
        return form("ADE_ViewsOnlyContextOptions", "Context Options: Views Only", inputs, CONTEXT, REPLACED)

    @classmethod
    def execute(
        cls, view_opts_req, start_percent: float = 0.0, guarantee_steps: int = 1, prev_context=None
    ) -> io.NodeOutput:
        turn = {"start_percent": start_percent, "guarantee_steps": guarantee_steps}
        return grouped(prev_context, WindowPlan(WHOLE_CLIP, 1, 0, fuse_method="flat", views=view_opts_req, **turn))


def view_form(node_id: str, display_name: str, schedule: str, inputs: list[io.Input]) -> type[io.ComfyNode]:
    """A form for windows inside the temporal attention."""

    class ViewForm(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return form(node_id, f"View Options: {display_name}", inputs, VIEW, REPLACED)

        @classmethod
        def execute(
            cls,
            view_length: int,
            view_overlap: int,
            view_stride: int = 1,
            closed_loop: bool = False,
            fuse_method: str = "flat",
            use_on_equal_length: bool = False,
        ) -> io.NodeOutput:
            method = fuse_method.removeprefix(LABORATORY)
            own = (view_length, view_overlap, view_stride, closed_loop, method, use_on_equal_length)
            return io.NodeOutput(WindowPlan(schedule, *own))

    return ViewForm


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
    ViewsOnly,
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
