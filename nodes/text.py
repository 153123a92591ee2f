"""What a node says of its last run, in the web page: web/js/lines.js shows it.

As the node's `ui`, so it also comes where the node is taken from the cache, and stays when the run has ended.
"""

from collections.abc import Sequence

from aiohttp import web
from comfy_api.latest import io
from server import PromptServer

from ..sampling.said import CURVE, TEXT, kept, said_in


def said(text: str) -> dict[str, list]:
    """For a NodeOutput's `ui`: a line of text, or some."""
    return kept({TEXT: [text]})


def drawn(values: Sequence[float], text: str) -> dict[str, list]:
    """For a NodeOutput's `ui`: a value for each frame as a curve, and a line of text."""
    return kept({CURVE: [list(values)], TEXT: [text]})


def show_live(node: type[io.ComfyNode], text: str) -> None:
    """Shows `text` on the node while it runs, after which the page takes it away; `node` lists io.Hidden.unique_id."""
    server = getattr(PromptServer, "instance", None)
    if server is not None and node.hidden is not None and node.hidden.unique_id:
        server.send_progress_text(text, node.hidden.unique_id)


async def register() -> None:
    if hasattr(PromptServer, "instance"):  # not where a program uses ComfyUI without its server
        PromptServer.instance.routes.get("/animatediff/said/{prompt_id}")(answer)


async def answer(request: web.Request) -> web.Response:
    return web.json_response(said_in(request.match_info["prompt_id"]))
