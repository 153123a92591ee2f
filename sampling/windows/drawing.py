"""A picture of a window plan: frames across, windows down, blend weights as shade, a band per step."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from . import fuse
from .plan import WindowPlan, windows

CELL, GAP, MARGIN = 12, 10, 60
"""Pixels: a frame in a window; between steps; left of the frames."""
MOST_PIXELS = 2**25
"""Of a picture."""
TICKS = 8
"""Every so many frames the picture names one."""
PAPER, TEXT, GRID, INK = (255, 255, 255), (70, 70, 80), (236, 236, 241), (20, 80, 160)


def picture(
    plans: Sequence[WindowPlan], frames: int, sigmas: list[float], first_step: int = 0, width: int | None = None
) -> Tensor:
    """(1, height, width, 3), 0 to 1, as the host's IMAGE. plans, sigmas: the plan and the noise level of each step.

    A cell is the darker, the more its window counts in that frame; full colour where the frame is its alone.
    width: of the picture, in pixels, where the frames fit into it; None for what they need.
    """
    across = CELL if width is None else max((width - MARGIN - GAP) // frames, 2)
    width = max(MARGIN + across * frames + GAP, width or 0)
    check_size(width, [1] * len(plans), frames)
    bands = [windows_at(plan, frames, step) for step, plan in enumerate(plans, first_step)]
    height = check_size(width, [len(windows) for windows in bands], frames)
    bands = [
        shares(plan, frames, first_step + i, sigma) for i, (plan, sigma) in enumerate(zip(plans, sigmas, strict=True))
    ]
    image = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(image)
    for frame in range(0, frames, TICKS):
        draw.text((MARGIN + across * frame, 2), str(frame), TEXT)
    top = 2 * GAP
    for step, rows in enumerate(bands, first_step):
        draw.text((GAP, top), f"step {step}", TEXT)
        for row in rows:
            for frame, share in enumerate(row):
                left = MARGIN + across * frame
                color = tuple(round(a + (b - a) * share) for a, b in zip(GRID, INK, strict=True))
                draw.rectangle((left, top, left + across - 2, top + CELL - 2), color)
            top += CELL
        top += GAP
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255).unsqueeze(0)


def check_size(width: int, windows: Sequence[int], frames: int) -> int:
    """The height of a picture with so many windows in each step. Raises ValueError where it would fill the memory."""
    height = 2 * GAP + sum(CELL * count + GAP for count in windows)
    if width * height > MOST_PIXELS:
        raise ValueError(
            f"The picture of {frames} frames and {len(windows)} steps would have {width} x {height} pixels or more. "
            "Draw fewer steps, or fewer frames."
        )
    return height


def windows_at(plan: WindowPlan, frames: int, step: int) -> list[Sequence[int]]:
    return windows(plan, frames, step) if plan.applies_to(frames) else [range(frames)]


def shares(plan: WindowPlan, frames: int, step: int, sigma: float) -> list[list[float]]:
    """The windows of one step: for each, its share in every frame (0 to 1; the shares in a frame add up to 1)."""
    if not plan.applies_to(frames):
        return [[1.0] * frames]
    each = windows(plan, frames, step)
    found = fuse.shares(plan.fuse_method, each, frames, plan.context_overlap, sigma, str(step))
    rows = [[0.0] * frames for _ in each]
    for row, window, own in zip(rows, each, found, strict=True):
        for frame, share in zip(window, own, strict=True):
            row[frame] = share
    return rows
