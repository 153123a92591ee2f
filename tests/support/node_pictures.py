"""Draws the pictures of the help pages: each own node among its neighbours, in the web page of a real server.

    COMFYUI_DIR=<a ComfyUI> <its Python> tests/support/node_pictures.py [node id ...]

Writes web/docs/pictures/<node id>.png in English and <node id>.zh.png in Chinese. Models are small, of random weights,
under the names of published files. Needs Chromium, and a Chinese font (Debian: fonts-noto-cjk).
"""

import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path

import drawn_scenes
import seeded
import torch
from browser import ready, started
from cameras import camera_file
from comfy_server import ROOT, ComfyServer
from host import find_host
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

CHECKPOINT, SAMPLER = "CheckpointLoaderSimple", "KSampler"
LOAD, LORA, ADJUST = "ADN_LoadMotionModel", "ADN_LoadMotionLoRA", "ADN_AdjustMotionModel"
START, SPARSE, CAMERA = "ADN_StartFromPicture", "ADN_LoadSparseCtrl", "ADN_CameraPath"
APPLY, BLOCKS, WINDOWS, PREVIEW = "ADN_ApplyMotionModel", "ADN_BlockWeights", "ADN_ContextWindows", "ADN_PreviewWindows"
PIECES, FRAMES, STEPS = "ADN_ContextSampler", "ADN_FrameSchedule", "ADN_StepSchedule"
TRAIN, OPTIONS = "ADN_TrainMotionLoRA", "ADN_TrainingOptions"
V3, V2, I2V = "mm_sd15_v3.safetensors", "mm_sd_v15_v2.ckpt", "AnimateLCM_sd15_i2v.ckpt"
SETTINGS_OF_AUTHORS = {
    "seed": 42,
    "control_after_generate": "fixed",
    "steps": 25,
    "cfg": 7.5,
    "scheduler": "ddim_uniform",
}
SPARSE_RGB, CAMERA_CTRL = "v3_sd15_sparsectrl_rgb.ckpt", "CameraCtrl.ckpt"
CLIPS, STILLS, MOVE, ENCODE = "ADN_ClipDataset", "ADN_StillsDataset", "ADN_CameraMove", "ADN_EncodeClips"
FROM_IMAGES, FROM_LATENTS = "ADN_ClipsFromImages", "ADN_ClipsFromLatents"
VIDEOS_OF, PHOTOS = "waves", "photos"
"""Folders of the host's input, with videos and with pictures."""
ZOOM, PAN = "v2_lora_ZoomIn.ckpt", "v2_lora_PanLeft.ckpt"

WIDTHS = {LOAD: 330, LORA: 330, ADJUST: 330, START: 330, SPARSE: 430, CAMERA: 400}
"""Of nodes that show a line of text after a run; the others have the page's own."""


@dataclass(frozen=True)
class Node:
    """A node of a picture: how far it stands to the right, values of its widgets, and input -> the index of the node
    that makes that. `folded`: only its title is shown."""

    kind: str
    indent: int = 0
    values: dict = field(default_factory=dict)
    links: dict[str, int] = field(default_factory=dict)
    folded: bool = False

    def for_page(self) -> dict:
        return asdict(self) | {"width": WIDTHS.get(self.kind, 0)}


@dataclass(frozen=True)
class Picture:
    """Nodes from top to bottom, since the page's help panel is narrow.

    unseen: nodes besides, with which the graph runs first, so that the nodes show what they say after a run.
    """

    nodes: tuple[Node, ...]
    unseen: tuple[Node, ...] = ()


def folded(kind: str, indent: int = 0, values: dict | None = None, **links: int) -> Node:
    return Node(kind, indent, values or {}, links, True)


def behind_apply(kind: str, **values) -> Picture:
    return Picture((folded(APPLY), Node(kind, 1, values, {"model": 0}), folded(SAMPLER, 2, model=1)))


def shown(model: int) -> Node:
    return folded(PREVIEW, 0, {"frames": 16}, model=model)


GRAPHS = {
    LOAD: Picture(
        (Node(LOAD, 0, {"model_name": V3}), folded(APPLY, 1, motion_model=0)),
        (folded(CHECKPOINT), folded(APPLY, model=2, motion_model=0), shown(3)),
    ),
    LORA: Picture(
        (
            folded(LOAD, 0, {"model_name": V2}),
            Node(LORA, 1, {"lora_name": ZOOM, "strength": 0.8}, {"motion_model": 0}),
            Node(LORA, 2, {"lora_name": PAN, "strength": 0.5}, {"motion_model": 1}),
            folded(APPLY, 3, motion_model=2),
        ),
        (folded(CHECKPOINT), folded(APPLY, model=4, motion_model=2), shown(5)),
    ),
    ADJUST: Picture(
        (
            folded(LOAD, 0, {"model_name": V3}),
            Node(ADJUST, 1, {"use_frames": 16, "stretch_to": 24}, {"motion_model": 0}),
            folded(APPLY, 2, motion_model=1),
        ),
        (folded(CHECKPOINT), folded(APPLY, model=3, motion_model=1), shown(4)),
    ),
    APPLY: Picture(
        (
            folded(CHECKPOINT),
            folded(LOAD, 0, {"model_name": V3}),
            Node(APPLY, 1, {}, {"model": 0, "motion_model": 1}),
            folded(SAMPLER, 2, model=2),
        ),
        (shown(2),),
    ),
    START: Picture(
        (
            folded(CHECKPOINT),
            folded("LoadImage", 0, {"image": seeded.PICTURE}),
            folded("EmptyLatentImage", 0, {"batch_size": 16}),
            folded(LOAD, 0, {"model_name": I2V}),
            Node(START, 1, {}, {"motion_model": 3, "image": 1, "latent_image": 2, "vae": 0}),
            folded(APPLY, 2, model=0, motion_model=4),
        ),
        (shown(5),),
    ),
    SPARSE: Picture(
        (
            folded(CHECKPOINT),
            folded("LoadImage", 0, {"image": seeded.PICTURE}),
            Node(SPARSE, 0, {"control_net_name": SPARSE_RGB, "frames": "0, -1"}),
            Node("ControlNetApplyAdvanced", 1, {}, {"control_net": 2, "image": 1, "vae": 0}),
            folded(SAMPLER, 2, positive=3, negative=3),
        ),
        (folded("PreviewAny", 0, source=2),),
    ),
    CAMERA: Picture(
        (
            folded(LOAD, 0, {"model_name": V3}),
            Node(
                CAMERA,
                1,
                {"camera_file": CAMERA_CTRL, "path": "0: static, 4: pan left 1.0\n12: zoom in 0.6 + tilt up 0.3 ease"},
                {"motion_model": 0},
            ),
            folded(APPLY, 2, motion_model=1),
        ),
        (folded(CHECKPOINT), folded(APPLY, model=3, motion_model=1), shown(4)),
    ),
    WINDOWS: behind_apply(WINDOWS),
    PIECES: Picture(
        (
            folded(PIECES),
            Node(PIECES, 1, SETTINGS_OF_AUTHORS, {"continue_from": 0}),
            folded("VAEDecode", 2, samples=1),
        )
    ),
    PREVIEW: Picture(
        (Node(WINDOWS, 0, {}, {"model": 4}), Node(PREVIEW, 1, {"frames": 48}, {"model": 0})),
        (folded(CHECKPOINT), folded(LOAD, 0, {"model_name": V3}), folded(APPLY, model=2, motion_model=3)),
    ),
    "ADN_NoiseOptions": behind_apply("ADN_NoiseOptions", noise_type="FreeNoise"),
    "ADN_FreeInit": behind_apply("ADN_FreeInit"),
    FRAMES: Picture(
        (
            Node(FRAMES, 0, {"text": "0: 0.8\n16: 1.2 ease"}),
            Node(APPLY, 1, {}, {"motion_scale_schedule": 0}),
        )
    ),
    STEPS: Picture(
        (
            Node(STEPS, 0, {"text": "0%: 1.2\n50%: 1.0 jump"}),
            Node(FRAMES, 1, {"text": "0: 0.8\n16: 1.2 ease"}, {"times": 0}),
            folded(APPLY, 2, motion_scale_schedule=1),
        )
    ),
    "ADN_PromptTravel": Picture(
        (
            folded(CHECKPOINT),
            Node("ADN_PromptTravel", 1, {"prompts": "0: a river in summer\n48: the river in snow"}, {"clip": 0}),
            folded(SAMPLER, 2, positive=1),
        )
    ),
    "ADN_GuidanceSchedule": Picture(
        (
            folded(APPLY),
            Node(STEPS, 0, {"text": "0%: 1.0\n100%: 0.5"}),
            Node("ADN_GuidanceSchedule", 1, {}, {"model": 0, "schedule": 1}),
            folded(SAMPLER, 2, model=2),
        )
    ),
    "ADN_PromptList": Picture(
        (
            Node("ADN_PromptList", 0, {"prompts": "a fox in the snow\na fox in the rain\na fox in the fog"}),
            folded("CLIPTextEncode", 1, text=0),
            folded(SAMPLER, 2, positive=1),
            Node("ADN_ClipGrid", 3, {}, {"samples": 2, "captions": 0}),
        )
    ),
    "ADN_CompareSettings": Picture(
        (
            Node("ADN_CompareSettings", 0, {"across_name": "motion scale", "down_name": "seed"}),
            folded(APPLY, 1, motion_scale=0),
            folded(SAMPLER, 2, model=1),
        )
    ),
    "ADN_ClipGrid": Picture(
        (
            folded("ADN_PromptList"),
            folded(SAMPLER, 0),
            Node("ADN_ClipGrid", 1, {}, {"samples": 1, "captions": 0}),
            folded("SaveAnimatedWEBP", 2, images=2),
        )
    ),
    "ADN_MeasureMotion": Picture(
        (folded("VAEDecode"), Node("ADN_MeasureMotion", 1, {}, {"images": 0})),
    ),
    "ADN_SoundSchedule": Picture(
        (
            folded("LoadAudio"),
            Node("ADN_SoundSchedule", 1, {"source": "bass"}, {"audio": 0}),
            folded(APPLY, 2, motion_scale_schedule=1),
        )
    ),
    "ADN_SpreadWindows": behind_apply("ADN_SpreadWindows"),
    BLOCKS: Picture(
        (
            folded(BLOCKS),
            Node(BLOCKS, 1, {"part": "up", "level": 3, "motion_scale": 0.7}, {"block_weights": 0}),
            folded(APPLY, 2, block_weights=1),
        )
    ),
    TRAIN: Picture(
        (
            folded(CHECKPOINT),
            folded(LOAD, 0, {"model_name": V2}),
            Node(OPTIONS, 0, {}),
            Node(TRAIN, 1, {}, {"model": 0, "motion_model": 1, "options": 2}),
            folded(APPLY, 2, motion_model=3),
        )
    ),
    "ADN_TrainMotionModel": Picture(
        (
            folded(CHECKPOINT),
            Node("ADN_TrainMotionModel", 1, {}, {"model": 0}),
            folded(APPLY, 2, model=0, motion_model=1),
        )
    ),
    "ADN_TrainDomainAdapter": Picture(
        (folded(CHECKPOINT), Node("ADN_TrainDomainAdapter", 1, {}, {"model": 0}), folded(SAMPLER, 2, model=1))
    ),
    OPTIONS: Picture((Node(OPTIONS, 0, {"noise_offset": 0.05}), folded(TRAIN, 1, options=0))),
    "ADN_SaveMotionModel": Picture(
        (
            folded(LOAD, 0, {"model_name": V2}),
            folded(LORA, 1, {"lora_name": ZOOM}, motion_model=0),
            Node("ADN_SaveMotionModel", 2, {"name": "v2_zooming"}, {"motion_model": 1}),
        )
    ),
    "ADN_SaveMotionLoRA": Picture(
        (
            folded(LOAD, 0, {"model_name": V2}),
            folded(LORA, 1, {"lora_name": ZOOM}, motion_model=0),
            folded(LORA, 2, {"lora_name": PAN}, motion_model=1),
            Node("ADN_SaveMotionLoRA", 3, {"name": "zoom_and_pan"}, {"motion_model": 2}),
        )
    ),
    CLIPS: Picture((Node(CLIPS, 0, {"folder": VIDEOS_OF}), folded(ENCODE, 1, clips=0)), (folded(CHECKPOINT),)),
    STILLS: Picture((Node(STILLS, 0, {"folder": PHOTOS}), folded(MOVE, 1, clips=0)), (folded(CHECKPOINT),)),
    FROM_IMAGES: Picture(
        (
            folded("LoadVideo", 0, {"file": seeded.VIDEO}),
            folded("GetVideoComponents", 0, video=0),
            Node(FROM_IMAGES, 1, {"caption": "a square that wanders"}, {"images": 1}),
            folded(ENCODE, 2, clips=2),
        ),
        (folded(CHECKPOINT),),
    ),
    FROM_LATENTS: Picture(
        (
            folded("VAEEncode"),
            folded("CLIPTextEncode", 0, {"text": "a river in summer"}),
            folded("CLIPTextEncode"),
            Node(FROM_LATENTS, 1, {}, {"latents": 0, "conditioning": 1, "empty": 2}),
        )
    ),
    MOVE: Picture(
        (
            folded(STILLS, 0, {"folder": PHOTOS}),
            Node(MOVE, 1, {"move": "pan left"}, {"clips": 0}),
            folded(ENCODE, 2, clips=1),
        ),
        (folded(CHECKPOINT),),
    ),
    ENCODE: Picture(
        (folded(CHECKPOINT), folded(CLIPS), Node(ENCODE, 1, {"variants": 4}, {"clips": 1, "vae": 0, "clip": 0}))
    ),
}

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
    loras = models / "animatediff_motion_lora"
    loras.mkdir()
    for name in (ZOOM, PAN):
        torch.save(seeded.halved(motion_lora_state(seeded.CHANNELS, family="v2")), loras / name)


def draw(page, picture: Picture) -> bytes:
    """A PNG of the page where the nodes are."""
    nodes = [node.for_page() for node in (*picture.nodes, *picture.unseen)]
    page.evaluate(BUILD, nodes)
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
