"""Objects of another pack in a compatibility form's sockets: sockets carry names, and ids may be shared among packs."""

from collections.abc import Callable

from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from ...motion.model import MotionModel
from ...motion.settings import BlockStrength
from ...sampling.ancestral import AncestralNoise
from ...sampling.iterations import Iterations
from ...sampling.references.attention import Mode, Tune
from ...sampling.references.settings import Extras
from ...sampling.sigmas.tables import SigmaTable
from ...sampling.windows.plan import WindowPlan
from . import adjust, context, guidance, noise, types


def of(kind: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, kind)


TUPLES = (
    *(types.MotionModels, types.NoiseLayers, types.MotionLoRAs, types.PositionAdjusts, types.WeightAdjusts),
    *(types.Keyframes, types.PerBlock, types.CustomCFG, types.ReferenceKeyframes, types.ReuseKeyframes),
    types.ImageInjections,
)
OURS: dict[str, Callable[[object], bool]] = {socket.io_type: of(tuple) for socket in TUPLES} | {
    types.MotionModelADE.io_type: lambda value: (
        isinstance(value, ModelPatcher) and isinstance(value.model, MotionModel)
    ),
    types.ContextOptions.io_type: of(context.Group),
    types.ContextExtras.io_type: of(Extras),
    types.ReferenceMode.io_type: of(Mode),
    types.ReferenceTune.io_type: of(Tune),
    types.ViewOptions.io_type: of(WindowPlan),
    types.SampleSettings.io_type: of(noise.Settings),
    types.IterationOptions.io_type: of(Iterations),
    types.AncestralOptions.io_type: of(AncestralNoise),
    types.CFGExtras.io_type: of(guidance.Extras),
    types.InjectOptions.io_type: of(tuple),
    types.AdSettings.io_type: of(adjust.Settings),
    types.Block.io_type: of(BlockStrength),
    types.SigmaSchedule.io_type: of(SigmaTable),
}
"""Socket -> whether what came through it is ours. MULTIVAL and FLOATS carry numbers, which every pack may give."""


def refusing_foreign(form: type[io.ComfyNode]) -> type[io.ComfyNode]:
    """The form, which raises ValueError where another pack's object comes in."""

    def execute(cls, **inputs) -> io.NodeOutput:
        for each in form.GET_SCHEMA().inputs:
            value = inputs.get(each.id)
            if value is not None and each.io_type in OURS and not OURS[each.io_type](value):
                raise ValueError(
                    f"{each.id} comes from a node of another pack, and this node is AnimateDiff Native's. "
                    "If ComfyUI-AnimateDiff-Evolved is installed, update it, so that all nodes of this workflow are "
                    "its own; if not, replace the node that is connected here."
                )
        return form.execute(**inputs)

    return type(form.__name__, (form,), {"execute": classmethod(execute), "__module__": form.__module__})
