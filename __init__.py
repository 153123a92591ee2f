"""AnimateDiff Native: motion models for SD1.5 and SDXL checkpoints in ComfyUI, on the host's own extension points."""

from pathlib import Path

import comfyui_version

import nodes as host_nodes

MINIMUM_HOST = "0.20.1"
WEB_DIRECTORY = "./web"
"""What the page loads: its scripts, and the nodes' help pages docs/<node id>.md and docs/<node id>/<language>.md."""


def _check_host(version: str) -> None:
    """Raises ImportError on a ComfyUI whose UNet does not let a pack in where motion modules belong."""

    def number(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in text.split(".")[:3] if part.isdigit())

    if number(version) < number(MINIMUM_HOST):
        raise ImportError(
            f"AnimateDiff Native needs ComfyUI {MINIMUM_HOST} or newer, and this is ComfyUI {version}: "
            "update ComfyUI (ComfyUI-Manager: Update ComfyUI), then restart it."
        )


_check_host(comfyui_version.__version__)

from .nodes import NODES, SERVICES, host_names  # noqa: E402

for needed in (Path(__file__), host_names.PACK / "motion" / "load.py"):
    host_names.refuse(needed)

from comfy_api.latest import ComfyExtension  # noqa: E402

from .motion.load import register_folders  # noqa: E402

register_folders()


class AnimateDiffExtension(ComfyExtension):
    async def on_load(self) -> None:
        for service in SERVICES:
            await service.register()

    async def get_node_list(self) -> list:
        """Our nodes, without those whose id another pack has taken (it also gets them if it loads later)."""
        return [node for node in NODES if node.GET_SCHEMA().node_id not in host_nodes.NODE_CLASS_MAPPINGS]


async def comfy_entrypoint() -> AnimateDiffExtension:
    return AnimateDiffExtension()
