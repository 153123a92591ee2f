"""The losses of a run as a picture."""

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw

INK, PALE, HELD_OUT, GROUND = (60, 110, 190), (190, 208, 235), (215, 110, 30), (255, 255, 255)
MARGIN = 8
TITLE = 1 / 6
"""Of the height: a node shows the picture at about half of its size."""


def smoothed(losses: Sequence[float], keep: float = 0.95) -> list[float]:
    """The running mean, which the first losses do not weigh down."""
    mean, weight, result = 0.0, 0.0, []
    for loss in losses:
        mean, weight = keep * mean + (1 - keep) * loss, keep * weight + (1 - keep)
        result.append(mean / weight)
    return result


def loss_plot(
    losses: Sequence[float], held_out: Sequence[tuple[int, float]], steps: int, size: tuple[int, int] = (512, 192)
) -> Image.Image:
    """Each step's loss pale, their running mean, and the loss of held-out clips as dots; steps run to the plan's last.

    Losses are drawn by their logarithms, since they fall by shares.
    """
    picture = Image.new("RGB", size, GROUND)
    draw = ImageDraw.Draw(picture)
    top = round(size[1] * TITLE)
    shown = [loss for loss in [*losses, *(loss for _, loss in held_out)] if math.isfinite(loss) and loss > 0]
    if not shown:
        draw.text((MARGIN, 2), "no step yet", fill=INK, font_size=0.8 * top)
        return picture
    low, high = math.log(min(shown)), math.log(max(shown))
    width, height = size[0] - 2 * MARGIN, size[1] - MARGIN - top

    def place(step: float, loss: float) -> tuple[float, float]:
        share = (math.log(max(loss, 1e-30)) - low) / max(high - low, 1e-9)
        return MARGIN + width * step / max(steps, 1), top + height * (1 - share)

    for values, colour, thick in ((losses, PALE, 2), (smoothed(losses), INK, 4)):
        points = [place(step + 1, loss) for step, loss in enumerate(values)]
        if len(points) > 1:
            draw.line(points, fill=colour, width=thick)
    for step, loss in held_out:
        x, y = place(step, loss)
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=HELD_OUT)
    draw.text((MARGIN, 2), title(losses, held_out), fill=INK, font_size=0.8 * top)
    return picture


def title(losses: Sequence[float], held_out: Sequence[tuple[int, float]]) -> str:
    parts = [f"loss {smoothed(losses)[-1]:.4f}"] if losses else []
    return "   ".join([*parts, *([f"held-out clips {held_out[-1][1]:.4f}"] if held_out else [])])


def panel(plot: Image.Image, sample: Sequence[Image.Image]) -> list[Image.Image]:
    """The plot above the frames of a sample clip: one picture for each frame, or the plot alone."""
    return [beneath(plot, frame) for frame in sample] or [plot]


def beneath(plot: Image.Image, frame: Image.Image) -> Image.Image:
    scale = min(plot.width / frame.width, 320 / frame.height)
    frame = frame.resize((max(int(frame.width * scale), 1), max(int(frame.height * scale), 1)))
    picture = Image.new("RGB", (plot.width, plot.height + frame.height), GROUND)
    picture.paste(plot, (0, 0))
    picture.paste(frame, ((plot.width - frame.width) // 2, plot.height))
    return picture


def line(step: int, steps: int, loss: float, held_out: float | None, seconds: float | None, gigabytes: float) -> str:
    """What a user reads while it runs. seconds: of a step, where that is known."""
    seen = f" (held-out {held_out:.3g})" if held_out is not None else ""
    parts = [f"step {step} of {steps}", f"loss {loss:.3g}{seen}"]
    if seconds is not None:
        parts.append(f"{seconds:.2g} s a step")
    if seconds is not None and step < steps:
        parts.append(f"{duration(seconds * (steps - step))} left")
    return " · ".join([*parts, *([f"{gigabytes:.1f} GB"] if gigabytes else [])])


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
