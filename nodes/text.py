"""What a node says of its last run, in the web page: web/js/lines.js shows it.

As the node's `ui`, so it also comes where the node is taken from the cache, and stays when the run has ended.
"""

from collections.abc import Sequence

from aiohttp import web
from server import PromptServer

from ..sampling.said import CURVE, TEXT, kept, said_in


def said(text: str) -> dict[str, list]:
    """For a NodeOutput's `ui`: a line of text, or some."""
    return kept({TEXT: [text]})


def drawn(values: Sequence[float], text: str) -> dict[str, list]:
    """For a NodeOutput's `ui`: a value for each frame as a curve, and a line of text."""
    return kept({CURVE: [list(values)], TEXT: [text]})


async def register() -> None:
    if hasattr(PromptServer, "instance"):  # not where a program uses ComfyUI without its server
        PromptServer.instance.routes.get("/animatediff/said/{prompt_id}")(answer)


async def answer(request: web.Request) -> web.Response:
    return web.json_response(said_in(request.match_info["prompt_id"]))
