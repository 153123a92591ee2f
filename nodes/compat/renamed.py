"""Inputs of shared workflows that had other names in early versions, in prompts that are posted to the server."""

from server import PromptServer

RENAMED = {"ADE_AnimateDiffLoaderWithContext": {"motion_model_settings": "ad_settings"}}
"""{node id: {old name: name}}"""


async def register() -> None:
    """Lets the server rename them before it checks a prompt: an unknown input is not checked, and fails in the node.

    The host's NodeReplace does not serve: it only replaces ids that no installed node has.
    """
    if hasattr(PromptServer, "instance"):  # not where a program uses ComfyUI without its server
        PromptServer.instance.add_on_prompt_handler(with_new_names)


def with_new_names(posted: dict) -> dict:
    """What is posted to /prompt, with inputs under their names of today. Where both are there, today's counts.

    ComfyUI-AnimateDiff-Evolved's own nodes have today's names, so it is right for these, too.
    """
    prompt = posted.get("prompt")
    for node in prompt.values() if isinstance(prompt, dict) else ():
        if isinstance(node, dict) and isinstance(node.get("inputs"), dict):
            names = RENAMED.get(node.get("class_type"), {})
            for old in names.keys() & node["inputs"].keys():
                value = node["inputs"].pop(old)
                node["inputs"].setdefault(names[old], value)
    return posted
