"""Markup in names of files, in typed texts and in errors is shown as it is written, and is never part of the page."""

import pytest
from browser import SCREENSHOTS, needs_chromium, opened
from comfy_server import ComfyServer
from safetensors.torch import save_file
from weights import motion_lora_state, motion_state

pytestmark = needs_chromium

MARKUP = "<img src=x onerror='window.ran=1'><b>bold<"
"""A name of a file, too: it has no slash in it."""
WIDTHS = (32, 32, 32, 32)
GRAPH = """([kinds, values]) => {
    app.rootGraph.clear()
    let before = null
    for (const [index, kind] of kinds.entries()) {
        const node = LiteGraph.createNode(kind)
        node.pos = [100 + 420 * index, 200]
        app.rootGraph.add(node)
        for (const widget of node.widgets ?? []) if (widget.name in values) widget.value = values[widget.name]
        if (before) before.connect(0, node, 0)
        before = node
    }
}"""
RUN = """new Promise(done => {
    for (const kind of ['execution_error', 'execution_success']) {
        const told = ({detail}) => setTimeout(() => done([kind, detail.exception_message]), 1500)
        app.api.addEventListener(kind, told, {once: true})
    }
    app.queuePrompt(0, 1)
})"""
SENT = """text => {
    const id = String(app.rootGraph._nodes[0].id)
    const told = (kind, detail) => app.api.dispatchCustomEvent(kind, detail)
    told('progress_text', {nodeId: id, text, promptId: 'x'})
    told('executed', {node: id, display_node: id, prompt_id: 'x', output: {animatediff_text: [text], text: [text]}})
}"""
ADDED = """() => window.ran ?? [...document.querySelectorAll('[onerror], .animatediff-text *')]
    .map(each => each.outerHTML).join()"""
"""What became part of the page. ComfyUI's own texts under nodes may be HTML: the page takes out what would run."""
LINES = "() => [...document.querySelectorAll('.animatediff-text')].map(each => each.textContent).join(' ')"


@pytest.fixture(scope="module")
def server(comfyui, tmp_path_factory):
    base = tmp_path_factory.mktemp("html")
    models = {folder: base / "models" / folder for folder in ("animatediff_models", "animatediff_motion_lora")}
    for folder in models.values():
        folder.mkdir(parents=True)
    motion, lora = models.values()
    save_file(motion_state("v3", WIDTHS), motion / f"{MARKUP}.safetensors")
    save_file(motion_lora_state(WIDTHS), lora / f"{MARKUP}.safetensors")
    (motion / f"{MARKUP}broken.safetensors").write_bytes(b"")
    with ComfyServer(comfyui, base, "--cpu") as running:
        yield running


@pytest.fixture(scope="module")
def page(server):
    with opened(server) as page:
        page.keyboard.press("Escape")
        yield page


@pytest.fixture(params=["on the canvas", "as elements"])
def way(request, page):
    page.evaluate("value => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', value)", request.param[0] == "a")
    page.wait_for_timeout(500)
    return request.param


def shown(page, name: str) -> str:
    page.wait_for_timeout(700)
    page.screenshot(path=SCREENSHOTS / f"markup {name}.png")
    assert not page.evaluate(ADDED)
    return page.evaluate(
        "() => [...document.querySelectorAll('.animatediff-text')].map(each => each.textContent).join(' ')"
    )


def test_names_of_files(page, way):
    kinds = ["ADN_LoadMotionModel", "ADN_LoadMotionLoRA", "PreviewAny"]
    page.evaluate(GRAPH, [kinds, {"model_name": f"{MARKUP}.safetensors", "lora_name": f"{MARKUP}.safetensors"}])
    assert page.evaluate(RUN)[0] == "execution_success"
    assert f"{MARKUP}.safetensors: " in shown(page, f"names {way}")


def test_an_error(page, way):
    page.evaluate(GRAPH, [["ADN_LoadMotionModel", "PreviewAny"], {"model_name": f"{MARKUP}broken.safetensors"}])
    kind, message = page.evaluate(RUN)
    assert kind == "execution_error" and MARKUP in message
    shown(page, f"error {way}")
    page.keyboard.press("Escape")


def test_what_the_server_says_of_a_node(page, way):
    page.evaluate(GRAPH, [["ADN_LoadMotionModel", "PreviewAny"], {}])
    page.evaluate(SENT, MARKUP)
    assert MARKUP in shown(page, f"said {way}")


@pytest.mark.parametrize("kind, name", [("ADN_FrameSchedule", "text"), ("ADN_PromptTravel", "prompts")])
def test_what_is_typed(page, way, kind, name):
    page.evaluate(GRAPH, [[kind], {name: f"0: {MARKUP}"}])
    shown(page, f"{kind} {way}")
