"""NaiveReuse: at the first steps the whole clip follows what one window shows.

Source: the NaiveReuse option of ComfyUI-AnimateDiff-Evolved.
"""

from collections.abc import Sequence

from torch import Tensor

from ...motion.strength import Amount


def with_reuse(clip: Tensor, shown: Tensor, window: Sequence[int], amount: Amount) -> Tensor:
    """The clip (f c h w), mixed with the window's result (w c h w), which is laid end to end from its first frame on.

    amount: how much the window's result counts; a number, or (f, 1, h or 1, w or 1).
    f = 5, window 3, 4 -> the frames are mixed with 3, 4, 3, 4 of frames 3, 4, 0, 1, and frame 2 with 3
    """
    frames = len(clip)
    follows = [(frame - window[0]) % frames % len(window) for frame in range(frames)]
    return amount * shown[follows] + (1 - amount) * clip
