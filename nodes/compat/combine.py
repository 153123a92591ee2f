"""AnimateDiff Combine of shared workflows: pictures to an animated file."""

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import folder_paths
import numpy as np
from comfy.cli_args import args
from comfy_api.latest import io
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from .form import form
from .types import GIF

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


@form(
    *("ADE_AnimateDiffCombine", "AnimateDiff Combine"),
    [
        io.Image.Input("images", tooltip="The frames."),
        io.Int.Input("frame_rate", default=8, min=1, max=24, step=1, tooltip="Frames per second."),
        io.Int.Input("loop_count", default=0, min=0, max=100, step=1, tooltip="0 plays without end. Not for videos."),
        io.String.Input("filename_prefix", default="AnimateDiff", tooltip="The file's name begins so."),
        io.Combo.Input("format", options=FORMATS, tooltip="Of the file."),
        io.Boolean.Input("pingpong", default=False, tooltip="Plays to the end and back."),
        io.Boolean.Input("save_image", default=True, tooltip="Into the output folder; else only shown."),
    ],
    GIF.Output(display_name="GIF", tooltip="Where the file is."),
    "Save Animated WEBP, or Create Video and Save Video",
    is_output_node=True,
    hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
)
def animatediff_combine(
    images,
    frame_rate: int,
    loop_count: int,
    filename_prefix: str,
    format: str,
    pingpong: bool,
    save_image: bool,
    hidden=None,
) -> io.NodeOutput:
    base = folder_paths.get_output_directory() if save_image else folder_paths.get_temp_directory()
    height, width = images.shape[1:3]
    folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(filename_prefix, base, width, height)
    extension = VIDEOS[format][0] if format in VIDEOS else format.partition("/")[2]
    path = Path(folder) / f"{name}_{counter:05}_.{extension}"
    frames = pictures(images)
    frames[0].save(path.with_suffix(".png"), pnginfo=workflow_text(hidden), compress_level=4)
    save(path, there_and_back(frames) if pingpong else frames, format, frame_rate, loop_count)
    file = {"filename": path.name, "subfolder": subfolder, "type": "output" if save_image else "temp"}
    ui = {"images": [file], "animated": (True,), "gifs": [file | {"format": format}]}
    return io.NodeOutput(str(path), ui=ui)


def pictures(images: Tensor) -> list[Image.Image]:
    """images: frames h w 3, 0 to 1."""
    return [Image.fromarray((frame.cpu().numpy() * 255).clip(0, 255).astype(np.uint8)) for frame in images]


def there_and_back(frames: list) -> list:
    """The first and the last frame once each."""
    return frames + frames[-2:0:-1]


def workflow_text(hidden) -> PngInfo | None:
    """What the host's own savers write into a PNG: how the page can open its workflow."""
    if args.disable_metadata:
        return None
    info = PngInfo()
    texts = {"prompt": hidden.prompt} | (hidden.extra_pnginfo or {}) if hidden else {}
    for key, value in texts.items():
        if value is not None:
            info.add_text(key, json.dumps(value))
    return info


def save(path: Path, frames: Sequence[Image.Image], format: str, frame_rate: int, loop_count: int) -> None:
    """format: one of FORMATS."""
    if format in VIDEOS:
        return save_video(path, frames, format, frame_rate)
    words = {"save_all": True, "append_images": frames[1:], "duration": round(1000 / frame_rate), "loop": loop_count}
    frames[0].save(path, format=format.partition("/")[2].upper(), **words)


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


NODES = [animatediff_combine]
