"""How visible joints in a clip are."""

import torch


def changes(clip: torch.Tensor) -> torch.Tensor:
    """[i]: mean absolute change from frame i to the next, the last one's to the first. clip: frames c h w."""
    return (clip.roll(-1, 0) - clip).abs().mean(dim=(1, 2, 3))


def joints(windows: list[list[int]], frames: int) -> list[int]:
    """The frames i whose step to i + 1 crosses a border of a window, or lies where two windows are blended."""
    cover = [sum(frame in window for window in windows) for frame in range(frames)]
    borders = {(window[0] - 1) % frames for window in windows} | {window[-1] for window in windows}
    blended = {i for i in range(frames - 1) if max(cover[i], cover[i + 1]) > 1}
    return sorted((borders | blended) - {frames - 1})


def seam(clip: torch.Tensor, windows: list[list[int]]) -> tuple[float, float]:
    """(seam, wrap): the mean change at the windows' joints, and that from the last frame to the first, each over the
    mean change inside the windows. 1 is no seam."""
    frames, change = clip.shape[0], changes(clip)
    at = joints(windows, frames)
    level = change[[i for i in range(frames - 1) if i not in at]].mean()
    return (change[at].mean() / level).item(), (change[-1] / level).item()
