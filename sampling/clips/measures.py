"""How a clip moves, in numbers over its frames: motion, flicker, seams between windows, drift."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from .flow import flow, grey

COARSE = 8
"""Fields across and down in which brightness is compared: too coarse for what moves within them."""
STILL = 0.05
"""Pixels a frame: less has no direction."""
DIRECTIONS = ("right", "down right", "down", "down left", "left", "up left", "up", "up right")


@dataclass(frozen=True)
class Measures:
    """Of a clip of some frames."""

    strength: list[float]
    """How far things go from each frame to the next, in pixels."""
    direction: list[tuple[float, float]]
    """Where the whole goes from each frame to the next: pixels to the right, pixels down."""
    flicker: list[float]
    """How far the brightness of each frame but the first and the last is from the mean of its neighbours; percent of
    white."""
    drift: list[float]
    """How far the colours of each frame are from the first one's; percent of white."""
    change: list[float]
    """Mean difference between each frame and the next; percent of white."""
    joints: list[int]
    """Frames after which one window ends, or overlaps with the next."""

    def seam(self) -> float | None:
        """The change at joints over that elsewhere, 1 for no seam; None without both."""
        at = [self.change[frame] for frame in self.joints]
        others = [value for frame, value in enumerate(self.change) if frame not in set(self.joints)]
        return mean(at) / mean(others) if at and others and mean(others) > 0 else None

    def whole(self) -> tuple[float, float]:
        """Where the clip goes: mean pixels a frame, to the right and down."""
        return mean([x for x, _ in self.direction]), mean([y for _, y in self.direction])


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def measure(clip: Tensor, windows: Sequence[Sequence[int]] = ()) -> Measures:
    """(frames, height, width, 3), 0 to 1. windows: which frames were sampled together. Raises ValueError."""
    if clip.shape[0] < 2:
        raise ValueError("One frame does not move. Connect a clip of two frames or more.")
    clip = clip.cpu()
    found = flow(clip)
    brightness = F.adaptive_avg_pool2d(grey(clip).unsqueeze(1), COARSE).flatten(1)
    colours = F.adaptive_avg_pool2d(clip[..., :3].float().movedim(-1, 1), COARSE).flatten(1)
    flicker = (brightness[1:-1] - (brightness[:-2] + brightness[2:]) / 2).abs().mean(1) * 100
    drift = (colours - colours[:1]).abs().mean(1) * 100
    change = [(b - a).abs().mean().item() * 100 for a, b in zip(clip[:-1], clip[1:], strict=True)]
    return Measures(
        found.strength().tolist(),
        [tuple(pair) for pair in found.direction().tolist()],
        flicker.tolist(),
        drift.tolist(),
        change,
        joints(windows, clip.shape[0]),
    )


def joints(windows: Sequence[Sequence[int]], frames: int) -> list[int]:
    """Frames f so that f and f + 1 are not in just one window, the same. [0 1 2 3], [3 4 5] -> 2 3."""
    if len(windows) < 2:
        return []
    holds = [{number for number, window in enumerate(windows) if frame in window} for frame in range(frames)]
    return [f for f, (a, b) in enumerate(zip(holds, holds[1:], strict=False)) if not (a == b and len(a) == 1)]


def named(x: float, y: float) -> str:
    """The direction of a displacement in words; `nowhere` for less than STILL."""
    if math.hypot(x, y) < STILL:
        return "nowhere"
    return DIRECTIONS[round(math.degrees(math.atan2(y, x)) / 45) % 8]


def report(found: Measures) -> str:
    """The numbers in words, a line for each."""
    x, y = found.whole()
    fastest = max(range(len(found.strength)), key=found.strength.__getitem__)
    lines = [
        f"motion: {mean(found.strength):.2f} pixels a frame, most from frame {fastest} to {fastest + 1}: "
        f"{found.strength[fastest]:.2f}",
        f"direction: {named(x, y)} ({x:+.2f} right, {y:+.2f} down a frame)",
        f"flicker: {mean(found.flicker):.2f} % of white",
        f"drift from the first frame: {found.drift[-1]:.1f} % at the end, at most {max(found.drift):.1f} %",
    ]
    if (seam := found.seam()) is not None:
        lines.append(f"seam: change at the windows' borders is {seam:.2f} times that elsewhere (1 is none)")
    return "\n".join(lines)
