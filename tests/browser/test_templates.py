"""Templates as a newcomer meets them: from the card in the page's template browser to the animation in the page."""

import re
import time
from contextlib import contextmanager

import pytest
from browser import SCREENSHOTS, SET, finished, needs_chromium, opened, run
from comfy_server import FOLDER, ComfyServer
from template_files import make_template_files
from workflows import TEMPLATES, example

pytestmark = needs_chromium

SMALL = {"width": 64, "height": 64, "batch_size": 8, "steps": 1, "duration": 1, "amount": 8, "megapixels": 0.01}
SMALL |= {"clip_frames": 4, "rank": 4, "sample_every": 0}
"""Widgets, by name, that are set in the page so that a run takes seconds; with fewer frames the sampler says that they
are few, and grows."""
NODES = """() => app.rootGraph._nodes.map(node => ({
    type: node.type,
    known: node.type in LiteGraph.registered_node_types,
    red: Boolean(node.has_errors),
    left: node.pos[0], right: node.pos[0] + node.size[0],
    top: node.pos[1] - LiteGraph.NODE_TITLE_HEIGHT, bottom: node.pos[1] + node.size[1],
}))"""
UNDER = """() => {
    const pen = document.createElement('canvas').getContext('2d'), title = LiteGraph.NODE_TITLE_HEIGHT, socket = 14
    pen.lineWidth = 2
    const under = (path, [x, y], [width, height]) => {  // a link that goes under a node crosses its edge
        const left = x + socket, right = x + width - socket, top = y - title + 5, bottom = y + height - 5
        const on = (across, down) => pen.isPointInStroke(path, across, down)
        for (let across = left; across <= right; across++)
            if (on(across, top) || on(across, bottom)) return true
        for (let down = top; down <= bottom; down++)
            if (on(left, down) || on(right, down)) return true
    }
    const links = [...app.canvas.renderedPaths].filter(link => link.path)
    const found = links.flatMap(link => app.rootGraph._nodes
        .filter(node => under(link.path, node.pos, node.size)).map(node => [link.id, node.type]))
    return links.length ? found : ['no link is drawn']
}"""
"""[link, type of a node] wherever the page has drawn a link under a node; a socket is inside its node."""
OVERLAPPING = """() => {
    const shown = [...document.querySelectorAll('[data-node-id]')].map(element => element.getBoundingClientRect())
    return shown.length < app.rootGraph._nodes.length ? ['nodes are not drawn'] : shown.flatMap((one, number) =>
        shown.slice(0, number).filter(other => one.left < other.right - 1 && other.left < one.right - 1
            && one.top < other.bottom - 1 && other.top < one.bottom - 1).map(other => [one, other]))
}"""
RESULTS = """() => {
    const saver = app.rootGraph._nodes.find(node => node.type === 'SaveAnimatedWEBP')
    const video = document.querySelector('video[src*="type=output"]')
    return Boolean(video) && (saver.imgs || []).some(picture => picture.naturalWidth > 0)
}"""
PREVIEW = """() => {
    const node = app.rootGraph._nodes.find(node => node.type === 'KSampler')
    return node.imgs?.[0]?.naturalWidth === 256 ? node.preview?.[0] : null
}"""
"""The address of the clip in motion on the sampler, once it is shown; the host's own still is 512 pixels wide."""


@pytest.fixture(scope="module")
def server(comfyui, tmp_path_factory):
    base = tmp_path_factory.mktemp("templates")
    make_template_files(comfyui, base, [example(name) for name in TEMPLATES])
    with ComfyServer(comfyui, base, "--cpu") as running:  # where a step takes long enough to look at
        running.post("/settings", {"Comfy.Execution.PreviewMethod": "latent2rgb", "Comfy.Minimap.Visible": False})
        yield running


@pytest.fixture(scope="module")
def page(server):
    with opened(server) as page:
        yield page


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_runs_from_its_card(server, page, errors, name):
    open_card(page, name)
    check_layout(page)
    page.evaluate(SET, SMALL)
    finished(server, run(page))
    page.wait_for_function(RESULTS, timeout=30_000)
    check_layout(page)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
    assert not errors


def test_the_preview_moves_on_the_canvas(server, page):
    with long_run(server, page):
        shots = shots_within_a_step(
            page, lambda: page.evaluate(PREVIEW), lambda: page.screenshot(clip=preview_area(page))
        )
    assert len(set(shots)) > 1


@pytest.fixture
def nodes_2(page):
    """The page's other way of drawing nodes, as elements."""
    setting = "on => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on)"
    page.evaluate(setting, True)
    yield
    page.evaluate(setting, False)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_without_its_files_where_nodes_are_elements(page, nodes_2, name):
    """As a newcomer sees it first: error footers make the loaders higher."""
    graph = example(name)
    for node in graph["nodes"]:
        if node["properties"].get("models"):
            node["widgets_values"][0] = "missing.safetensors"
    page.evaluate("graph => app.loadGraphData(graph)", graph)
    page.wait_for_timeout(1000)  # until sizes are final
    page.screenshot(path=SCREENSHOTS / f"{name}, nodes 2.png")
    assert not page.evaluate(OVERLAPPING) and not page.evaluate(UNDER)


def test_the_preview_moves_on_nodes_that_are_elements(server, page, nodes_2):
    with long_run(server, page):
        preview = page.get_by_alt_text("Live sampling preview")
        preview.wait_for(timeout=60_000)
        shots = shots_within_a_step(page, lambda: preview.get_attribute("src"), preview.screenshot)
    assert len(set(shots)) > 1


def shots_within_a_step(page, source, take) -> list[bytes]:
    """Three pictures of a preview, some 0.3 s apart, while `source` says that the page got no new one."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        before = source()
        page.wait_for_timeout(500)  # until the page shows it
        shots = []
        for pause in (300, 370, 0):  # of no common beat with a clip of 2 s
            shots.append(take())
            page.wait_for_timeout(pause)
        if before and source() == before:
            (SCREENSHOTS / "preview.png").write_bytes(shots[-1])
            return shots
    raise AssertionError("no preview stayed for two seconds")


@contextmanager
def long_run(server, page):
    """Text to Animation with more steps than anybody waits for, stopped at the end of the block."""
    open_card(page, "Text to Animation")
    page.evaluate(SET, SMALL | {"width": 128, "height": 128, "batch_size": 16, "steps": 1000, "scheduler": "normal"})
    identity = run(page)
    try:
        yield
    finally:
        server.post("/interrupt")
        assert finished(server, identity, "error")["messages"][-1][0] == "execution_interrupted"


def open_card(page, name: str) -> None:
    """As a user does, who tries again where nothing came: on a busy machine cards move while their pictures load."""
    from playwright.sync_api import TimeoutError as NotThere

    types = sorted(node["type"] for node in example(name)["nodes"])
    for _ in range(3):
        try:
            press_card(page, name)
        except NotThere:
            continue
        if shows(page, types, seconds=30):
            page.wait_for_timeout(300)  # until its size is final
            return
    raise AssertionError(f"the card of {name} opened nothing")


def press_card(page, name: str) -> None:
    """Templates, this pack's section, the card."""
    page.keyboard.press("Escape")
    page.get_by_text("Templates", exact=True).first.click()
    page.get_by_role("dialog").get_by_text(FOLDER, exact=True).first.click()
    card = page.get_by_test_id(f"template-workflow-{TEMPLATES[name].stem}")
    for _ in range(5):  # the page makes the last cards when one scrolls to them
        if card.count():
            break
        page.get_by_test_id(re.compile("^template-workflow-")).last.hover()
        page.mouse.wheel(0, 5_000)
        page.wait_for_timeout(500)
    card.click()


def shows(page, types: list[str], seconds: float) -> bool:
    """Whether the graph in the page comes to have just these nodes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if page.evaluate("app.rootGraph._nodes.map(node => node.type).sort()") == types:
            return True
        page.wait_for_timeout(200)
    return False


def check_layout(page) -> None:
    """Every node is known, none is red, none lies on another or on a link."""
    nodes = page.evaluate(NODES)
    assert not [node["type"] for node in nodes if not node["known"]]
    assert not [node["type"] for node in nodes if node["red"]]
    for number, one in enumerate(nodes):
        for other in nodes[:number]:
            beside = one["right"] <= other["left"] or other["right"] <= one["left"]
            assert beside or one["bottom"] <= other["top"] or other["bottom"] <= one["top"], (one, other)
    assert not page.evaluate(UNDER)


def preview_area(page) -> dict:
    """Where in the page the sampler shows its preview: below its widgets."""
    return page.evaluate(
        """() => {
            const node = app.rootGraph._nodes.find(node => node.type === 'KSampler'), { scale, offset } = app.canvas.ds
            const { left, top } = app.canvas.canvas.getBoundingClientRect()
            const below = node.widgets.find(widget => widget.name === 'denoise').y + 24
            return {
                x: left + (node.pos[0] + offset[0]) * scale, y: top + (node.pos[1] + below + offset[1]) * scale,
                width: node.size[0] * scale, height: (node.size[1] - below) * scale,
            }
        }"""
    )
