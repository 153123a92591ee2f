"""Seeded prompts and empty clips, without the pack or the host."""

import torch

FRAMES = 8


def conditioning(seed: int = 5, width: int = 768, tokens: int = 77, **entries):
    generator = torch.Generator().manual_seed(seed)
    if width == 2048:
        entries = {"pooled_output": torch.randn(1, 1280, generator=generator)} | entries
    return [[torch.randn(1, tokens, width, generator=generator), entries]]


def latents(frames: int = FRAMES, height: int = 16, width: int = 16, seed: int | None = None):
    shape = (frames, 4, height, width)
    if seed is None:
        return torch.zeros(shape)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
