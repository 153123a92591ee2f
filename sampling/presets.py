"""Context windows by what they are good for."""

from dataclasses import replace

from .windows import BATCHED, LOOPED_UNIFORM, STANDARD_STATIC, STANDARD_UNIFORM, WindowPlan

CUSTOM = "custom"

PRESETS = {
    "stable": WindowPlan(STANDARD_UNIFORM, fuse_method="overlap-linear"),
    "fast": WindowPlan(STANDARD_STATIC, context_overlap=2, fuse_method="overlap-linear"),
    "loop": WindowPlan(LOOPED_UNIFORM, closed_loop=True, fuse_method="overlap-linear"),
}
"""Chosen by benchmarks/seams.py; its table is in benchmarks/SEAMS.md."""
CHOICES = [*PRESETS, CUSTOM]
SCHEDULES = [STANDARD_STATIC, STANDARD_UNIFORM, LOOPED_UNIFORM, BATCHED]


def preset(name: str, context_length: int) -> WindowPlan:
    """The preset at another context_length, its overlap scaled with it."""
    plan = PRESETS[name]
    overlap = plan.context_overlap * context_length // plan.context_length
    return replace(plan, context_length=context_length, context_overlap=overlap)
