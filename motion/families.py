"""Families of motion models: how each one's files are told from the others', and what a run of it needs.

To add one is to add it to FAMILIES, before all whose rule would take its files.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Norms:
    """Which GroupNorms average over all frames of one video; the others average over each frame alone."""

    motion_modules: bool = False
    resblocks: bool = False
    """Both norms of every ResBlock, and the UNet's last norm."""
    spatial_transformers: bool = False


@dataclass(frozen=True)
class Signs:
    """What is found in a file of motion modules."""

    levels: int
    """Of `down_blocks`: 4 for SD1.5, 3 for SDXL."""
    mid_block: bool
    table_length: int
    """Frames in its shortest position table; 0 where it stores none."""
    hotshot: bool
    """Whether it has HotShot-XL's own key names."""
    image_encoder: bool
    picture_conv: bool
    """Whether it has PIA's further channels of the first convolution."""
    file_name: str
    """In lower case. It only chooses between families of one shape."""


@dataclass(frozen=True)
class Family:
    name: str
    base: str
    """The checkpoint's architecture: "SD1.5" or "SDXL"."""
    beta_schedule: str
    """A name in `sampling.sigmas.beta_schedules.BETA_SCHEDULES`."""
    told_by: Callable[[Signs], bool]
    """Whether a file is one of this family, if it is none of those before it in FAMILIES."""
    norms: Norms = Norms()
    """As in the code that the family was trained with."""
    max_frames: int = 32
    """For files that store no position table."""
    trained_frames: int | None = None
    """Where that is less than its position tables hold."""
    steps: tuple[int, int] | None = None
    """From how many steps to how many it was distilled for; None for models that take as many as the user likes."""
    cfg: tuple[float, float] | None = None
    """The guidance that it was distilled for."""


PIA = Family(
    "PIA",
    "SD1.5",
    "AnimateDiff SD1.5",
    lambda file: file.picture_conv,
    Norms(resblocks=True),
    trained_frames=16,
)
ANIMATELCM_I2V = Family(
    "AnimateLCM-I2V",
    "SD1.5",
    "AnimateLCM",
    lambda file: file.image_encoder and not file.table_length,
    max_frames=64,
    steps=(2, 12),
    cfg=(1.0, 2.5),
)
HOTSHOT = Family(
    "HotShot-XL",
    "SDXL",
    "Stable Diffusion",
    lambda file: file.levels == 3 and file.hotshot,
    Norms(resblocks=True),
    max_frames=24,
)
SDXL_BETA = Family(
    "AnimateDiff-SDXL", "SDXL", "AnimateDiff SDXL", lambda file: file.levels == 3, Norms(motion_modules=True)
)
ANIMATELCM = Family(
    "AnimateLCM",
    "SD1.5",
    "AnimateLCM",
    lambda file: file.mid_block + (not file.table_length) + ("lcm" in file.file_name) >= 2,
    max_frames=64,
    steps=(2, 12),
    cfg=(1.0, 2.5),
)
LIGHTNING = Family(
    "AnimateDiff-Lightning",
    "SD1.5",
    "AnimateDiff SD1.5",
    lambda file: file.mid_block and "lightning" in file.file_name,
    steps=(1, 8),
    cfg=(1.0, 2.0),
)
LONG = Family(
    "LongAnimateDiff",
    "SD1.5",
    "AnimateDiff SD1.5",
    lambda file: file.table_length > 32 or (file.mid_block and "long" in file.file_name),
)
V2 = Family("AnimateDiff v2", "SD1.5", "AnimateDiff SD1.5", lambda file: file.mid_block)


def _is_v1(file: Signs) -> bool:
    if file.table_length:
        return file.table_length == 24
    return "v1" in file.file_name and "v15_v" not in file.file_name


V1 = Family("AnimateDiff v1", "SD1.5", "AnimateDiff SD1.5", _is_v1, Norms(resblocks=True), max_frames=24)
V3 = Family("AnimateDiff v3", "SD1.5", "AnimateDiff SD1.5", lambda file: True)

FAMILIES = (PIA, ANIMATELCM_I2V, HOTSHOT, SDXL_BETA, ANIMATELCM, LIGHTNING, LONG, V2, V1, V3)
"""A file is of the first whose rule takes it."""


def family_of(file: Signs) -> Family:
    return next(family for family in FAMILIES if family.told_by(file))


def frames_of(family: Family, table_length: int) -> int:
    """How many frames a file of the family was trained with. table_length: 0 where it stores no position table."""
    frames = table_length or family.max_frames
    return min(frames, family.trained_frames or frames)
