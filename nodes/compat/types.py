"""Sockets of shared workflows, and what travels through them here; the look of their forms."""

from comfy_api.latest import io

CATEGORY = "animatediff/compatibility"
MANY = 9007199254740991
"""Their largest whole number: what a web page's numbers hold exactly."""

MotionModelADE = io.Custom("MOTION_MODEL_ADE")
"""A MOTION_MODEL."""
MotionModels = io.Custom("M_MODELS")
"""A tuple of (motion model, settings); the first runs first."""
ContextOptions = io.Custom("CONTEXT_OPTIONS")
"""A compat.context.Group."""
ViewOptions = io.Custom("VIEW_OPTS")
"""A WindowPlan for the temporal attention."""
ContextExtras = io.Custom("CONTEXT_EXTRAS")
"""A sampling.references.settings.Extras."""
ReferenceMode = io.Custom("CONTEXTREF_MODE")
"""A sampling.references.attention.Mode."""
ReferenceTune = io.Custom("CONTEXTREF_TUNE")
"""A sampling.references.attention.Tune."""
ReferenceKeyframes = io.Custom("CONTEXTREF_KEYFRAME")
"""A tuple of sampling.references.settings.ExtraKeyframes."""
ReuseKeyframes = io.Custom("NAIVEREUSE_KEYFRAME")
"""The same, for NaiveReuse."""
SampleSettings = io.Custom("SAMPLE_SETTINGS")
"""A compat.noise.Settings."""
NoiseLayers = io.Custom("NOISE_LAYERS")
"""A tuple of (Layer, whether it takes the settings' seed_gen), in the order in which they are laid."""
IterationOptions = io.Custom("ITERATION_OPTS")
"""A sampling.iterations.Iterations."""
MotionLoRAs = io.Custom("MOTION_LORA")
"""A tuple of (MotionLoRA, strength)."""
AdSettings = io.Custom("AD_SETTINGS")
"""A compat.adjust.Settings."""
PositionAdjusts = io.Custom("PE_ADJUST")
"""A tuple of PositionAdjusts."""
WeightAdjusts = io.Custom("WEIGHT_ADJUST")
"""A tuple of WeightAdjusts."""
Multival = io.Custom("MULTIVAL")
"""A Strength."""
Floats = io.Custom("FLOATS")
"""A list of numbers."""
Keyframes = io.Custom("AD_KEYFRAMES")
"""A tuple of motion.settings.Keyframes."""
Block = io.Custom("AD_BLOCK")
"""A BlockStrength that names no block."""
PerBlock = io.Custom("PER_BLOCK")
"""A tuple of BlockStrengths."""
CustomCFG = io.Custom("CUSTOM_CFG")
"""A tuple of compat.guidance.CFGKeyframe."""
CFGExtras = io.Custom("CFG_EXTRAS")
"""A compat.guidance.Extras."""
AncestralOptions = io.Custom("ANCESTRAL_OPTS")
"""A sampling.ancestral.AncestralNoise."""
ImageInjections = io.Custom("IMAGE_INJECT")
"""A tuple of sampling.injection.Injection."""
InjectOptions = io.Custom("IMAGE_INJECT_OPTIONS")
"""Left and top, in pixels."""
SigmaSchedule = io.Custom("SIGMA_SCHEDULE")
"""A SigmaTable."""
GIF = io.Custom("GIF")
"""The path of a file, as text."""


def form(node_id: str, display_name: str, inputs: list, output, replaced_by: str) -> io.Schema:
    """A hidden form; `replaced_by` is the display name of our node that does the same."""
    return io.Schema(
        node_id=node_id,
        display_name=display_name,
        category=CATEGORY,
        description=f"For shared workflows. In new ones use {replaced_by}.",
        inputs=inputs,
        outputs=[output],
        is_deprecated=True,
    )
