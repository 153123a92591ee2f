"""How visible joints in a clip are."""

import torch


def changes(clip: torch.Tensor) -> torch.Tensor:
    """[i]: mean absolute change from frame i to the next, the last one's to the first. clip: frames c h w."""
    return (clip.roll(-1, 0) - clip).abs().mean(dim=(1, 2, 3))


def seam(clip: torch.Tensor, windows: list[list[int]]) -> tuple[float, float]:
    """(seam, wrap): the mean change across the windows' borders, and from the last frame to the first, each over the
    mean change inside the windows. 1 is no seam."""
    frames, change = clip.shape[0], changes(clip)
    borders = {(window[0] - 1) % frames for window in windows} | {window[-1] for window in windows}
    borders.discard(frames - 1)
    level = change[[i for i in range(frames - 1) if i not in borders]].mean()
    return (change[sorted(borders)].mean() / level).item(), (change[-1] / level).item()
