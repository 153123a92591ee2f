"""Nodes of ArtVentureX's comfyui-animatediff -> nodes of ours and of the host, by the host's node replacement.

The page offers them in its list of missing nodes, and the server makes them in a prompt that it is sent; neither does
so where a pack has the id. Its LoadVideo is not here: the host has a node of that id, so it never is missing.
"""

from comfy_api.latest import ComfyAPI, io
from server import PromptServer

import nodes as host_nodes

WINDOWS = ["context_length", "context_stride", "context_overlap", "context_schedule", "closed_loop"]
SAMPLER = [
    *("inject_method", "frame_number", "seed", "control_after_generate", "steps", "cfg", "sampler_name", "scheduler"),
    "denoise",
]
SAMPLER_LINKS = ["motion_module", "model", "positive", "negative", "latent_image", "sliding_window_opts"]
OPTIONAL = {
    "AnimateDiffModuleLoader": "lora_stack",
    "AnimateDiffLoraLoader": "lora_stack",
    "AnimateDiffSampler": "sliding_window_opts",
}
"""Their sockets that may be left open."""


def same(names: list[str]) -> list[dict]:
    return [{"new_id": name, "old_id": name} for name in names if name != "control_after_generate"]


def replacements() -> list:
    """One for each of their nodes. Widgets are listed in the order in which a saved workflow has their values."""
    combine = ["frame_rate", "loop_count", "save_image", "filename_prefix", "format", "pingpong"]
    animation = {"lossless": False, "quality": 80, "method": "default"}
    animation_inputs = [
        *same(["images", "filename_prefix"]),
        {"new_id": "fps", "old_id": "frame_rate"},
        *({"new_id": name, "set_value": value} for name, value in animation.items()),
    ]
    loader, lora = ["model_name"], ["lora_name", "alpha"]
    rows = [
        ("AnimateDiffModuleLoader", "ADN_AnimateDiffModuleLoader", loader, same([*loader, "lora_stack"]), 1),
        ("AnimateDiffLoraLoader", "ADN_AnimateDiffLoraLoader", lora, same([*lora, "lora_stack"]), 1),
        ("AnimateDiffSlidingWindowOptions", "ADN_AnimateDiffSlidingWindowOptions", WINDOWS, same(WINDOWS), 1),
        ("AnimateDiffSampler", "ADN_AnimateDiffSampler", SAMPLER, same([*SAMPLER_LINKS, *SAMPLER]), 1),
        ("AnimateDiffCombine", "SaveAnimatedWEBP", combine, animation_inputs, 0),
        ("ImageSizeAndBatchSize", "GetImageSize", [], same(["image"]), 3),
    ]
    return [
        io.NodeReplace(
            new_node_id=new,
            old_node_id=old,
            old_widget_ids=widgets,
            input_mapping=inputs,
            output_mapping=[{"new_idx": index, "old_idx": index} for index in range(outputs)],
        )
        for old, new, widgets, inputs, outputs in rows
    ]


async def register() -> None:
    """Offers the replacements to the page and the server, where this ComfyUI has node replacement.

    A program that uses ComfyUI without its server has none to offer them to.
    """
    if not hasattr(io, "NodeReplace") or not hasattr(PromptServer, "instance"):
        return
    for replacement in replacements():
        await ComfyAPI().node_replacement.register(replacement)
    PromptServer.instance.add_on_prompt_handler(completed)


def completed(posted: dict) -> dict:
    """What was posted, with what the host expects of a node that it replaces: `_meta`, and all mapped sockets."""
    old = {replacement.old_node_id for replacement in replacements()} - host_nodes.NODE_CLASS_MAPPINGS.keys()
    for node in posted.get("prompt", {}).values():
        if node.get("class_type") in old:
            node.setdefault("_meta", {})
            if node["class_type"] in OPTIONAL:
                node["inputs"].setdefault(OPTIONAL[node["class_type"]], None)
    return posted
