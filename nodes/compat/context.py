"""Context Options and View Options of shared workflows: window plans under their old names."""

from dataclasses import dataclass, replace

from comfy_api.latest import io

from ...sampling.extras import NO_EXTRAS, Extras
from ...sampling.windows import BATCHED, LOOPED_UNIFORM, STANDARD_STATIC, STANDARD_UNIFORM, WHOLE_CLIP, WindowPlan
from .types import MANY, ContextOptions, ViewOptions, form


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


def length(of: str):
    return io.Int.Input(f"{of}_length", default=16, min=1, max=128, tooltip="Frames per window.")


def stride(of: str):
    return io.Int.Input(f"{of}_stride", default=1, min=1, max=32, tooltip="Also windows of every 2nd, 4th, ... frame.")


def overlap(of: str):
    return io.Int.Input(
        f"{of}_overlap", default=4, min=0, max=128, tooltip="Frames that a window shares with the next."
    )


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
    steps = "For how many steps they hold at least."
    return [
        io.Float.Input("start_percent", default=0.0, min=0.0, max=1.0, step=0.001, optional=True, tooltip=start),
        io.Int.Input("guarantee_steps", default=1, min=0, max=MANY, optional=True, tooltip=steps),
        ContextOptions.Input(
            "prev_context", optional=True, tooltip="Context options that hold at other times of the run."
        ),
    ]


def view_options():
    return ViewOptions.Input("view_opts", optional=True, tooltip="Windows inside the temporal attention.")


CONTEXT = ContextOptions.Output(display_name="CONTEXT_OPTS")
VIEW = ViewOptions.Output(display_name="VIEW_OPTS")


def grouped(prev_context: Group | None, plan: WindowPlan) -> io.NodeOutput:
    group = prev_context or Group()
    return io.NodeOutput(replace(group, plans=(*group.plans, plan)))


class StandardStatic(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [length("context"), overlap("context"), fuse_method(FUSE_METHODS_STATIC), use_on_equal_length()]
        inputs += [*group(), view_options()]
        return form("ADE_StandardStaticContextOptions", "Context Options: Standard Static", inputs, CONTEXT, REPLACED)

    @classmethod
    def execute(
        cls,
        context_length: int,
        context_overlap: int,
        fuse_method: str = "pyramid",
        use_on_equal_length: bool = False,
        start_percent: float = 0.0,
        guarantee_steps: int = 1,
        prev_context=None,
        view_opts=None,
    ) -> io.NodeOutput:
        plan = WindowPlan(
            STANDARD_STATIC,
            context_length,
            context_overlap,
            fuse_method=fuse_method.removeprefix(LABORATORY),
            use_on_equal_length=use_on_equal_length,
            views=view_opts,
            start_percent=start_percent,
            guarantee_steps=guarantee_steps,
        )
        return grouped(prev_context, plan)


class StandardUniform(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [length("context"), stride("context"), overlap("context"), fuse_method(), use_on_equal_length()]
        inputs += [*group(), view_options()]
        return form("ADE_StandardUniformContextOptions", "Context Options: Standard Uniform", inputs, CONTEXT, REPLACED)

    @classmethod
    def execute(
        cls,
        context_length: int,
        context_stride: int,
        context_overlap: int,
        fuse_method: str = "pyramid",
        use_on_equal_length: bool = False,
        start_percent: float = 0.0,
        guarantee_steps: int = 1,
        prev_context=None,
        view_opts=None,
    ) -> io.NodeOutput:
        plan = WindowPlan(
            STANDARD_UNIFORM,
            context_length,
            context_overlap,
            context_stride,
            fuse_method=fuse_method.removeprefix(LABORATORY),
            use_on_equal_length=use_on_equal_length,
            views=view_opts,
            start_percent=start_percent,
            guarantee_steps=guarantee_steps,
        )
        return grouped(prev_context, plan)


class LoopedUniform(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [length("context"), stride("context"), overlap("context"), closed_loop(), fuse_method()]
        inputs += [use_on_equal_length(), *group(), view_options()]
        return form("ADE_LoopedUniformContextOptions", "Context Options: Looped Uniform", inputs, CONTEXT, REPLACED)

    @classmethod
    def execute(
        cls,
        context_length: int,
        context_stride: int,
        context_overlap: int,
        closed_loop: bool,
        fuse_method: str = "flat",
        use_on_equal_length: bool = False,
        start_percent: float = 0.0,
        guarantee_steps: int = 1,
        prev_context=None,
        view_opts=None,
    ) -> io.NodeOutput:
        plan = WindowPlan(
            LOOPED_UNIFORM,
            context_length,
            context_overlap,
            context_stride,
            closed_loop,
            fuse_method.removeprefix(LABORATORY),
            use_on_equal_length,
            view_opts,
            start_percent,
            guarantee_steps,
        )
        return grouped(prev_context, plan)


class UniformLegacy(LoopedUniform):
    """The first of these forms, from when there was one schedule."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [length("context"), stride("context"), overlap("context")]
        inputs += [io.Combo.Input("context_schedule", options=["uniform"], tooltip="The only one."), closed_loop()]
        inputs += [fuse_method(default="flat"), use_on_equal_length(), *group(), view_options()]
        return form(
            "ADE_AnimateDiffUniformContextOptions", "Context Options: Looped Uniform", inputs, CONTEXT, REPLACED
        )

    @classmethod
    def execute(
        cls,
        context_length: int,
        context_stride: int,
        context_overlap: int,
        context_schedule: str,
        closed_loop: bool,
        fuse_method: str = "flat",
        use_on_equal_length: bool = False,
        start_percent: float = 0.0,
        guarantee_steps: int = 1,
        prev_context=None,
        view_opts=None,
    ) -> io.NodeOutput:
        own = (context_length, context_stride, context_overlap, closed_loop, fuse_method, use_on_equal_length)
        return super().execute(*own, start_percent, guarantee_steps, prev_context, view_opts)


class Batched(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return form(
            "ADE_BatchedContextOptions", "Context Options: Batched", [length("context"), *group()], CONTEXT, REPLACED
        )

    @classmethod
    def execute(
        cls, context_length: int, start_percent: float = 0.0, guarantee_steps: int = 1, prev_context=None
    ) -> io.NodeOutput:
        plan = WindowPlan(
            BATCHED, context_length, 0, fuse_method="flat", start_percent=start_percent, guarantee_steps=guarantee_steps
        )
        return grouped(prev_context, plan)


class ViewsOnly(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [ViewOptions.Input("view_opts_req", tooltip="Windows inside the temporal attention."), *group()]
        return form("ADE_ViewsOnlyContextOptions", "Context Options: Views Only", inputs, CONTEXT, REPLACED)

    @classmethod
    def execute(
        cls, view_opts_req, start_percent: float = 0.0, guarantee_steps: int = 1, prev_context=None
    ) -> io.NodeOutput:
        plan = WindowPlan(
            WHOLE_CLIP,
            1,
            0,
            fuse_method="flat",
            views=view_opts_req,
            start_percent=start_percent,
            guarantee_steps=guarantee_steps,
        )
        return grouped(prev_context, plan)


class StandardStaticView(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [length("view"), overlap("view"), fuse_method()]
        return form("ADE_StandardStaticViewOptions", "View Options: Standard Static", inputs, VIEW, REPLACED)

    @classmethod
    def execute(cls, view_length: int, view_overlap: int, fuse_method: str = "flat") -> io.NodeOutput:
        return io.NodeOutput(
            WindowPlan(STANDARD_STATIC, view_length, view_overlap, fuse_method=fuse_method.removeprefix(LABORATORY))
        )


class StandardUniformView(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [length("view"), stride("view"), overlap("view"), fuse_method()]
        return form("ADE_StandardUniformViewOptions", "View Options: Standard Uniform", inputs, VIEW, REPLACED)

    @classmethod
    def execute(cls, view_length: int, view_stride: int, view_overlap: int, fuse_method: str = "flat") -> io.NodeOutput:
        method = fuse_method.removeprefix(LABORATORY)
        return io.NodeOutput(WindowPlan(STANDARD_UNIFORM, view_length, view_overlap, view_stride, fuse_method=method))


class LoopedUniformView(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [length("view"), stride("view"), overlap("view"), closed_loop(), fuse_method(), use_on_equal_length()]
        return form("ADE_LoopedUniformViewOptions", "View Options: Looped Uniform", inputs, VIEW, REPLACED)

    @classmethod
    def execute(
        cls,
        view_length: int,
        view_stride: int,
        view_overlap: int,
        closed_loop: bool,
        fuse_method: str = "flat",
        use_on_equal_length: bool = False,
    ) -> io.NodeOutput:
        method = fuse_method.removeprefix(LABORATORY)
        plan = WindowPlan(LOOPED_UNIFORM, view_length, view_overlap, view_stride, closed_loop, method)
        return io.NodeOutput(replace(plan, use_on_equal_length=use_on_equal_length))


NODES = [
    StandardStatic,
    StandardUniform,
    LoopedUniform,
    UniformLegacy,
    Batched,
    ViewsOnly,
    StandardStaticView,
    StandardUniformView,
    LoopedUniformView,
]
