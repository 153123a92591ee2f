"""What a training run learns from: clips that the VAE and the text encoder have seen already. Pure data."""

from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Example:
    """One clip, encoded: every variant of its picture, and its caption."""

    name: str
    """What a user knows it by: the file's name."""
    latents: Tensor
    """(variants, frames, channels, height, width) as the VAE gives them, float32 on the CPU: not yet scaled for the
    UNet. One variant is one random crop, start or flip of the clip; every step draws one of them."""
    cond: list
    """The host's CONDITIONING of its caption."""
    repeats: int = 1
    """How often it counts in one pass through all examples."""

    def __post_init__(self):
        if self.latents.ndim != 5 or 0 in self.latents.shape:
            raise ValueError(
                f"'{self.name}' has latents of the shape {list(self.latents.shape)}; training needs "
                "(variants, frames, channels, height, width)."
            )
        if self.repeats < 1:
            raise ValueError(f"'{self.name}' has {self.repeats} repeats, and needs at least 1.")

    @property
    def frames(self) -> int:
        return self.latents.shape[1]


@dataclass(frozen=True, eq=False)
class Examples:
    """All clips of one training run, and what its file's header says of them."""

    items: tuple[Example, ...]
    empty: list
    """The CONDITIONING of "", which stands for a caption that is dropped."""
    hash: str
    """sha256 over the sorted (name, size or contents, caption) of all clips: it tells data sets apart, and nothing of
    them."""
    trigger: str = ""
    """The word before every caption."""
    summary: str = ""
    """One line for the node and the log: "37 clips, 3 without caption, shortest 21 frames"."""
    flipped: bool = False
    """Whether some of the variants are mirrored, which a camera move must not be."""
    stride: int = 1
    """Every how many frames of the source one was taken."""
    width: int = 0
    """Of the pictures, in pixels."""
    height: int = 0

    def __post_init__(self):
        if not self.items:
            raise ValueError("There are no clips to train on. Connect a Clip Dataset that found some.")

    @property
    def frames(self) -> int:
        """Of the longest clip."""
        return max(item.frames for item in self.items)

    def of(self, items: tuple[Example, ...]) -> "Examples":
        """The same with only these clips."""
        return replace(self, items=items)
