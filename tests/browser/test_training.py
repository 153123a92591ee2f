"""Training as a user sees it: started from a template, watched on its node, cancelled, and gone on with."""

import re

import pytest
from browser import SCREENSHOTS, SET, finished, needs_chromium, opened, ready, run
from comfy_server import ComfyServer
from template_files import make_template_files
from workflows import example

pytestmark = needs_chromium

TEMPLATE, TRAIN = "Train a Camera Move from Pictures", "ADN_TrainMotionLoRA"
NODE = f"app.rootGraph._nodes.find(node => node.type === '{TRAIN}')"
SHOWN = f"{NODE}.imgs?.[0]?.naturalHeight === 512"
"""The plot with a sample clip below it."""
NEARER = f"""() => {{
    const node = {NODE}
    app.canvas.ds.scale = 1
    app.canvas.ds.offset = [300 - node.pos[0], 60 - node.pos[1]]
    app.canvas.setDirty(true, true)
}}"""
LINES = f"{NODE}.widgets.find(widget => widget.name === 'animatediff_text')?.element.textContent ?? ''"
TIMES = f"""text => {NODE}.widgets.filter(
    widget => `${{widget.element?.textContent ?? ''}} ${{widget.value ?? ''}}`.match(text)).length"""
"""On how many of the node's widgets a text stands."""
STEPS = f"steps => {{ {NODE}.widgets.find(widget => widget.name === 'steps').value = steps }}"
SMALL = {"width": 64, "height": 64, "batch_size": 4, "rank": 4, "clip_frames": 4}


@pytest.fixture(scope="module")
def server(comfyui, tmp_path_factory):
    base = tmp_path_factory.mktemp("training")
    make_template_files(comfyui, base, [example(TEMPLATE)])
    with ComfyServer(comfyui, base, "--cpu") as running:
        running.post("/settings", {"Comfy.Minimap.Visible": False})
        yield running


@pytest.fixture(scope="module")
def page(server):
    with opened(server) as page:
        yield page


@pytest.mark.parametrize(
    ("language", "step", "saved"),
    [
        ("en", "step {} of {} · loss", r"is saved at step (\d+) of \d+: run it again to go on from there"),
        ("zh", "步数 {}/{} · 损失", r"已保存在步数 (\d+)/\d+：再运行一次就会从那里继续"),
    ],
)
def test_a_training_run_is_watched_cancelled_and_gone_on_with(server, page, errors, language, step, saved):
    server.post("/settings", {"Comfy.Locale": language})
    ready(page, server)
    errors.clear()  # of the page before it was there
    page.keyboard.press("Escape")
    page.evaluate("graph => app.loadGraphData(graph)", example(TEMPLATE))
    page.evaluate(SET, SMALL | {"name": f"zoom_{language}"})
    page.evaluate(NEARER)
    identity = run(page)
    page.wait_for_function(SHOWN, timeout=120_000)
    page.wait_for_function(f"words => {LINES}.match(words)", arg=step.format(r"\d+", r"\d+"), timeout=60_000)
    page.wait_for_timeout(3000)
    page.screenshot(path=SCREENSHOTS / f"training, {language}.png")
    server.post("/interrupt")
    finished(server, identity, "error")
    page.wait_for_function(f"saved => {LINES}.match(saved)", arg=saved, timeout=10_000)
    assert page.evaluate(TIMES, saved) == 1
    page.screenshot(path=SCREENSHOTS / f"training cancelled, {language}.png")
    done = int(re.search(saved, page.evaluate(LINES))[1])
    page.evaluate(SET, SMALL | {"name": f"zoom_{language}", "steps": 1, "sample_every": 0})
    page.evaluate(STEPS, done + 1)
    log = len(server.log_text())
    finished(server, run(page))
    assert f"goes on from step {done} of {done + 1}" in server.log_text()[log:]
    page.wait_for_function(f"words => {LINES}.includes(words)", arg=step.format(done + 1, done + 1), timeout=10_000)
    page.screenshot(path=SCREENSHOTS / f"training done, {language}.png")
    assert not errors
