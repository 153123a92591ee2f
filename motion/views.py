"""Windows inside the temporal attention: all of a module's views are attended to together, then laid over one another.

Source: FreeNoise, arXiv:2310.15169, window-based attention fusion. Shapes are written as einops does; n is the pixels
of all videos of a call, f the frames of one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

MOST = 1.75
"""Frames of the views that are attended to at once, over the clip's: so they take less memory than the feed-forward
behind them, which makes eight numbers of one."""


IN_A_GRAPH = 3
"""Layers for a compiled UNet: as many as usual views need in any step, so that all steps are one graph."""


@dataclass(frozen=True)
class Views:
    """Windows inside the attention, on the device of a call; together they hold every frame."""

    groups: tuple[Tensor, ...]
    """(views, frames of a view) each: the frames of views of one length that are attended to at once."""
    layers: tuple[tuple[Tensor, Tensor], ...]
    """((f) places among the frames of all views one after the other, (f 1) what they count): each frame has as many as
    there are views that hold it, the rest count nothing. What they count adds up to 1 in every frame."""

    def attended(self, x: Tensor, attend: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """x: n f c -> the same shape. attend: (frames of the views (views f), their tokens ((n views) f c)) -> tokens.

        Added up frame by frame in the order of the views, so a GPU gives the same bits each time.
        """
        found = [attend(frames, of_views(x, frames)).reshape(len(x), -1, x.shape[-1]) for frames in self.groups]
        tokens = found[0] if len(found) == 1 else torch.cat(found, dim=1)
        (places, shares), *others = self.layers
        blended = tokens[:, places] * shares.to(x.dtype)
        for places, shares in others:
            blended = blended + tokens[:, places] * shares.to(x.dtype)
        return blended


def of_views(tensor: Tensor, frames: Tensor) -> Tensor:
    """n f c -> (n views) f c."""
    return tensor[:, frames].flatten(0, 1)


Window = tuple[tuple[int, ...], tuple[float, ...]]
"""(indices of frames, what the window counts in each, adding up to 1 in every frame: no division is left for half
precision to do)."""


@lru_cache(maxsize=64)
def views_on(device: torch.device, windows: tuple[Window, ...], least: int = 1) -> Views:
    """Kept, because to bring them to a GPU makes that wait. least: how many layers there are, needed or not."""
    with torch.inference_mode(False):
        groups = tuple(torch.tensor(group, device=device) for group in grouped([frames for frames, _ in windows]))
        blended = (
            (
                torch.tensor(places, device=device),
                torch.tensor(shares, dtype=torch.float32, device=device).unsqueeze(-1),
            )
            for places, shares in layers(windows, least)
        )
        return Views(groups, tuple(blended))


def grouped(windows: Sequence[Sequence[int]]) -> list[list[Sequence[int]]]:
    """Neighbouring windows of one length, of up to MOST times the clip's frames together."""
    frames = 1 + max(max(window) for window in windows)
    groups: list[list[Sequence[int]]] = []
    for window in windows:
        if groups and len(groups[-1][0]) == len(window) and (len(groups[-1]) + 1) * len(window) <= MOST * frames:
            groups[-1].append(window)
        else:
            groups.append([window])
    return groups


def layers(windows: Sequence[Window], least: int = 1) -> list[tuple[list[int], list[float]]]:
    """[(place among the frames of all windows, share) of each frame of the clip, ...]: the first window that holds a
    frame, then the second, ...; where there is none, the first one with a share of 0.

    windows of frames 0, 1 and 1, 2, half each where both are -> ([0, 1, 3], [1, .5, 1]), ([0, 2, 3], [0, .5, 0])
    """
    held: dict[int, list[tuple[int, float]]] = {}
    place = 0
    for frames, shares in windows:
        for frame, share in zip(frames, shares, strict=True):
            held.setdefault(frame, []).append((place, share))
            place += 1
    found = []
    for layer in range(max(least, *(len(each) for each in held.values()))):
        own = [held[frame][layer] if layer < len(held[frame]) else (held[frame][0][0], 0.0) for frame in sorted(held)]
        found.append(([place for place, _ in own], [share for _, share in own]))
    return found
