"""Socket types of the pack."""

from comfy_api.latest import io

MotionModel = io.Custom("MOTION_MODEL")
"""A ModelPatcher that holds a `motion.model.MotionModel`."""
