"""A finished clip as an animated file."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image
from torch import Tensor

VIDEOS = {
    "video/h264-mp4": ("mp4", "libx264", "yuv420p", {"crf": "19"}),
    "video/h265-mp4": ("mp4", "libx265", "yuv420p10le", {"crf": "22", "tag": "hvc1"}),
    "video/webm": ("webm", "libvpx-vp9", "yuv420p", {"crf": "20", "b": "0"}),
}
"""Format: (extension, encoder, pixel format, the encoder's options)."""
FORMATS = [
    "image/gif",
    "image/webp",
    *(name for name, (_, encoder, *_) in VIDEOS.items() if encoder in av.codecs_available),
]


def extension(format: str) -> str:
    """Of a file of one of FORMATS."""
    return VIDEOS[format][0] if format in VIDEOS else format.partition("/")[2]


def pictures(images: Tensor) -> list[Image.Image]:
    """images: frames h w 3, 0 to 1."""
    return [Image.fromarray((frame.cpu().numpy() * 255).clip(0, 255).astype(np.uint8)) for frame in images]


def there_and_back(frames: list) -> list:
    """The first and the last frame once each."""
    return frames + frames[-2:0:-1]


def save(path: Path, frames: Sequence[Image.Image], format: str, frame_rate: int, loop_count: int) -> None:
    """format: one of FORMATS."""
    if format in VIDEOS:
        return save_video(path, frames, format, frame_rate)
    words = {"save_all": True, "append_images": frames[1:], "duration": round(1000 / frame_rate), "loop": loop_count}
    frames[0].save(path, format=extension(format).upper(), **words)


def save_video(path: Path, frames: Sequence[Image.Image], format: str, frame_rate: int) -> None:
    """An odd row or column at the edge is cut off: these formats have none."""
    _, encoder, pixels, options = VIDEOS[format]
    with av.open(str(path), mode="w") as file:
        stream = file.add_stream(encoder, rate=Fraction(frame_rate), options=options)
        stream.width, stream.height = (size // 2 * 2 for size in frames[0].size)
        stream.pix_fmt = pixels
        for frame in frames:
            own = frame.convert("RGB").crop((0, 0, stream.width, stream.height))
            file.mux(stream.encode(av.VideoFrame.from_image(own)))
        file.mux(stream.encode())
