"""Objects' paths over a picture, as a picture: lines, and a mark where each object is in some frames."""

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ...motion.trajectories import Trajectories
from .camera_drawing import FIRST, GRID, LAST, PAPER

LONGEST, SHORTEST, MARGIN, DOT, LINE = 440, 40, 12, 7, 4
"""Pixels: the picture's longer side, and the shorter one at least; around it; a mark's radius; a line's width."""
MARKS = 16
"""Of each object, evenly spread over the clip."""


def drawing(trajectories: Trajectories, width: int, height: int) -> Tensor:
    """(1, height, width, 3), 0 to 1, as the host's IMAGE; from blue, the first frame, to red, the last."""
    wide, high = (max(round(side * LONGEST / max(width, height)), SHORTEST) for side in (width, height))
    image = Image.new("RGB", (wide + 2 * MARGIN, high + 2 * MARGIN), PAPER)
    draw = ImageDraw.Draw(image)
    draw.rectangle((MARGIN, MARGIN, MARGIN + wide, MARGIN + high), outline=GRID, width=2)
    shares = np.array((wide, high))
    for points in trajectories.places(range(MARKS), MARKS).numpy() * shares + MARGIN:
        for mark, (x, y) in enumerate(points):
            share = mark / (MARKS - 1)
            colour = tuple(round(a + (b - a) * share) for a, b in zip(FIRST, LAST, strict=True))
            if mark:
                draw.line((*points[mark - 1], x, y), colour, width=LINE)
            draw.ellipse((x - DOT, y - DOT, x + DOT, y + DOT), fill=colour)
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255).unsqueeze(0)
