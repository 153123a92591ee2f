"""Sources of frames: video files through PyAV, pictures through Pillow, pictures that are in memory already.

A source knows its size and how many frames it has without decoding any, and decodes those that are asked for.
"""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import av
import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

VIDEOS = (".mp4", ".mov", ".webm", ".mkv", ".avi", ".m4v")
ANIMATIONS = (".gif", ".webp")
"""They may hold one picture only, which is a still then."""
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")

LONGEST_REASON = 200
"""Letters of what a decoder says."""


class Source(Protocol):
    frames: int
    width: int
    height: int

    def read(self, indices: Sequence[int]) -> Iterator[Tensor]:
        """Those frames, (height, width, 3) each, of bytes or of 0 to 1. The indices never go down."""

    @property
    def digest(self) -> str:
        """sha256 of what it holds: the same for a copy under another name."""

    def mark(self) -> str:
        """What tells it from another one of the same name: the bytes that a file has, all of pictures in memory."""


@dataclass(frozen=True)
class File:
    path: Path
    frames: int
    width: int
    height: int

    @cached_property  # a long video is read once for all of its pieces
    def digest(self) -> str:
        found = hashlib.sha256()
        with self.path.open("rb") as file:
            while part := file.read(1 << 20):
                found.update(part)
        return found.hexdigest()

    def mark(self) -> str:
        return str(self.path.stat().st_size)


@dataclass(frozen=True)
class VideoFile(File):
    stamps: tuple[int, ...] = ()
    """Of the frames, in the order in which they are shown; none where the file's tell nothing."""

    def read(self, indices: Sequence[int]) -> Iterator[Tensor]:
        try:
            with av.open(str(self.path)) as file:
                frames = self._after_a_seek(file, indices[0])
                if frames is not None:
                    yield from self._wanted(frames, indices)
                    return
            with av.open(str(self.path)) as file:
                yield from self._wanted(enumerate(decoded(file)), indices)
        except (av.error.FFmpegError, OSError) as error:
            raise undecodable(self.path, error) from error

    def _after_a_seek(self, file, first: int) -> "Iterator[tuple[int, av.VideoFrame]] | None":
        """(place in the video, frame) from at most `first` on; None where the file lets nobody seek there."""
        if not self.stamps:
            return None
        places = {stamp: index for index, stamp in enumerate(self.stamps)}
        file.seek(self.stamps[first], stream=file.streams.video[0])
        frames = ((places.get(frame.pts, -1), frame) for frame in decoded(file))
        start = next(frames, (-1, None))
        return itertools.chain([start], frames) if 0 <= start[0] <= first else None

    def _wanted(self, frames: "Iterator[tuple[int, av.VideoFrame]]", indices: Sequence[int]) -> Iterator[Tensor]:
        wanted = iter(indices)
        index = next(wanted)
        for place, frame in frames:
            while place == index:
                yield upright(frame)
                if (index := next(wanted, None)) is None:
                    return
        raise ValueError(
            f"'{self.path.name}' ends before its frame {index}, though it should have {self.frames}: it is cut short "
            "or damaged. Export it again, or take it out of the folder."
        )


def decoded(file) -> "Iterator[av.VideoFrame]":
    stream = file.streams.video[0]
    stream.thread_type = "AUTO"
    return file.decode(stream)


def upright(frame: "av.VideoFrame") -> Tensor:
    """(height, width, 3) bytes; what a phone held sideways filmed is turned as players turn it."""
    pixels = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
    return torch.from_numpy(pixels.copy())


def video_file(path: Path) -> VideoFile:
    """Reads through the packets, not the pictures in them. Raises ValueError where it is no video."""
    try:
        with av.open(str(path)) as file:
            if not file.streams.video:
                raise ValueError(f"'{path.name}' has no pictures in it, only sound. Take it out of the folder.")
            stream = file.streams.video[0]
            width, height = stream.width, stream.height
            stamps = [packet.pts for packet in file.demux(stream) if packet.size and not packet.is_discard]
        turned = round(first_frame_of(path).rotation / 90) % 2
    except (av.error.FFmpegError, OSError) as error:
        raise undecodable(path, error) from error
    known = None not in stamps and len(set(stamps)) == len(stamps)
    size = (height, width) if turned else (width, height)
    return VideoFile(path, len(stamps), *size, tuple(sorted(stamps)) if known else ())


def first_frame_of(path: Path) -> "av.VideoFrame":
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            return frame
    raise ValueError(f"'{path.name}' holds no frames. Export it again, or take it out of the folder.")


def undecodable(path: Path, error: Exception) -> ValueError:
    said = str(getattr(error, "strerror", None) or error)
    reason = said if said.isprintable() and 0 < len(said) < LONGEST_REASON else type(error).__name__
    return ValueError(f"'{path.name}' cannot be decoded ({reason}). Export it again, or take it out of the folder.")


@dataclass(frozen=True)
class PictureFile(File):
    """A still, or an animation that Pillow reads."""

    def read(self, indices: Sequence[int]) -> Iterator[Tensor]:
        try:
            with Image.open(self.path) as image:
                for index, group in itertools.groupby(indices):
                    image.seek(index)
                    pixels = torch.from_numpy(np.array(ImageOps.exif_transpose(image).convert("RGB")))
                    yield from (pixels for _ in group)
        except Exception as error:  # a damaged picture makes its decoder raise anything
            raise undecodable(self.path, error) from error


def picture_file(path: Path) -> PictureFile:
    try:
        with Image.open(path) as image:
            image.load()
            frames, (width, height) = getattr(image, "n_frames", 1), image.size
            if image.getexif().get(0x0112, 1) >= 5:  # EXIF's orientation: lying on a side
                width, height = height, width
    except Exception as error:  # as above
        raise undecodable(path, error) from error
    return PictureFile(path, frames, width, height)


def source_of(path: Path) -> Source:
    return video_file(path) if path.suffix.lower() in VIDEOS else picture_file(path)


@dataclass(frozen=True, eq=False)
class Pictures:
    """Frames that are in memory: a graph's IMAGE."""

    pixels: Tensor
    """(frames, height, width, 3), 0 to 1"""

    @property
    def frames(self) -> int:
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        return self.pixels.shape[2]

    @property
    def height(self) -> int:
        return self.pixels.shape[1]

    def read(self, indices: Sequence[int]) -> Iterator[Tensor]:
        return (self.pixels[index] for index in indices)

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.pixels.float().cpu().contiguous().numpy()).hexdigest()

    def mark(self) -> str:
        return self.digest
