"""Draws the pictures of the help pages: each own node among its neighbours, in the web page of a real server.

    COMFYUI_DIR=<a ComfyUI> <its Python> tests/support/node_pictures.py [node id ...]

Writes web/docs/pictures/<node id>.png in English and <node id>.zh.png in Chinese. Models are small, of random weights,
under the names of published files. Needs Chromium, and a Chinese font (Debian: fonts-noto-cjk).
"""

import os
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

import drawn_scenes
import seeded
import torch
from browser import ready, started
from cameras import camera_file
from comfy_server import ROOT, ComfyServer
from host import find_host
from motion_ctrl import object_file
from node_graphs import CAMERA_CTRL, GRAPHS, I2V, OMCM, PAN, PHOTOS, SPARSE_RGB, V2, V3, VIDEOS_OF, ZOOM, Picture
from PIL import Image
from playwright.sync_api import sync_playwright
from sparse import sparse_state
from weights import motion_lora_state, motion_state

PICTURES = ROOT / "web" / "docs" / "pictures"
LANGUAGES = {"en": "{}.png", "zh": "{}.zh.png"}
SETTINGS = {
    "Comfy.TutorialCompleted": True,
    "Comfy.Minimap.Visible": False,
    "Comfy.NodeBadge.NodeSourceBadgeMode": "None",
}
LARGEST = 40_000
VIEW, ORIGIN, INDENT, GAP, MARGIN, COLORS = (1400, 1100), (300, 160), 24, 22, 20, 40

BUILD = """nodes => {
    app.graph.clear()
    window.lastId ??= 0
    const made = nodes.map(({kind, values}) => {
        const node = LiteGraph.createNode(kind)
        node.id = ++window.lastId // the page remembers values and pictures by it
        app.graph.add(node)
        for (const [name, value] of Object.entries(values))
            node.widgets.find(widget => widget.name === name).value = value
        return node
    })
    nodes.forEach(({links}, index) => {
        for (const [name, source] of Object.entries(links)) {
            const slot = made[index].inputs.findIndex(input => input.name === name)
            const type = made[index].inputs[slot].type
            const output = made[source].outputs.findIndex(each => type === '*' || each.type === type)
            made[source].connect(output, made[index], slot)
        }
    })
    window.pictured = made
    app.canvas.ds.scale = 1
    app.canvas.ds.offset = [0, 0]
}"""
"""Makes the nodes and their links."""

ARRANGE = """([nodes, origin, indent, gap]) => {
    for (const node of window.pictured.splice(nodes.length)) app.graph.remove(node)
    let y = origin[1]
    window.pictured.forEach((node, index) => {
        const wanted = nodes[index]
        node.pos = [origin[0] + wanted.indent * indent, y]
        node.setSize([Math.max(node.size[0], wanted.width), node.size[1]])
        node.flags.collapsed = wanted.folded
        y += (wanted.folded ? 0 : node.size[1]) + LiteGraph.NODE_TITLE_HEIGHT + gap
    })
    app.canvas.deselectAll?.()
    app.canvas.draw(true, true)
    const width = node => node.flags.collapsed ? node._collapsed_width : node.size[0]
    const right = Math.max(...window.pictured.map(node => node.pos[0] + width(node)))
    return [origin[0], origin[1] - LiteGraph.NODE_TITLE_HEIGHT, right, y - gap - LiteGraph.NODE_TITLE_HEIGHT]
}"""
"""Takes away the unseen nodes and stacks the others; the rectangle that they fill."""


def main(ids: list[str]) -> int:
    comfyui = find_host()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        base = Path(folder)
        make_models(comfyui, base)
        with ComfyServer(comfyui, base, "--cpu", "--cache-none") as server:
            for language, name in LANGUAGES.items():
                server.post("/settings", SETTINGS | {"Comfy.Locale": language})
                browser = started(playwright)
                page = ready(browser.new_page(viewport={"width": VIEW[0], "height": VIEW[1]}), server)
                for node_id in ids or GRAPHS:
                    save(draw(page, GRAPHS[node_id]), PICTURES / name.format(node_id))
                browser.close()
    return 0


def make_models(comfyui: Path, base: Path) -> None:
    """Small models of random weights under the names of published files."""
    environment = os.environ | {"COMFYUI_DIR": str(comfyui)}
    subprocess.run([sys.executable, seeded.__file__, str(base)], check=True, env=environment)
    models = base / "models"
    (models / "checkpoints" / seeded.CHECKPOINT).rename(models / "checkpoints" / "v1-5-pruned-emaonly-fp16.safetensors")
    (models / "animatediff_models" / seeded.MOTION_MODEL).rename(models / "animatediff_models" / V3)
    for name, family in ((V2, "v2"), (I2V, "animatelcm_i2v")):
        torch.save(seeded.halved(motion_state(family, seeded.CHANNELS)), models / "animatediff_models" / name)
    seeded.save_picture(base / "input" / seeded.PICTURE)
    seeded.save_video(base / "input" / seeded.VIDEO)
    drawn_scenes.save_data_sets(base / "input", VIDEOS_OF, PHOTOS)
    controlnet = models / "controlnet"
    controlnet.mkdir()
    torch.save(seeded.halved(sparse_state("rgb", seeded.CHANNELS)), controlnet / SPARSE_RGB)
    torch.save(camera_file(seeded.CHANNELS), models / "animatediff_models" / CAMERA_CTRL)
    torch.save(object_file(seeded.CHANNELS), models / "animatediff_models" / OMCM)
    loras = models / "animatediff_motion_lora"
    loras.mkdir()
    for name in (ZOOM, PAN):
        torch.save(seeded.halved(motion_lora_state(seeded.CHANNELS, family="v2")), loras / name)


def draw(page, picture: Picture) -> bytes:
    """A PNG of the page where the nodes are."""
    nodes = [node.for_page() for node in (*picture.nodes, *picture.unseen)]
    page.evaluate(BUILD, nodes)
    page.wait_for_timeout(1000)  # until nodes have their plots, which make them higher
    if picture.unseen:
        run(page)
    left, top, right, bottom = page.evaluate(ARRANGE, [nodes[: len(picture.nodes)], ORIGIN, INDENT, GAP])
    page.wait_for_timeout(1500)
    clip = {"x": left - MARGIN, "y": top - MARGIN, "width": right - left + 2 * MARGIN}
    return page.screenshot(clip=clip | {"height": bottom - top + 2 * MARGIN})


def run(page) -> None:
    """Runs the graph and waits for its end."""
    end = """new Promise((done, fail) => {
        for (const name of ['execution_error', 'execution_interrupted'])
            app.api.addEventListener(name, event => fail(new Error(JSON.stringify(event.detail))), {once: true})
        app.api.addEventListener('execution_success', () => done(), {once: true})
        app.queuePrompt(0, 1).then(queued => queued || fail(new Error('the page did not run the graph')))
    })"""
    page.evaluate(end)
    page.wait_for_timeout(500)


def save(png: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.open(BytesIO(png)).convert("RGB")
    picture.quantize(COLORS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path.name} has {path.stat().st_size} bytes, more than {LARGEST}: show fewer nodes in it.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
