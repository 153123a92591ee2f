"""ComfyUI's real web page in headless Chromium: examples and shared workflows open with every node, value and link."""

import json

import pytest
from browser import SCREENSHOTS, needs_chromium, opened, ready
from comfy_server import ROOT, ComfyServer
from saved_graphs import GRAPHS, SHOWN, assert_as_in_the_file, exactly
from workflows import TEMPLATES

pytestmark = needs_chromium

TAKEN = "ADE_NoiseLayerReplace"
OTHER_PACK = f"""
class Other:
    CATEGORY, FUNCTION, RETURN_TYPES = "other", "run", ()

    @classmethod
    def INPUT_TYPES(cls):
        number = ("INT", {{}})
        return {{"required": {{"seed_override": ("INT", {{"forceInput": True}}), "first": number, "second": number}}}}

NODE_CLASS_MAPPINGS = {{"{TAKEN}": Other}}
"""
"""A pack that serves one of our ids."""


@pytest.fixture(scope="module")
def server(comfyui, tmp_path_factory):
    other = tmp_path_factory.mktemp("packs") / "other"
    other.mkdir()
    (other / "__init__.py").write_text(OTHER_PACK, encoding="utf-8")
    with ComfyServer(comfyui, tmp_path_factory.mktemp("page"), packs=(other,)) as running:
        yield running


@pytest.fixture(scope="module")
def definitions(server):
    return server.get("/object_info")


@pytest.fixture(scope="module")
def page(server):
    with opened(server) as page:
        yield page


def test_our_nodes_are_in_the_page(page):
    assert (
        page.evaluate("LiteGraph.registered_node_types['ADN_LoadMotionModel'].title")
        == "AnimateDiff: Load Motion Model"
    )


@pytest.mark.parametrize("path", TEMPLATES.values(), ids=lambda path: path.stem)
def test_examples_open_with_every_node_and_value(page, path):
    graph = json.loads(path.read_text(encoding="utf-8"))
    page.evaluate("graph => window.app.loadGraphData(graph)", graph)
    page.wait_for_function(f"window.app.graph._nodes.length == {len(graph['nodes'])}", timeout=30_000)
    shown = page.evaluate(
        """() => window.app.graph._nodes.map(node => ({
            id: node.id,
            known: node.type in LiteGraph.registered_node_types,
            values: (node.widgets || []).map(widget => widget.value),
            links: (node.inputs || []).filter(input => input.link != null).length,
        }))"""
    )
    saved = {str(node["id"]): node for node in graph["nodes"]}
    for node in shown:
        file = saved[str(node["id"])]
        assert node["known"], file["type"]
        values = file["widgets_values"]
        assert node["values"][: len(values)] == values, file["type"]
        assert node["links"] == sum(entry["link"] is not None for entry in file["inputs"]), file["type"]


@pytest.mark.parametrize("name", GRAPHS)
def test_shared_workflows_open_as_they_were_saved(page, errors, definitions, name):
    page.evaluate("graph => app.loadGraphData(graph)", GRAPHS[name])
    assert_as_in_the_file(page.evaluate(SHOWN), GRAPHS[name], definitions)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
    assert not errors


def test_a_shared_workflow_that_is_dropped_on_the_canvas(page, errors, definitions):
    """As a user does it. This one turns on a switch whose place in the file differs from its place in the form."""
    name = "308_eden-TextureFlow-workflow-hist"
    page.evaluate("app.loadGraphData({nodes: [], links: [], version: 0.4})")
    dropped = page.evaluate_handle(
        """([name, text]) => {
            const data = new DataTransfer()
            data.items.add(new File([text], name, { type: 'application/json' }))
            return data
        }""",
        [f"{name}.json", json.dumps(GRAPHS[name])],
    )
    for event in ("dragover", "drop"):
        page.dispatch_event("#graph-canvas", event, {"dataTransfer": dropped, "clientX": 800, "clientY": 450})
    page.wait_for_function(f"app.rootGraph._nodes.length == {len(GRAPHS[name]['nodes'])}", timeout=30_000)
    shown = page.evaluate(SHOWN)
    assert_as_in_the_file(shown, GRAPHS[name], definitions)
    settings = next(node for node in shown["nodes"] if node["type"] == "ADE_AnimateDiffSamplingSettings")
    assert settings["values"]["adapt_denoise_steps"] is True
    page.screenshot(path=SCREENSHOTS / "dropped.png")
    assert not errors


def test_a_shared_workflow_that_is_saved_again_stays_as_it_is(page, definitions):
    """The page keeps the mark of an old file that a socket has a value, and stores none."""
    graph = GRAPHS["308_eden-TextureFlow-workflow-hist"]
    page.evaluate("graph => app.loadGraphData(graph)", graph)
    page.evaluate("app.loadGraphData(app.rootGraph.serialize())")
    assert_as_in_the_file(page.evaluate(SHOWN), graph, definitions)


FRAME = {
    "id": 1,
    "pos": [0, 0],
    "size": [300, 200],
    "mode": 0,
    "flags": {},
    "order": 0,
    "properties": {},
    "outputs": [],
}
SAVED = {
    "an old page": [3, "FreeNoise", "comfy", 7, 5, True],
    "an old page with the pack's empty text": [3, "FreeNoise", "comfy", 7, 5, True, ""],
    "a version without the last switch": [3, "FreeNoise", "comfy", 7, 5],
    "that, with the empty text": [3, "FreeNoise", "comfy", 7, 5, ""],
    "a new page": [3, "FreeNoise", "comfy", 7, True],
    "a new page with the empty text": [3, "FreeNoise", "comfy", 7, True, ""],
}


@pytest.mark.parametrize("how", SAVED)
@pytest.mark.parametrize("place", ["graph", "subgraph"])
def test_values_of_sample_settings_saved_by(page, how, place):
    """Six ways in which batch_offset 3, noise_type, seed_gen, seed_offset 7 and a socket's 5 are found in files."""
    socket = {"name": "seed_override", "type": "INT", "link": None, "widget": {"name": "seed_override"}}
    node = FRAME | {"type": "ADE_AnimateDiffSamplingSettings", "inputs": [socket], "widgets_values": SAVED[how]}
    graph = {"nodes": [node], "links": [], "version": 0.4}
    if place == "subgraph":
        graph = within_a_subgraph(node)
    page.evaluate("graph => app.loadGraphData(graph)", graph)
    shown = next(node for node in page.evaluate(SHOWN)["nodes"] if node["type"].startswith("ADE_"))
    switch = "without" not in how and "that" not in how
    values = {"batch_offset": 3, "noise_type": "FreeNoise", "seed_gen": "comfy", "seed_offset": 7}
    assert exactly(shown["values"], values | {"adapt_denoise_steps": switch})


def within_a_subgraph(node: dict) -> dict:
    identity = "6f1ed2a4-8a0c-4b86-9d6c-0f2f5f0f6b11"
    ends = {"inputNode": {"id": -10, "bounding": [-200, 0, 100, 60]}}
    ends["outputNode"] = {"id": -20, "bounding": [500, 0, 100, 60]}
    counts = {"lastNodeId": 1, "lastLinkId": 0, "lastGroupId": 0, "lastRerouteId": 0}
    inner = {"id": identity, "version": 1, "revision": 0, "state": counts, "config": {}, "name": "inside", **ends}
    inner |= {"inputs": [], "outputs": [], "widgets": [], "nodes": [node], "groups": [], "links": [], "extra": {}}
    outer = {**node, "type": identity, "inputs": [], "widgets_values": []}
    return {"nodes": [outer], "links": [], "version": 0.4, "definitions": {"subgraphs": [inner]}}


def test_forms_of_another_pack_are_left_alone(page):
    """Its form has one more socket than its file has values: what our own forms would be helped with."""
    socket = {"name": "seed_override", "type": "INT", "link": None, "widget": {"name": "seed_override"}}
    node = FRAME | {"type": TAKEN, "inputs": [socket], "widgets_values": [5, 7]}
    page.evaluate("graph => app.loadGraphData(graph)", {"nodes": [node], "links": [], "version": 0.4})
    (shown,) = page.evaluate(SHOWN)["nodes"]
    assert shown["values"] == {"first": 5, "second": 7}


OWN = sorted(path.stem for path in (ROOT / "web" / "docs").glob("ADN_*.md"))
ALONE = """id => {
    const [node, ...others] = app.rootGraph._nodes
    const selected = node?.type === id && !others.length && app.canvas.selectedItems.has(node)
    if (selected && document.querySelector('[data-testid="info-button"]')) return true
    app.rootGraph.clear()
    app.rootGraph.add(LiteGraph.createNode(id))
    app.canvas.selectNode(app.rootGraph._nodes[0])
}"""
"""Until it is so: a node alone and selected. A page that has just opened still changes its workflow."""


@pytest.fixture(scope="module", params=["en", "zh"])
def help_in(request, server, page):
    """(language, the page in it)."""
    server.post("/settings", {"Comfy.Locale": request.param})
    other = page.context.browser.new_page(viewport={"width": 1600, "height": 900})
    ready(other, server)
    yield request.param, other
    other.close()
    server.post("/settings", {"Comfy.Locale": "en"})


@pytest.mark.parametrize("node_id", OWN)
def test_the_help_page_of_a_node(help_in, node_id):
    language, page = help_in
    page.wait_for_function(ALONE, arg=node_id, polling=200, timeout=30_000)
    page.get_by_test_id("info-button").click()
    folder = ROOT / "web" / "docs"
    file = folder / f"{node_id}.md" if language == "en" else folder / node_id / f"{language}.md"
    heading = file.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
    shown = page.locator(".node-help-content")
    shown.get_by_text(heading, exact=True).first.wait_for(timeout=10_000)
    assert heading in shown.inner_text()
    picture = f"{node_id}.png" if language == "en" else f"{node_id}.{language}.png"
    image = page.wait_for_selector(f".node-help-content img[src$='/docs/pictures/{picture}']", timeout=10_000)
    page.wait_for_function("image => image.complete", arg=image)
    assert image.evaluate("image => image.naturalWidth") > 200
    page.screenshot(path=SCREENSHOTS / f"help {language} {node_id}.png")
