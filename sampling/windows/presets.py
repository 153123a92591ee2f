"""Context windows by what they are good for."""

from dataclasses import replace

from .plan import LOOPED_UNIFORM, STANDARD_EVEN, STANDARD_SHIFTED, WHOLE_CLIP, WindowPlan
from .plan import SCHEDULES as ALL_SCHEDULES

CUSTOM = "custom"

PRESETS = {
    "stable": WindowPlan(STANDARD_SHIFTED),
    "long": WindowPlan(STANDARD_EVEN, context_length=72, views=WindowPlan(STANDARD_SHIFTED)),
    "fast": WindowPlan(STANDARD_SHIFTED, context_overlap=2),
    "loop": WindowPlan(LOOPED_UNIFORM, closed_loop=True),
}
"""Chosen by benchmarks/seams.py; its table is in benchmarks/SEAMS.md."""
CHOICES = [*PRESETS, CUSTOM]
SCHEDULES = [name for name in ALL_SCHEDULES if name not in (STANDARD_EVEN, WHOLE_CLIP)]
"""What Context Windows offers: all but those that go with views."""


def preset(name: str, context_length: int) -> WindowPlan:
    """The preset at another context_length (that of its views, where it has any), all else scaled with it."""
    return scaled(PRESETS[name], context_length)


def scaled(plan: WindowPlan, context_length: int, of: int = WindowPlan.context_length) -> WindowPlan:
    """What the plan is for `of` frames, for `context_length` frames."""
    return replace(
        plan,
        context_length=plan.context_length * context_length // of,
        context_overlap=plan.context_overlap * context_length // of,
        views=plan.views and scaled(plan.views, context_length, of),
    )
