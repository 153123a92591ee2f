"""ComfyUI's real web page in headless Chromium: the examples open with every node and every value of the file."""

import json
import os
import shutil

import pytest
from comfy_server import ComfyServer
from workflows import EXAMPLES

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)")

OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def page(comfyui, tmp_path_factory):
    from playwright.sync_api import sync_playwright

    with ComfyServer(comfyui, tmp_path_factory.mktemp("page")) as server, sync_playwright() as playwright:
        server.post("/settings", {"Comfy.TutorialCompleted": True})
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.goto(server.url)
        page.wait_for_function("window.app && window.app.graph && window.LiteGraph", timeout=120_000)
        yield page
        browser.close()


def test_our_nodes_are_in_the_page(page):
    page.wait_for_function("'ADN_ApplyMotionModel' in LiteGraph.registered_node_types", timeout=60_000)
    assert page.evaluate("LiteGraph.registered_node_types['ADN_LoadMotionModel'].title") == "Load Motion Model"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_examples_open_with_every_node_and_value(page, path):
    graph = json.loads(path.read_text(encoding="utf-8"))
    page.wait_for_function("'ADN_ApplyMotionModel' in LiteGraph.registered_node_types", timeout=60_000)
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
