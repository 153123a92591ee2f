"""What the page asks before a run: how many windows a Context Windows node will make. web/js/windows.js shows it."""

from aiohttp import web
from server import PromptServer

from ..sampling.windows.count import windows_of_steps
from .context import planned

MOST_FRAMES, MOST_STEPS = 4_096, 200
"""No more is counted, so that no question keeps the server busy."""


async def register() -> None:
    if hasattr(PromptServer, "instance"):  # not where a program uses ComfyUI without its server
        PromptServer.instance.routes.post("/animatediff/windows")(answer)


async def answer(request: web.Request) -> web.Response:
    return web.json_response(counted(await request.json()))


def counted(asked: dict) -> dict:
    """{"frames", "steps", "settings": the node's values by name} -> {"windows": one for each step}, or {"mistake"}."""
    try:
        frames, steps = int(asked["frames"]), int(asked["steps"])
        if not (0 < frames <= MOST_FRAMES and 0 < steps <= MOST_STEPS):
            raise ValueError(f"{frames} frames in {steps} steps are not counted.")
        return {"windows": windows_of_steps(planned(**asked["settings"]), frames, steps)}
    except (KeyError, TypeError, ValueError) as mistake:
        return {"mistake": str(mistake)}
