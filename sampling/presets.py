"""Context windows by what they are good for."""

from dataclasses import replace

from .windows import BATCHED, LOOPED_UNIFORM, STANDARD_SHIFTED, STANDARD_STATIC, STANDARD_UNIFORM, WindowPlan

CUSTOM = "custom"

PRESETS = {
    "stable": WindowPlan(STANDARD_SHIFTED),
    "fast": WindowPlan(STANDARD_SHIFTED, context_overlap=2),
    "loop": WindowPlan(LOOPED_UNIFORM, closed_loop=True),
}
"""Chosen by benchmarks/seams.py; its table is in benchmarks/SEAMS.md."""
CHOICES = [*PRESETS, CUSTOM]
SCHEDULES = [STANDARD_STATIC, STANDARD_SHIFTED, STANDARD_UNIFORM, LOOPED_UNIFORM, BATCHED]


def preset(name: str, context_length: int) -> WindowPlan:
    """The preset at another context_length, its overlap scaled with it."""
    plan = PRESETS[name]
    overlap = plan.context_overlap * context_length // plan.context_length
    return replace(plan, context_length=context_length, context_overlap=overlap)
