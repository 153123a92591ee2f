"""A beginner's one node: from the search, through one press of Run, to an animation."""

import pytest
from blueprints import BLUEPRINTS
from browser import SCREENSHOTS, finished, needs_chromium, open_search, opened, run
from comfy_server import ComfyServer
from template_files import make_template_files
from workflows import example

pytestmark = needs_chromium

SMALL = {"width": 64, "height": 64, "batch_size": 8, "steps": 1, "duration": 1, "megapixels": 0.01}
SURROUND = """([values, loader]) => {
    const [node] = app.rootGraph._nodes
    for (const inside of node.subgraph._nodes)
        for (const widget of inside.widgets || [])
            if (widget.name in values) widget.value = values[widget.name]
    const add = (type, x) => {
        const made = LiteGraph.createNode(type)
        app.rootGraph.add(made)
        made.pos = [node.pos[0] + x, node.pos[1]]
        return made
    }
    if (loader) add(loader, -400).connect(0, node, 0)
    node.connect(node.outputs.findIndex(output => output.name === 'video'), add('SaveVideo', 500), 0)
    return node.widgets.map(widget => widget.label || widget.name)
}"""
"""Makes what is inside small, and gives the node its loader and its saver; the names of what it asks for."""
LOADERS = {"Animate a Picture": "LoadImage", "Restyle a Video": "LoadVideo"}


@pytest.fixture(scope="module")
def server(comfyui, tmp_path_factory):
    base = tmp_path_factory.mktemp("blueprints")
    make_template_files(comfyui, base, [example(made.template) for made in BLUEPRINTS.values()])
    with ComfyServer(comfyui, base, "--cpu") as running:
        yield running


@pytest.fixture(scope="module")
def page(server):
    with opened(server) as page:
        yield page


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_a_blueprint_from_the_search_to_the_result(server, page, errors, name):
    page.evaluate("app.rootGraph.clear()")
    open_search(page)
    page.keyboard.type(name.lower())
    page.get_by_test_id("result-item").filter(has_text=name).first.click()
    page.wait_for_function("app.rootGraph._nodes[0]?.subgraph?._nodes.length > 5")
    page.mouse.move(620, 280, steps=5)  # a new node follows the mouse, until it is put down
    page.mouse.click(620, 280)
    asked = page.evaluate(SURROUND, [SMALL, LOADERS.get(name)])
    assert len([one for one in asked if one != "control_after_generate"]) == 5 - (name in LOADERS)
    page.wait_for_timeout(500)
    page.screenshot(path=SCREENSHOTS / f"blueprint {name}.png")
    finished(server, run(page))
    page.wait_for_function("""() => document.querySelector('video[src*="type=output"]')""")
    page.screenshot(path=SCREENSHOTS / f"blueprint {name}, run.png")
    assert not errors
