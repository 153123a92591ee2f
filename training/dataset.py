"""A data set as the nodes describe it: sources that are read when they are encoded, and how they are seen. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from . import camera, draws
from .camera import View
from .clips import PIECES, Taking, check_lengths, indices, pieces
from .media import Source

CENTER, RANDOM_CROP = FITS = ("crop center", "crop random")
SMALLEST_SHARE = 0.8
"""Of the largest crop's side, that a random crop has."""
GRID = 64
"""Pixels: what a UNet and its VAE halve six times."""
FEW = 20
"""Clips, of which the paper had 20 to 50 for a motion LoRA."""


@dataclass(frozen=True, eq=False)
class Clip:
    name: str
    caption: str
    """With the trigger word, as it is trained."""
    source: Source
    taking: Taking
    repeats: int = 1
    first: int | None = None
    """Of a piece, its first frame."""
    captioned: bool = True
    """Whether it has a caption of its own."""


@dataclass(frozen=True)
class CameraMove:
    """A move of the crop over the frames of a clip."""

    move: str
    amount: float
    still: bool
    """Whether the clip's first frame is all that is seen of it."""
    frames: int
    """What a picture becomes."""

    def __post_init__(self):
        camera.check(self.move, self.amount)


@dataclass(frozen=True)
class Shot:
    """One variant of a clip: which frames, what is seen of each, and whether it is mirrored."""

    indices: tuple[int, ...]
    views: tuple[View, ...]
    mirrored: bool


@dataclass(frozen=True, eq=False)
class Clips:
    """All that a training run may see, not decoded yet."""

    items: tuple[Clip, ...]
    width: int
    height: int
    """Of the training pictures, in pixels."""
    fit: str = CENTER
    flip: bool = False
    trigger: str = ""
    move: CameraMove | None = None
    folder: Path | None = None
    """Where the files are."""

    def __post_init__(self):
        if self.width % GRID or self.height % GRID:
            fitting = " x ".join(str(max(round(side / GRID), 1) * GRID) for side in (self.width, self.height))
            raise ValueError(f"{self.width} x {self.height} is not a multiple of {GRID}. Use {fitting}.")

    @property
    def frames(self) -> int:
        """Of a clip; 1 of single pictures."""
        taken = self.items[0].taking.frames
        return self.move.frames if self.move and taken == 1 else taken

    def moved(self, move: CameraMove) -> "Clips":
        """With the camera's move on every clip."""
        if self.flip:
            raise ValueError(
                f"flip is on, and a mirrored '{move.move}' is another move. Set flip to off in the data set's node."
            )
        if self.move:
            raise ValueError(
                f"These clips have the camera move '{self.move.move}' already. Use one Camera Move for each data set."
            )
        return replace(self, move=move)

    def joined(self, others: "Clips") -> "Clips":
        """These clips behind `others`, which must be of one size and length, and seen in the same way."""
        for what, one, other in (
            ("width and height", f"{self.width} x {self.height}", f"{others.width} x {others.height}"),
            ("number of frames", self.frames, others.frames),
            ("camera move", self.move, others.move),
            ("fit", self.fit, others.fit),
            ("flip", *("on" if each.flip else "off" for each in (self, others))),
        ):
            if one != other:
                raise ValueError(
                    f"These clips and those at the input clips differ in {what}: {one} and {other}. "
                    "Give both the same, or train on one of them."
                )
        trigger = self.trigger or others.trigger
        return replace(self, items=others.items + self.items, trigger=trigger, folder=others.folder)

    def shot(self, clip: Clip, variant: int) -> Shot:
        """What one variant shows. The same for the same name and number, wherever and whenever it is asked for."""

        def draw(what: str) -> float:
            return draws.number(0, variant, 0, f"{clip.name} {what}")

        taken = indices(clip.source.frames, clip.taking, draw("start"), clip.first)
        if self.move and (self.move.still or len(taken) == 1):
            taken = taken[:1] * self.frames
        place, share = (0.5, 0.5), 1.0
        if self.fit == RANDOM_CROP:
            place = (draw("x"), draw("y"))
            share = SMALLEST_SHARE + (1 - SMALLEST_SHARE) * draw("size")
        move, amount = (self.move.move, self.move.amount) if self.move else (None, 0.0)
        views = camera.path(move, amount, len(taken), self.width / self.height)
        views = camera.fitted(views, clip.source.width, clip.source.height, place, share)
        return Shot(tuple(taken), tuple(views), self.flip and draw("flip") < 0.5)

    def pixels(self, clip: Clip, shot: Shot, size: tuple[int, int] | None = None) -> Tensor:
        """(frames, height, width, 3), 0 to 1. Decodes the frames of this one clip; size: (width, height) if not that of
        the training pictures."""
        width, height = size or (self.width, self.height)
        frames = camera.seen(clip.source.read(shot.indices), shot.views, width, height)
        return frames.flip(2) if shot.mirrored else frames


def clips_of(name: str, caption: str, source: Source, taking: Taking, **words) -> list[Clip]:
    """A source as one clip, or as its pieces."""
    if taking.start != PIECES or taking.frames == 1:
        return [Clip(name, caption, source, taking, **words)]
    firsts = pieces(source.frames, taking)
    names = [name] if len(firsts) == 1 else [f"{name} #{number + 1}" for number in range(len(firsts))]
    return [
        Clip(name, caption, source, taking, first=first, **words) for name, first in zip(names, firsts, strict=True)
    ]


def checked(items: Sequence[Clip]) -> tuple[Clip, ...]:
    """Raises ValueError where a source is too short for its clips."""
    check_lengths({item.name: item.source.frames for item in items}, items[0].taking)
    return tuple(items)


def summary(clips: Clips) -> str:
    """What was found: "37 clips, 3 without caption, shortest 21 frames"."""
    count, bare = len(clips.items), sum(not item.captioned for item in clips.items)
    thing = "clip" if clips.items[0].taking.frames > 1 else "picture"
    parts = [f"{count} {thing}{'' if count == 1 else 's'}"]
    if bare:
        parts.append(f"{bare} without caption")
    if thing == "clip":
        parts.append(f"shortest {min(item.source.frames for item in clips.items)} frames")
    elif clips.move:
        parts.append(f"{clips.frames} frames each")
    if clips.move:
        parts.append(clips.move.move)
    return ", ".join(parts)


def warnings(clips: Clips) -> Iterator[str]:
    """What a user had better know before an evening of training."""
    count, things = len(clips.items), "clips" if clips.frames > 1 else "pictures"
    if not any(item.captioned for item in clips.items):
        who = f"None of the {count} {things} has a caption; all are" if count > 1 else "There is no caption; it is"
        said = clips.items[0].caption
        what = f'"{said}"' if said else "an empty prompt: the motion will come with every prompt, and more weakly"
        yield f"{who} trained with {what}."
    if 1 < count < FEW and clips.frames > 1:
        yield (
            f"{count} clips: with so few, the paper's motion LoRAs learn the pictures instead of the motion. "
            "20 to 50 are better; or choose loss: motion only."
        )
    enlarged = sum(min(view.width for view in clips.shot(item, 0).views) < clips.width - 0.5 for item in clips.items)
    if enlarged:
        yield f"{enlarged} of {count} {things} are smaller than {clips.width} x {clips.height} and are enlarged."
