"""What our nodes show in the page: plots of schedules, whose points are dragged, and lines of text after a run."""

import pytest
from browser import SCREENSHOTS, needs_chromium, opened, ready
from comfy_server import ComfyServer
from template_files import make_template_files
from workflows import example

pytestmark = needs_chromium

MADE = """([kind, values]) => {
    app.rootGraph.clear()
    app.canvas.ds.scale = 1
    app.canvas.ds.offset = [0, 0]
    const node = LiteGraph.createNode(kind)
    node.pos = [500, 200]
    app.rootGraph.add(node)
    for (const [name, value] of Object.entries(values)) node.widgets.find(widget => widget.name === name).value = value
    node.setSize([420, node.computeSize()[1]])
    app.canvas.setDirty(true, true)
}"""
VALUE = """name => app.rootGraph._nodes.find(node => node.type.startsWith('ADN_')).widgets
    .find(widget => widget.name === name).value"""
SETTING = "([name, value]) => app.extensionManager.setting.set(name, value)"
SETTING_OF = """([kind, name, value]) => {
    app.rootGraph._nodes.find(node => node.type === kind).widgets.find(widget => widget.name === name).value = value
}"""
RUN = """new Promise((done, fail) => {
    app.api.addEventListener('execution_error', ({detail}) => fail(new Error(JSON.stringify(detail))), {once: true})
    app.api.addEventListener('execution_success', () => setTimeout(done, 1000), {once: true})
    app.queuePrompt(0, 1)
})"""
LENGTH_FROM_ELSEWHERE = """isLinked => {
    const windows = app.rootGraph._nodes.find(node => node.type === 'ADN_ContextWindows')
    const slot = windows.inputs.findIndex(input => input.widget?.name === 'context_length')
    if (!isLinked) return windows.disconnectInput(slot)
    const number = LiteGraph.createNode('PrimitiveInt')
    app.rootGraph.add(number)
    number.connect(0, windows, slot)
}"""
FORGET = "app.api.fetchApi('/free', {method: 'POST', body: JSON.stringify({unload_models: true, free_memory: true})})"
CUT = """() => [...document.querySelectorAll('.animatediff-text, canvas.animatediff-plot')]
    .filter(element => element.checkVisibility())
    .filter(element => {
        const bottom = element.closest('.dom-widget')?.getBoundingClientRect().bottom ?? Infinity
        return element.scrollHeight > element.clientHeight + 1 || element.getBoundingClientRect().bottom > bottom + 1
    })
    .map(element => element.textContent || element.className)"""
"""What is not seen whole, or lies beyond its place on the node."""
LEFT, RIGHT, TOP, BOTTOM = 34, 10, 10, 16
"""Pixels of web/js/plot.js around the curve."""


@pytest.fixture(scope="module")
def server(comfyui, tmp_path_factory):
    base = tmp_path_factory.mktemp("plots")
    make_template_files(comfyui, base, [example("Text to Animation")])
    with ComfyServer(comfyui, base, "--cpu") as running:
        running.post("/settings", {"Comfy.Minimap.Visible": False})
        yield running


@pytest.fixture(scope="module")
def page(server):
    with opened(server) as page:
        page.keyboard.press("Escape")
        page.wait_for_timeout(500)
        yield page


@pytest.fixture(params=["on the canvas", "as elements"])
def way(request, page):
    """How the page draws nodes: its classic view, and Nodes 2.0."""
    page.evaluate(SETTING, ["Comfy.VueNodes.Enabled", request.param == "as elements"])
    page.wait_for_timeout(500)
    yield request.param
    page.evaluate(SETTING, ["Comfy.VueNodes.Enabled", False])


class Plot:
    """The plot of the only node in the graph. last: its last frame, or 1 for the sampling; high: its highest value."""

    def __init__(self, page, kind: str, last: float, high: float, **values):
        self.page, self.last, self.high = page, last, high
        page.evaluate(MADE, [kind, values])
        self.canvas = page.locator("canvas.animatediff-plot")
        self.canvas.wait_for(state="visible")
        page.wait_for_timeout(800)

    def at(self, place: float, value: float) -> tuple[float, float]:
        box = self.canvas.bounding_box()
        width, height = self.canvas.evaluate("canvas => [canvas.clientWidth, canvas.clientHeight]")
        x = LEFT + (width - LEFT - RIGHT) * place / self.last
        y = TOP + (height - TOP - BOTTOM) * (1 - value / self.high)
        return box["x"] + x * box["width"] / width, box["y"] + y * box["height"] / height

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.page.mouse.move(*self.at(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self.at(*end), steps=8)
        self.page.mouse.up()
        self.page.wait_for_timeout(200)

    def text(self, name: str = "text") -> str:
        return self.page.evaluate(VALUE, name)

    def picture(self) -> str:
        self.page.wait_for_timeout(400)
        return self.canvas.evaluate("canvas => canvas.toDataURL()")


def numbers(text: str) -> list[tuple[float, float, str]]:
    """`0: 1.0, 8: 0.5 ease` -> (0, 1.0, ""), (8, 0.5, "ease")."""
    entries = [entry.partition(":") for entry in text.split(",")]
    return [(float(at.strip(" %")), float(rest.split()[0]), " ".join(rest.split()[1:])) for at, _, rest in entries]


def test_a_point_is_dragged_and_the_text_follows(page, errors, way):
    plot = Plot(page, "ADN_FrameSchedule", 15, 1.15, text="0: 1.0, 8: 0.5 ease")
    plot.drag((8, 0.5), (11, 0.8))
    page.screenshot(path=SCREENSHOTS / f"plot {way}.png")
    first, second = numbers(plot.text())
    assert first == (0, 1, "") and second == (11, pytest.approx(0.8, abs=0.03), "ease")
    plot.drag(second[:2], (-3, 0.8))  # beyond its neighbour
    assert numbers(plot.text())[1][0] == 1
    assert not errors


def test_undo_takes_a_drag_back(page):
    plot = Plot(page, "ADN_FrameSchedule", 15, 1.15, text="0: 1.0, 8: 0.5 ease")
    page.evaluate("app.extensionManager.workflow.activeWorkflow.changeTracker.checkState?.()")
    page.evaluate("app.extensionManager.workflow.activeWorkflow.changeTracker.captureCanvasState?.()")
    plot.drag((8, 0.5), (11, 0.8))
    assert plot.text() != "0: 1.0, 8: 0.5 ease"
    page.keyboard.press("Control+z")
    page.wait_for_function(f"({VALUE})('text') === '0: 1.0, 8: 0.5 ease'", timeout=5_000)


def test_points_come_and_go_by_a_double_click(page, way):
    plot = Plot(page, "ADN_StepSchedule", 1, 1.15, text="0%: 1.0, 100%: 1.0 jump")
    page.mouse.dblclick(*plot.at(0.5, 0.4))
    page.wait_for_timeout(300)
    assert numbers(plot.text())[1] == (pytest.approx(50, abs=1), pytest.approx(0.4, abs=0.03), "")
    page.mouse.dblclick(*plot.at(*[numbers(plot.text())[1][0] / 100, numbers(plot.text())[1][1]]))
    page.wait_for_timeout(300)
    assert plot.text() == "0%: 1.0, 100%: 1.0 jump"


def test_prompts_are_dragged_over_the_frames(page, way):
    plot = Plot(page, "ADN_PromptTravel", 63, 1, prompts="0: a river in summer\n-16: the same river in snow")
    page.screenshot(path=SCREENSHOTS / f"plot prompts {way}.png")
    assert page.evaluate(CUT) == []
    plot.drag((48, 0.5), (32, 0.5))
    assert plot.text("prompts") == "0: a river in summer\n-32: the same river in snow"


def test_it_is_drawn_while_it_is_typed(page, way):
    plot = Plot(page, "ADN_FrameSchedule", 15, 1.15, text="0: 1.0")
    seen = {plot.picture()}
    area = page.locator("textarea").first
    for text in ("0: 0.5, 8: 1", "0: 0.5, 8", "0: 0.5, 8: 1 jump"):
        area.fill(text)
        seen.add(plot.picture())
        if text.endswith("8"):
            page.screenshot(path=SCREENSHOTS / f"plot error {way}.png")
    assert len(seen) == 4
    assert plot.text() == "0: 0.5, 8: 1 jump"


def test_a_text_of_another_node_is_not_edited(page):
    plot = Plot(page, "ADN_FrameSchedule", 15, 1.15, text="0: 1.0, 8: 0.5")
    before = plot.picture()
    page.evaluate(
        """() => {
            const node = app.rootGraph._nodes[0], other = LiteGraph.createNode('PrimitiveStringMultiline')
            app.rootGraph.add(other)
            other.connect(0, node, node.inputs.findIndex(input => input.name === 'text'))
        }"""
    )
    assert plot.picture() != before
    plot.drag((8, 0.5), (11, 0.8))
    assert plot.text() == "0: 1.0, 8: 0.5"


def test_lines_of_text_stay_when_a_run_has_ended(page, errors, way):
    page.evaluate(FORGET)
    page.evaluate("graph => app.loadGraphData(graph)", example("Text to Animation"))
    page.evaluate(
        """() => {
            for (const node of [...app.rootGraph._nodes])
                if (!['CheckpointLoaderSimple', 'ADN_LoadMotionModel', 'ADN_ApplyMotionModel'].includes(node.type))
                    app.rootGraph.remove(node)
            const preview = LiteGraph.createNode('ADN_PreviewWindows')
            preview.pos = [800, 0]
            app.rootGraph.add(preview)
            app.rootGraph._nodes.find(node => node.type === 'ADN_ApplyMotionModel').connect(0, preview, 0)
        }"""
    )
    for _ in range(2):  # the second run takes everything from the cache
        page.evaluate(RUN)
        shown = [text.inner_text() for text in page.locator(".animatediff-text").all() if text.is_visible()]
        assert any(text.startswith("AnimateDiff v3") for text in shown), shown
        assert "Noise schedule: AnimateDiff SD1.5" in shown
    page.screenshot(path=SCREENSHOTS / f"lines {way}.png")
    assert page.evaluate(CUT) == []
    nodes = example("Text to Animation")["nodes"]
    page.evaluate("app.loadGraphData(app.rootGraph.serialize())")  # and are no part of what is saved
    assert page.evaluate(
        "app.rootGraph._nodes.find(node => node.type === 'ADN_ApplyMotionModel').serialize().widgets_values.length"
    ) == next(len(each["widgets_values"]) for each in nodes if each["type"] == "ADN_ApplyMotionModel")
    assert not errors


LINES = """() => Object.fromEntries(app.rootGraph._nodes.map(
    ({ type, widgets }) => [type, widgets?.find(({ name }) => name === 'animatediff_text')?.element.textContent]
))"""
SMALL = """frames => {
    const values = {width: 64, height: 64, batch_size: frames, steps: 1}
    for (const node of app.rootGraph._nodes)
        for (const widget of node.widgets ?? []) if (widget.name in values) widget.value = values[widget.name]
}"""


def test_what_a_sampler_was_told_stays_and_comes_to_a_page_opened_afresh(server, page, errors, way):
    def shown_after_a_run(page, frames):
        page.evaluate("graph => app.loadGraphData(graph)", example("Text to Animation"))
        page.evaluate(SMALL, frames)
        page.evaluate(RUN)
        return page.evaluate(LINES)

    page.evaluate(FORGET)
    lines = shown_after_a_run(page, 5)
    page.screenshot(path=SCREENSHOTS / f"lines of a sampler {way}.png")
    assert page.evaluate(CUT) == []
    assert lines["KSampler"] == "5 frames are few: motion models need about 8 or more, and give noise below."
    assert lines["ADN_ApplyMotionModel"] == "Noise schedule: AnimateDiff SD1.5"
    afresh = ready(page.context.browser.new_page(), server)
    assert shown_after_a_run(afresh, 5) == lines  # all from the cache, of which the host says only the last node's
    afresh.close()
    height = "app.rootGraph._nodes.find(node => node.type === 'KSampler').size[1]"
    tall = page.evaluate(height)
    page.evaluate(SMALL, 8)
    page.evaluate(RUN)
    assert "KSampler" not in {kind for kind, line in page.evaluate(LINES).items() if line}
    assert page.evaluate(height) < tall
    assert not errors


def test_context_windows_say_before_a_run_what_it_takes(page, errors, way):
    page.evaluate("graph => app.loadGraphData(graph)", example("Long Animation"))
    page.wait_for_timeout(1500)
    line = page.locator(".animatediff-text")
    assert line.inner_text() == "64 frames: 5 windows a step, 125 in 25 steps"
    disabled = """() => app.rootGraph._nodes.find(node => node.type === 'ADN_ContextWindows').widgets
        .filter(widget => widget.disabled).map(widget => widget.name)"""
    assert "context_overlap" in page.evaluate(disabled)
    page.evaluate(SETTING_OF, ["ADN_ContextWindows", "preset", "custom"])
    page.evaluate(SETTING_OF, ["ADN_ContextWindows", "context_overlap", 16])
    page.wait_for_timeout(1500)
    assert "context_overlap is 16" in line.inner_text() and not page.evaluate(disabled)
    page.screenshot(path=SCREENSHOTS / f"windows {way}.png")
    for is_linked in (True, False):  # what another node makes is not known before a run
        page.evaluate(LENGTH_FROM_ELSEWHERE, is_linked)
        page.wait_for_timeout(1500)
        assert line.count() == (not is_linked)
    assert not errors
