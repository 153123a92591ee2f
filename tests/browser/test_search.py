"""What a newcomer types: the nodes and the templates that the page then shows, in both languages."""

import pytest
from browser import SCREENSHOTS, needs_chromium, open_search, opened, ready
from comfy_server import FOLDER, ComfyServer

pytestmark = needs_chromium

LOAD, APPLY, LORA, WINDOWS = "ADN_LoadMotionModel", "ADN_ApplyMotionModel", "ADN_LoadMotionLoRA", "ADN_ContextWindows"
SCHEDULES = {"ADN_StepSchedule", "ADN_FrameSchedule"}
FIRST = {
    "en": {
        "animatediff": {LOAD, APPLY, LORA},
        "motion": {LOAD, APPLY, LORA},
        "animate": {LOAD, APPLY, LORA},
        "motion lora": {LORA},
        "context": {WINDOWS},
        "loop": {WINDOWS},
        "schedule": SCHEDULES,
        "prompt": {"ADN_PromptTravel"},
    },
    "zh": {
        "animatediff": {LOAD, APPLY, LORA},
        "运动": {LOAD, APPLY, LORA},
        "动态": {LOAD, APPLY, LORA},
        "动画": {LOAD, APPLY},
        "运动lora": {LORA},
        "运镜": {LORA},
        "上下文": {WINDOWS},
        "循环": {WINDOWS},
        "图生视频": {"ADN_StartFromPicture"},
    },
}
"""Language -> what is typed -> the nodes that are then in sight without scrolling."""
IN_SIGHT = 10
"""Rows of the search at 1600 x 900."""
FOUND = """([names, count]) => {
    const rows = [...document.querySelectorAll('[data-testid=result-item]')].slice(0, count).map(row => row.innerText)
    return names.every(name => rows.some(row => row.startsWith(name)))
}"""
NAMES = "ids => ids.map(id => LiteGraph.registered_node_types[id].title)"


@pytest.fixture(scope="module")
def server(comfyui, tmp_path_factory):
    with ComfyServer(comfyui, tmp_path_factory.mktemp("search"), "--cpu") as running:
        yield running


@pytest.fixture(scope="module")
def english(server):
    with opened(server) as page:
        yield page


@pytest.mark.parametrize("language", FIRST)
def test_the_first_nodes_of_a_search(server, english, language):
    from playwright.sync_api import TimeoutError

    server.post("/settings", {"Comfy.Locale": language})
    page = ready(english.context.browser.new_page(viewport={"width": 1600, "height": 900}), server)
    open_search(page)
    missed = []
    for typed, wanted in FIRST[language].items():
        page.keyboard.press("Control+a")
        page.keyboard.type(typed)
        names = page.evaluate(NAMES, sorted(wanted))
        try:
            page.wait_for_function(FOUND, arg=[names, IN_SIGHT], timeout=5_000)
        except TimeoutError:
            missed.append((typed, names))
        page.screenshot(path=SCREENSHOTS / f"search {language} {typed}.png")
    page.close()
    server.post("/settings", {"Comfy.Locale": "en"})
    assert not missed


IN_SIGHT = 20
"""Cards of templates that the page makes before one scrolls, at least."""


def test_templates_are_found_and_the_first_is_the_first(english):
    english.keyboard.press("Escape")
    english.get_by_text("Templates", exact=True).first.click()
    dialog = english.get_by_role("dialog")
    dialog.get_by_text(FOLDER, exact=True).first.click()
    cards = dialog.locator("[data-testid^=template-workflow-]")
    cards.nth(IN_SIGHT - 1).wait_for()
    assert "Text to Animation" in cards.first.inner_text()
    english.screenshot(path=SCREENSHOTS / "templates.png")
    dialog.get_by_text("All Templates", exact=True).first.click()
    dialog.get_by_placeholder("Search").first.fill("animatediff")
    english.wait_for_function(
        "count => document.querySelectorAll('[data-testid^=\"template-workflow-AnimateDiff\"]').length >= count",
        arg=IN_SIGHT,
    )
    english.screenshot(path=SCREENSHOTS / "templates searched.png")
