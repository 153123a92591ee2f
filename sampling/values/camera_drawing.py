"""A camera's path as a picture: from above and from the side, a mark for each frame."""

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ...motion.camera_poses import places

SIDE, MARGIN, LOOK, DOT = 220, 24, 14, 3
"""Pixels: of a view; around it; how long a look is; a frame's mark."""
PAPER, TEXT, GRID, FIRST, LAST = (255, 255, 255), (70, 70, 80), (225, 225, 232), (20, 80, 160), (200, 70, 40)
VIEWS = (("from above", 0, 2, -1), ("from the side", 2, 1, 1))
"""Name, the axis across, the axis up or down, and its sign on the picture (z goes into the picture, y down)."""
MOST_MARKS = 1000
"""Of a longer path every second, third, ... camera is drawn."""
SMALLEST = 0.5
"""What a view shows at least, in the path's own units, so that a camera that rests stays a point."""


def drawing(poses: Tensor) -> Tensor:
    """poses: (frames 18) -> (1, height, width, 3), 0 to 1, as the host's IMAGE; from blue, the first frame, to red."""
    image = Image.new("RGB", (2 * (SIDE + MARGIN) + MARGIN, SIDE + 2 * MARGIN), PAPER)
    draw = ImageDraw.Draw(image)
    cameras = places(poses[:: -(-len(poses) // MOST_MARKS)])
    points = np.array([place for place, _ in cameras])
    reach = max(float(np.ptp(points, axis=0).max()), SMALLEST)
    middle = (points.max(0) + points.min(0)) / 2
    for number, (name, across, down, sign) in enumerate(VIEWS):
        left, top = MARGIN + number * (SIDE + MARGIN), MARGIN
        draw.rectangle((left, top, left + SIDE, top + SIDE), outline=GRID)
        draw.text((left, 6), name, TEXT)
        for frame, (place, look) in enumerate(cameras):
            share = frame / max(len(cameras) - 1, 1)
            colour = tuple(round(a + (b - a) * share) for a, b in zip(FIRST, LAST, strict=True))
            x = left + SIDE / 2 + (place[across] - middle[across]) / reach * SIDE * 0.75
            y = top + SIDE / 2 + sign * (place[down] - middle[down]) / reach * SIDE * 0.75
            draw.line((x, y, x + look[across] * LOOK, y + sign * look[down] * LOOK), colour)
            draw.ellipse((x - DOT, y - DOT, x + DOT, y + DOT), fill=colour)
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255).unsqueeze(0)
