"""Errors and lines on nodes, as a Chinese reader meets them."""

import pytest
from browser import SCREENSHOTS, finished, needs_chromium, opened, ready, run
from comfy_server import ComfyServer
from template_files import make_template_files
from workflows import example

pytestmark = needs_chromium

SET = """([type, values]) => {
    for (const node of app.rootGraph._nodes.filter(node => node.type === type))
        for (const widget of node.widgets)
            if (widget.name in values) widget.value = values[widget.name]
}"""
LINES = """type => app.rootGraph._nodes.find(node => node.type === type).widgets
    .filter(widget => widget.name === 'animatediff_text').map(widget => widget.element.textContent)"""
WRONG = ("ADN_ApplyMotionModel", {"start_percent": 0.9, "end_percent": 0.1})


@pytest.fixture(scope="module")
def server(comfyui, tmp_path_factory):
    base = tmp_path_factory.mktemp("messages")
    make_template_files(comfyui, base, [example("Text to Animation")])
    with ComfyServer(comfyui, base, "--cpu") as running:
        yield running


@pytest.fixture(scope="module")
def english(server):
    with opened(server) as page:
        yield page


@pytest.fixture
def page(server, english, request):
    """In the language that the test is for."""
    server.post("/settings", {"Comfy.Locale": request.param})
    yield ready(english.context.browser.new_page(viewport={"width": 1600, "height": 900}), server)
    server.post("/settings", {"Comfy.Locale": "en"})


@pytest.mark.parametrize(
    ("page", "line", "error"),
    [
        ("en", "for SD1.5, up to", "start_percent is 0.9 and end_percent 0.1: the motion would never run."),
        ("zh", "用于 SD1.5，最多", "开始百分比是 0.9，结束百分比是 0.1：运动永远不会起作用。"),
    ],
    indirect=["page"],
)
def test_an_error_is_told_at_once_in_the_language_of_the_page(server, page, line, error):
    page.evaluate("graph => app.loadGraphData(graph)", example("Text to Animation"))
    page.evaluate(SET, ["EmptyLatentImage", {"width": 64, "height": 64, "batch_size": 8}])
    page.evaluate(SET, list(WRONG))
    status = finished(server, run(page), "error")
    assert status["messages"][-1][1]["node_type"] == WRONG[0]
    page.get_by_text(error).first.wait_for()
    page.wait_for_timeout(1000)  # until both cards are in their places
    ours, pages = page.get_by_text(error).first.bounding_box(), page.get_by_test_id("error-overlay").bounding_box()
    assert ours["y"] > pages["y"] + pages["height"]
    page.wait_for_function(f"line => ({LINES})('ADN_LoadMotionModel')[0]?.includes(line)", arg=line)
    page.screenshot(path=SCREENSHOTS / f"error {line.split()[0]}.png")
