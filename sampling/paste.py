"""When a sampling is cut, and how a picture is laid over a clip. Pure mathematics."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..motion.strength import rows


def cuts(timesteps: Sequence[float], starts: Sequence[float], times: Sequence[int]) -> list[tuple[int, int]]:
    """[(step, which)]: before which steps the sampling is cut, and which of `starts` each cut is for.

    timesteps: of every noise level, falling, the last one's included; starts: the timesteps from which on each wants
    a cut, falling; times: how many steps in a row each wants one. There is none before the first step, none at the
    end, and one before a step at most; a start outside of `timesteps` gets none. Rule of ComfyUI-AnimateDiff-Evolved.
    """
    result, done = [], 0
    for which, (start, count) in enumerate(zip(starts, times, strict=True)):
        if not timesteps[-1] <= start <= timesteps[0]:
            continue
        later = [step for step in range(done + 1, len(timesteps) - 1) if timesteps[step] <= start][:count]
        result += [(step, which) for step in later]
        done = later[-1] if later else done
    return result


def stretched(image: Tensor, clip: Tensor) -> Tensor:
    """`image` (m h w c) at the size of `clip` (f h w c), bilinear."""
    return F.interpolate(image.movedim(-1, 1), size=clip.shape[1:3], mode="bilinear").movedim(1, -1)


def pasted(clip: Tensor, image: Tensor, mask: Tensor | None, frames: Sequence[int], place: tuple[int, int]) -> Tensor:
    """`clip` (f h w c) with `image` (m h w c) over it where `mask` (m h w, 0 to 1) is white; everywhere without one.

    frames: which pictures of `image` and `mask` the clip's frames get, the last ones holding on. place: left and top
    of the image, in pixels. The mask is stretched over the image.
    """
    height, width = clip.shape[1:3]
    left, top = place
    if left >= width or top >= height:
        raise ValueError(
            f"The injected image would lie at {left}, {top}, outside of the clip ({width} x {height} pixels). "
            "Make composite_x and composite_y smaller."
        )
    image = rows(image.to(clip).movedim(-1, 1), frames)
    mask = image.new_ones(1, 1, 1) if mask is None else mask.to(clip)
    mask = F.interpolate(rows(mask.unsqueeze(1), frames), size=image.shape[-2:], mode="bilinear")
    result = clip.movedim(-1, 1).clone(memory_format=torch.contiguous_format)
    under = result[:, :, top : top + image.shape[-2], left : left + image.shape[-1]]
    image, mask = (each[..., : under.shape[-2], : under.shape[-1]] for each in (image, mask))
    under.copy_(mask * image + (1 - mask) * under)
    return result.movedim(1, -1)
