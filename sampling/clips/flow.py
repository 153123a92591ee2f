"""Where things go from one frame to the next: displacements of blocks of pixels, by phase correlation.

Source: Kuglin and Hines, The Phase Correlation Image Alignment Method, 1975; the place of the peak below a pixel by a
parabola through its neighbours.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

LONG_SIDE, BLOCK, STRIDE = 192, 48, 24
"""Pixels: frames are measured with this long side, in blocks that overlap by a half."""
FLAT = 2e-5
"""A block whose brightness varies less (its variance) shows nothing that could be followed."""
SURE = 0.5
"""How alike a block and where it is found must be (their correlation, 1 for the same), or it is not believed."""


@dataclass(frozen=True)
class Flow:
    """Displacements between neighbouring frames, in pixels of the clip: x to the right, y down."""

    x: Tensor
    """(frames - 1, rows, columns)"""
    y: Tensor
    weight: Tensor
    """How much a block's displacement counts, 0 where nothing can be followed."""

    def mean(self, values: Tensor) -> Tensor:
        """(frames - 1): over the blocks of each pair; 0 where there is nothing to follow."""
        return (values * self.weight).sum((1, 2)) / self.weight.sum((1, 2)).clamp_min(1e-12)

    def strength(self) -> Tensor:
        """(frames - 1): how far things go, in pixels a frame."""
        return self.mean((self.x**2 + self.y**2).sqrt())

    def direction(self) -> Tensor:
        """(frames - 1, 2): where the whole goes, right and down, in pixels a frame."""
        return torch.stack([self.mean(self.x), self.mean(self.y)], -1)


def grey(clip: Tensor) -> Tensor:
    """(frames, height, width, 3) -> brightness (frames, height, width), by Rec. 601."""
    return clip[..., :3].float() @ torch.tensor([0.299, 0.587, 0.114])


def flow(clip: Tensor) -> Flow:
    """(frames, height, width, 3), 0 to 1, of two frames or more -> how they move."""
    height, width = clip.shape[1:3]
    scale = min(LONG_SIDE / max(height, width), 1.0)
    size = [max(round(side * scale), BLOCK) for side in (height, width)]
    pairs = [between(*both, size) for both in zip(clip[:-1], clip[1:], strict=True)]
    x, y, weight = (torch.stack(values) for values in zip(*pairs, strict=True))
    return Flow(x * (width / size[1]), y * (height / size[0]), weight)


def between(before: Tensor, after: Tensor, size: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """x, y and weight of each block, (rows, columns), of two frames (height, width, 3), in pixels of frames of `size`.

    The second look is at where the first one found each block, so that its window does not pull it back.
    """
    first, second = F.interpolate(grey(torch.stack([before, after])).unsqueeze(1), size, mode="bicubic", antialias=True)
    places = [torch.arange(0, side - BLOCK + 1, STRIDE) for side in size]
    y, x = (place.float() for place in torch.meshgrid(*places, indexing="ij"))
    blocks = levelled(cut(first[0], y, x))
    moved = torch.zeros(2, *y.shape)
    for _ in range(2):
        moved = moved.round() + correlated(blocks, levelled(cut(second[0], y + moved[0], x + moved[1])))
    there = levelled(cut(second[0], y + moved[0], x + moved[1]))
    alike = F.cosine_similarity(blocks.flatten(-2), there.flatten(-2), dim=-1)
    variance = blocks.square().mean((-2, -1))
    return moved[1], moved[0], variance * ((variance > FLAT) & (alike > SURE))


def cut(frame: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """(height, width) -> (rows, columns, BLOCK, BLOCK): blocks at whole places; what lies outside is the edge."""
    inside = torch.arange(BLOCK)
    rows = (y.round().long().unsqueeze(-1) + inside).clamp(0, frame.shape[0] - 1)
    columns = (x.round().long().unsqueeze(-1) + inside).clamp(0, frame.shape[1] - 1)
    return frame[rows.unsqueeze(-1), columns.unsqueeze(-2)]


def levelled(blocks: Tensor) -> Tensor:
    return blocks - blocks.mean((-2, -1), keepdim=True)


def correlated(before: Tensor, after: Tensor) -> Tensor:
    """Displacements (2, rows, columns), y and x, of blocks."""
    window = torch.hann_window(BLOCK, periodic=False)
    first, second = (torch.fft.rfft2(blocks * window.outer(window)) for blocks in (before, after))
    cross = second * first.conj()
    size = cross.abs()
    surface = torch.fft.irfft2(cross / (size + 1e-3 * size.amax((-2, -1), keepdim=True) + 1e-12), (BLOCK, BLOCK))
    place = surface.flatten(-2).argmax(-1)
    return torch.stack([peak(surface, place // BLOCK, place % BLOCK, axis) for axis in (0, 1)])


def peak(surface: Tensor, row: Tensor, column: Tensor, axis: int) -> Tensor:
    """Where along the axis (0: rows) the surface is highest near its largest number, from -BLOCK / 2 to BLOCK / 2."""

    def at(step: int) -> Tensor:
        r, c = ((row + step) % BLOCK, column) if axis == 0 else (row, (column + step) % BLOCK)
        return surface.flatten(-2).gather(-1, (r * BLOCK + c).unsqueeze(-1)).squeeze(-1)

    low, middle, high = at(-1), at(0), at(1)
    shift = (low - high) / (2 * (low - 2 * middle + high)).clamp_max(-1e-12)
    whole = row if axis == 0 else column
    return torch.where(whole > BLOCK // 2, whole - BLOCK, whole) + shift.clamp(-0.5, 0.5)
