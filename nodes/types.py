"""Socket types of the pack."""

from comfy_api.latest import io

MotionModel = io.Custom("MOTION_MODEL")
"""A ModelPatcher that holds a `motion.model.MotionModel`."""

StrengthSchedule = io.Custom("STRENGTH_SCHEDULE")
"""A `motion.strength.Strength`: a value over frames, regions and the sampling."""

BlockWeights = io.Custom("BLOCK_WEIGHTS")
"""A tuple of `motion.settings.BlockStrength`; the first that fits a motion module is the one that counts."""

TrainingExamples = io.Custom("TRAINING_EXAMPLES")
"""A `training.examples.Examples`: clips that the VAE and the text encoder have seen already."""

TrainingOptions = io.Custom("TRAINING_OPTIONS")
"""A `training.plan.TrainingOptions`."""

LossMap = io.Custom("LOSS_MAP")
"""The host's: {"loss": [of each step]}, which its Plot Loss Graph draws."""

TrainingClips = io.Custom("TRAINING_CLIPS")
"""A `training.dataset.Clips`: clips that are decoded when they are encoded."""
