"""Sockets of shared workflows, and what travels through them here."""

from collections.abc import Callable
from dataclasses import dataclass

from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io
from torch import Tensor

from ...motion.adjust import Adjustments
from ...motion.model import MotionModel
from ...motion.settings import BlockStrength
from ...motion.strength import Amount, Strength
from ...sampling.ancestral import AncestralNoise
from ...sampling.injection import Injection
from ...sampling.iterations import Iterations
from ...sampling.noise.draw import NoiseOptions
from ...sampling.references.attention import Mode, Tune
from ...sampling.references.settings import NO_LINKS, Links
from ...sampling.sigmas.tables import SigmaTable
from ...sampling.values.keyframes import Keyed
from ...sampling.values.places import Places
from ...sampling.windows.plan import WindowPlan

MANY = 9007199254740991
"""Their largest whole number: what a web page's numbers hold exactly."""


@dataclass(frozen=True)
class Group:
    """Context options that take turns, and the extras of them all."""

    plans: tuple[WindowPlan, ...] = ()
    """Each holds from its start_percent on."""
    extras: Links = NO_LINKS


@dataclass(frozen=True)
class GuidanceExtras:
    perturbed: Amount = 0.0
    """The scale of perturbed-attention guidance."""
    rescale: Amount = 0.0
    """The multiplier of rescaled guidance."""


@dataclass(frozen=True)
class CFGKeyframe:
    cfg: Keyed
    extras: GuidanceExtras | None = None


@dataclass(frozen=True)
class SamplingChoices:
    noise: NoiseOptions = NoiseOptions()
    iterations: Iterations | None = None
    guidance: tuple[CFGKeyframe, ...] = ()
    sigmas: SigmaTable | None = None
    ancestral: AncestralNoise | None = None
    injections: tuple[Injection, ...] = ()


@dataclass(frozen=True)
class MotionChoices:
    adjustments: Adjustments = Adjustments()
    motion_scale: Strength = 1.0


OURS: dict[str, Callable[[object], bool]] = {}
"""Socket -> whether what came through it is ours. Others carry numbers, or dicts of them, which every pack may give."""


def socket(io_type: str, kind: type) -> type[io.ComfyTypeIO]:
    """A socket that `kind` travels through."""
    OURS[io_type] = lambda value: isinstance(value, kind)
    return io.Custom(io_type)


MotionModelADE = io.Custom("MOTION_MODEL_ADE")
"""A MOTION_MODEL."""
OURS["MOTION_MODEL_ADE"] = lambda value: isinstance(value, ModelPatcher) and isinstance(value.model, MotionModel)
MotionModels = socket("M_MODELS", tuple)
"""A tuple of (motion model, settings); the first runs first."""
ContextOptions = socket("CONTEXT_OPTIONS", Group)
ViewOptions = socket("VIEW_OPTS", WindowPlan)
"""For the temporal attention."""
ContextExtras = socket("CONTEXT_EXTRAS", Links)
ReferenceMode = socket("CONTEXTREF_MODE", Mode)
ReferenceTune = socket("CONTEXTREF_TUNE", Tune)
ReferenceKeyframes = socket("CONTEXTREF_KEYFRAME", tuple)
"""A tuple of sampling.references.settings.LinkKeyframes."""
ReuseKeyframes = socket("NAIVEREUSE_KEYFRAME", tuple)
"""The same, for NaiveReuse."""
SampleSettings = socket("SAMPLE_SETTINGS", SamplingChoices)
NoiseLayers = socket("NOISE_LAYERS", tuple)
"""A tuple of (Layer, whether it takes the settings' seed_gen), in the order in which they are laid."""
IterationOptions = socket("ITERATION_OPTS", Iterations)
MotionLoRAs = socket("MOTION_LORA", tuple)
"""A tuple of (MotionLoRA, strength)."""
AdSettings = socket("AD_SETTINGS", MotionChoices)
PositionAdjusts = socket("PE_ADJUST", tuple)
"""A tuple of PositionAdjusts."""
WeightAdjusts = socket("WEIGHT_ADJUST", tuple)
"""A tuple of WeightAdjusts."""
Multival = io.Custom("MULTIVAL")
"""A Strength."""
Floats = io.Custom("FLOATS")
"""A list of numbers."""
Keyframes = socket("AD_KEYFRAMES", tuple)
"""A tuple of motion.settings.Keyframes."""
Block = socket("AD_BLOCK", BlockStrength)
"""One that names no block."""
PerBlock = socket("PER_BLOCK", tuple)
"""A tuple of BlockStrengths."""
CustomCFG = socket("CUSTOM_CFG", tuple)
"""A tuple of CFGKeyframes."""
CFGExtras = socket("CFG_EXTRAS", GuidanceExtras)
AncestralOptions = socket("ANCESTRAL_OPTS", AncestralNoise)
ImageInjections = socket("IMAGE_INJECT", tuple)
"""A tuple of sampling.injection.Injections."""
InjectOptions = socket("IMAGE_INJECT_OPTIONS", tuple)
"""Left and top, in pixels."""
SigmaSchedule = socket("SIGMA_SCHEDULE", SigmaTable)
PiaInput = io.Custom("PIA_INPUT")
"""A Strength: how much of its picture each frame of PIA's clip shows."""
OURS["PIA_INPUT"] = lambda value: callable(value) or isinstance(value, (float, int, Tensor))
CameraPoses = io.Custom("CAMERACTRL_POSES")
"""A list of rows of RealEstate10K (motion.camera_path)."""
GIF = io.Custom("GIF")
"""The path of a file, as text."""
SparseMethod = socket("SPARSE_METHOD", Places)
