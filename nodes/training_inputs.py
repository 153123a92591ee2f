"""What the forms of training data have in common: inputs, folders, and what they show."""

import os
from pathlib import Path, PurePath

import folder_paths
from comfy_api.latest import io, ui

from ..training.clips import RANDOM, REFUSE, SHORT, STARTS
from ..training.dataset import FITS, Clips, summary, warnings
from ..training.sheet import contact_sheet
from .text import said

LONGEST_NAME = 1000
NO_FOLDER = "(no folder in ComfyUI's input yet)"


def folders() -> list[str]:
    """Below the host's input, and its folders for data sets."""
    inputs = [name for name in folder_paths.get_input_subfolders() if "/." not in f"/{name}"]
    roots = folder_paths.folder_names_and_paths.get("datasets", ((),))[0]
    data_sets = [
        path.name for root in map(Path, roots) if root.is_dir() for path in sorted(root.iterdir()) if path.is_dir()
    ]
    return [*inputs, *(f"datasets/{name}" for name in data_sets)] or [NO_FOLDER]


def folder_named(name: str) -> Path:
    inside = PurePath(os.path.normpath(name))
    if len(name) < LONGEST_NAME and not inside.is_absolute() and ".." not in inside.parts:  # a link may bring any text
        data_sets = folder_paths.folder_names_and_paths.get("datasets", ((),))[0]
        places = [Path(folder_paths.get_input_directory(), inside)]
        below = PurePath(*inside.parts[1:]) if inside.parts[:1] == ("datasets",) else inside
        places += [Path(root, below) for root in data_sets]
        if found := next((path for path in places if path.is_dir()), None):
            return found
    raise ValueError(
        f"There is no folder '{name[:LONGEST_NAME]}' in {folder_paths.get_input_directory()}. Make a folder there, put "
        "the files into it, press R in the page, and choose it."
    )


def folder_input(what: str) -> io.Combo.Input:
    tooltip = f"A folder in ComfyUI's input (or datasets) with {what}. A .txt of the same name is a file's caption."
    return io.Combo.Input("folder", options=folders(), tooltip=tooltip)


def size_inputs() -> list:
    return [
        io.Int.Input("width", default=256, min=64, max=2048, step=64, tooltip="Of the training pictures, in pixels."),
        io.Int.Input("height", default=256, min=64, max=2048, step=64, tooltip="Of the training pictures, in pixels."),
        io.Combo.Input(
            "fit",
            options=list(FITS),
            tooltip="What is cut off where the shape differs. random: another part for every variant of Encode Clips, "
            "down to 0.8 of the largest.",
        ),
    ]


def taking_inputs(stride: int) -> list:
    return [
        io.Int.Input("clip_frames", default=16, min=2, max=64, tooltip="Frames of a clip; 16 as a rule."),
        io.Int.Input(
            "stride",
            default=stride,
            min=1,
            max=32,
            tooltip="Every how many frames of the video one is taken. 4 is what AnimateDiff was trained with; more "
            "makes motion faster.",
        ),
    ]


def choosing_inputs() -> list:
    return [
        io.Combo.Input(
            "start",
            options=list(STARTS),
            default=RANDOM,
            tooltip="Where in a video its clip begins. random: elsewhere for every variant of Encode Clips. "
            "even pieces: a long video becomes several clips.",
        ),
        io.Combo.Input(
            "short_clips",
            options=list(SHORT),
            default=REFUSE,
            tooltip="What happens to videos with too few frames: an error says which, their stride gets smaller, or "
            "their last frame is held.",
        ),
    ]


def caption_inputs() -> list:
    return [
        io.String.Input(
            "fallback_caption", default="", tooltip="The prompt for files without a .txt. Say what they show."
        ),
        io.String.Input(
            "trigger",
            default="",
            tooltip="A word put before every caption, to call the motion by. [trigger] in a caption is replaced by it.",
        ),
    ]


def flip_input() -> io.Boolean.Input:
    return io.Boolean.Input(
        "flip",
        default=False,
        tooltip="Mirrors half of the variants. Not with a motion that has a side: a mirrored pan left is a pan right.",
    )


def repeats_input() -> io.Boolean.Input:
    return io.Boolean.Input(
        "repeats_by_folder_name",
        default=True,
        tooltip="Files in a folder named 10_waves count ten times.",
        advanced=True,
    )


def shown(node: type[io.ComfyNode], clips: Clips) -> io.NodeOutput:
    """The clips, with what was found and a contact sheet on the node."""
    sheet = ui.PreviewImage(contact_sheet(clips), cls=node).as_dict()
    return io.NodeOutput(clips, ui=sheet | said("\n".join([summary(clips), *warnings(clips)])))
