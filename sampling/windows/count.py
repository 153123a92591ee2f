"""How much a plan asks of a run, before it runs. Plain numbers."""

from .plan import WindowPlan, windows


def windows_of_steps(plan: WindowPlan, frames: int, steps: int) -> list[int]:
    """How many windows each step has; 1 where the clip is sampled whole."""
    if not plan.applies_to(frames):
        return [1] * steps
    return [len(windows(plan, frames, step)) for step in range(steps)]
