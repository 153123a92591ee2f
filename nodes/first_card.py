"""Which template a newcomer sees first: the host lists them as the file system does, which is in no order on Linux."""

import json

from aiohttp import web
from server import PromptServer

FIRST = "AnimateDiff Text to Animation"
LIST = ("/workflow_templates", "/api/workflow_templates")


async def register() -> None:
    """Lets the server put this pack's templates in order when the page asks for the list."""
    if hasattr(PromptServer, "instance"):  # not where a program uses ComfyUI without its server
        PromptServer.instance.app.middlewares.append(ordered)


@web.middleware
async def ordered(request: web.Request, handler) -> web.StreamResponse:
    answer = await handler(request)
    if request.path not in LIST or answer.status != 200:
        return answer
    return web.json_response(in_order(json.loads(answer.text)))


def in_order(templates: dict[str, list[str]]) -> dict[str, list[str]]:
    """{pack: its templates} with ours by name, the first one in front. Other packs' stay as they are."""
    return {
        pack: sorted(names, key=lambda name: (name != FIRST, name)) if FIRST in names else names
        for pack, names in templates.items()
    }
