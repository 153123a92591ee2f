"""What nodes before a sampler were given that does nothing in this run, and that only the sampler can know.

Motion LoRAs in a loader of LoRAs for the checkpoint, which finds no layer for them; frames of a schedule that the clip
does not have. Each node gets its line, and loses it where all is well by now.
"""

from pathlib import Path

import folder_paths

from ..motion.lora import is_for_motion_only
from .said import nodes_before, say
from .values.schedules import ScheduleError, outside, parsed

OURS = ("ADN_", "ADE_")
SCHEDULE = "ADN_FrameSchedule"


def tell_nodes(frames: int | None) -> None:
    """frames: of the clip that the running node samples; None where that is a piece of one."""
    for node_id, node in nodes_before().items():
        if node["class_type"] == SCHEDULE and frames is not None:
            say(of_schedule(node["inputs"], frames), node_id)
        elif not node["class_type"].startswith(OURS) and (paths := lora_paths(node["inputs"])):
            say([of_lora(Path(path).name) for path in paths if is_for_motion_only(path)], node_id)


def of_schedule(inputs: dict, frames: int) -> list[str]:
    if "curve" in inputs or not isinstance(inputs.get("text"), str):
        return []
    try:
        points = parsed(inputs["text"])
    except ScheduleError:  # the text of a node that has not run, as nobody asked for it
        return []
    line = outside([point.position for point in points if not point.is_percent], frames)
    return [line] if line else []


def lora_paths(inputs: dict) -> list[str]:
    """The files in models/loras that a node's values name."""
    names = [
        value
        for value in inputs.values()
        if isinstance(value, str) and Path(value).suffix.lower() in folder_paths.supported_pt_extensions
    ]
    return [path for name in names if (path := folder_paths.get_full_path("loras", name))]


def of_lora(name: str) -> str:
    return (
        f"'{name}' is a motion LoRA, and does nothing to a checkpoint. Put it into models/animatediff_motion_lora, and "
        "load it with Load Motion LoRA behind Load Motion Model."
    )
