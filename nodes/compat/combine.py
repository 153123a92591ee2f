"""AnimateDiff Combine of shared workflows: pictures to an animated file."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import folder_paths
from comfy.cli_args import args
from comfy_api.latest import io
from PIL.PngImagePlugin import PngInfo

from ...sampling.clips.animation import FORMATS, extension, pictures, save, there_and_back
from .form import form
from .types import GIF


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
    path = Path(folder) / f"{name}_{counter:05}_.{extension(format)}"
    frames = pictures(images)
    with whole_or_not_there(path.with_suffix(".png"), path):
        frames[0].save(path.with_suffix(".png"), pnginfo=workflow_text(hidden), compress_level=4)
        save(path, there_and_back(frames) if pingpong else frames, format, frame_rate, loop_count)
    file = {"filename": path.name, "subfolder": subfolder, "type": "output" if save_image else "temp"}
    ui = {"images": [file], "animated": (True,), "gifs": [file | {"format": format}]}
    return io.NodeOutput(str(path), ui=ui)


@contextmanager
def whole_or_not_there(*paths: Path) -> Iterator[None]:
    """Files that the block writes; where it fails (a full disk), none of them stays."""
    try:
        yield
    except BaseException:
        for path in paths:
            path.unlink(missing_ok=True)
        raise


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


NODES = [animatediff_combine]
