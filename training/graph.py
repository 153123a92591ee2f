"""Data sets of what a graph holds already: images, or latents with their conditioning. Pure."""

import hashlib
from collections.abc import Sequence

from torch import Tensor

from .captions import caption
from .clips import Taking
from .dataset import Clips, checked, clips_of
from .examples import Example, Examples
from .media import Pictures

CHANNELS, PIXELS = 4, 8
"""Of the latents of SD1.5 and SDXL, and of the picture for each of their pixels."""


def for_each(captions: Sequence, clips: int) -> list:
    """One caption for all clips, or one for each."""
    if len(captions) not in (1, clips):
        raise ValueError(f"There are {len(captions)} captions for {clips} clips. Give one for all, or one for each.")
    return list(captions) * (clips // len(captions))


def clips_of_images(
    images: Sequence[Tensor], captions: Sequence[str], taking: Taking, size: tuple[int, int], fit: str, before: int = 0
) -> Clips:
    """images: (frames, height, width, 3 or 4) each, a clip; of clips of one frame, every picture is one.

    before: how many clips have been numbered already.
    """
    for picture in images:
        if picture.ndim != 4 or not picture.numel() or picture.shape[-1] not in (3, 4):
            raise ValueError(
                f"images have the shape {list(picture.shape)}, and must be frames (n, height, width, 3). Connect Get "
                "Video Components or Load Image."
            )
        if not picture.isfinite().all():
            raise ValueError("images hold NaN or infinity. Correct the node that makes them.")
    texts = for_each(captions, len(images))
    if taking.frames == 1:
        texts = [text for text, clip in zip(texts, images, strict=True) for _ in clip]
        images = [picture for clip in images for picture in clip.split(1)]
    kind, items = ("picture" if taking.frames == 1 else "clip"), []
    for number, (picture, text) in enumerate(zip(images, texts, strict=True), before + 1):
        source = Pictures(picture[..., :3])
        items += clips_of(f"{kind} {number}", caption(text), source, taking, captioned=bool(text.strip()))
    return Clips(checked(items), *size, fit)


def digest(latents: Tensor, cond: list) -> str:
    """sha256 of a clip and its caption."""
    found = hashlib.sha256(latents.contiguous().numpy())
    for numbers, *_ in cond:
        found.update(numbers.float().cpu().contiguous().numpy())
    return found.hexdigest()


def examples_of_latents(latents: Sequence[Tensor], conditioning: Sequence[list], empty: list) -> Examples:
    """latents: (frames, 4, height, width) each, a clip as a VAE encoded it."""
    for clip in latents:
        if clip.ndim != 4 or not clip.numel() or clip.shape[1] != CHANNELS:
            channels = f"of {clip.shape[1]} channels" if clip.ndim > 3 else f"of the shape {list(clip.shape)}"
            raise ValueError(
                f"These latents are {channels}, and SD1.5 and SDXL have frames of {CHANNELS} channels (n, 4, height, "
                "width). Encode the clips with the VAE of the checkpoint that you train with."
            )
        if not clip.isfinite().all():
            raise ValueError("latents hold NaN or infinity. Correct the node that makes them.")
    conds = for_each(conditioning, len(latents))
    items = [
        Example(f"clip {number}", clip[None].float().cpu(), cond)
        for number, (clip, cond) in enumerate(zip(latents, conds, strict=True), 1)
    ]
    lines = sorted(digest(item.latents, item.cond) for item in items)
    lengths = {item.frames for item in items}
    frames = f"{min(lengths)} frames" if len(lengths) == 1 else f"{min(lengths)} to {max(lengths)} frames"
    height, width = latents[0].shape[-2:]
    return Examples(
        tuple(items),
        empty,
        hashlib.sha256("\n".join(lines).encode()).hexdigest(),
        summary=f"{len(items)} clip{'' if len(items) == 1 else 's'} of {frames}",
        width=width * PIXELS,
        height=height * PIXELS,
    )
