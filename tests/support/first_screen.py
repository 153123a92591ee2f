"""Makes README's first picture: the page while the first template runs, as an animated WebP of six seconds.

    COMFYUI_DIR=<a ComfyUI> <its Python> tests/support/first_screen.py

Presses Run in the page of a real server, with the weights of `clouds`, and writes docs/pictures/first-screen.webp. What
takes long is left out: each step of the sampler is shown for as long. COMFYUI_PAGE names another page, as for tests.
"""

import io
import tempfile
from pathlib import Path

from browser import SET, opened, run
from comfy_server import ROOT, ComfyServer
from host import find_host
from PIL import Image
from template_files import make_template_files
from workflows import example

PICTURE = ROOT / "docs" / "pictures" / "first-screen.webp"
VIEW = {"width": 1280, "height": 930}
AREA, SIZE = (60, 38, 1280, 930), (960, 702)
"""The part of the page that is in the picture: without the bars at its top and left; pixels of the picture."""
PLACED = """() => {
    app.canvas.ds.scale = 0.79
    app.canvas.ds.offset = [105, 125]
    app.canvas.setDirty(true, true)
}"""
COUNTED = "window.previews = 0; app.api.addEventListener('b_preview_with_metadata', () => window.previews++)"
PER_STEP, AFTER, MILLISECONDS = 3, 16, 150
"""Pictures of each step of the sampler, and of the result; how long each is shown."""
SETTINGS = {
    "Comfy.Execution.PreviewMethod": "latent2rgb",
    "Comfy.Minimap.Visible": False,
    "Comfy.Graph.CanvasInfo": False,
}
SMALL = {"width": 128, "height": 128, "steps": 6}


def shot(page) -> Image.Image:
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    page.wait_for_timeout(MILLISECONDS // 2)
    return picture.crop(AREA).resize(SIZE, Image.Resampling.LANCZOS)


def taken(server: ComfyServer, page) -> list[Image.Image]:
    page.evaluate(COUNTED)
    pictures = [shot(page)]
    identity, seen = run(page), 0
    pictures.append(shot(page))
    while identity not in server.get(f"/history/{identity}"):
        page.wait_for_timeout(500)  # which a preview needs until it moves
        if (count := page.evaluate("window.previews")) > seen:
            seen = count
            pictures += [shot(page) for _ in range(PER_STEP)]
    page.wait_for_timeout(2000)
    return pictures + [shot(page) for _ in range(AFTER)]


def main() -> None:
    comfyui, graph = Path(find_host()), example("Text to Animation")
    with tempfile.TemporaryDirectory() as folder:
        make_template_files(comfyui, Path(folder), [graph], "clouds")
        with ComfyServer(comfyui, Path(folder)) as server:
            server.post("/settings", SETTINGS)
            with opened(server) as page:
                page.set_viewport_size(VIEW)
                page.evaluate("graph => app.loadGraphData(graph)", graph)
                page.evaluate(SET, SMALL)
                page.wait_for_timeout(1000)
                page.evaluate(PLACED)
                page.wait_for_timeout(500)
                first, *others = taken(server, page)
    first.save(PICTURE, save_all=True, append_images=others, duration=MILLISECONDS, quality=75, method=4, loop=0)


if __name__ == "__main__":
    main()
