"""ComfyUI's web page in headless Chromium."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from comfy_server import ROOT, ComfyServer

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None,
    reason="no Chromium on this machine (dev.py installs Debian's where it runs as root; else: apt install chromium)",
)

OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCREENSHOTS = ROOT / "output" / "browser"
ELSEWHERE = ("Failed to load resource", "Connecting to", "Fetch API cannot load https://")
"""How the page's complaints about files that are not there begin."""
SET = """values => {
    for (const node of app.rootGraph._nodes)
        for (const widget of node.widgets || [])
            if (widget.name in values) {
                const value = values[widget.name], { max } = widget.options
                widget.value = value > max ? max : value
            }
}"""
"""Sets every widget of a name, as far as it goes."""


def started(playwright):
    """The browser; `close()` ends it."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)


@contextmanager
def opened(server: ComfyServer) -> Iterator:
    """The page of `server`, with no tour on top of it."""
    from playwright.sync_api import sync_playwright

    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    server.post("/settings", {"Comfy.TutorialCompleted": True})
    with sync_playwright() as playwright:
        browser = started(playwright)
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        yield ready(page, server)
        browser.close()


def ready(page, server: ComfyServer):
    """`page` with ComfyUI in it, every node registered, and the workflow that it begins with."""
    page.goto(server.url)
    page.wait_for_function("window.app && window.app.graph && window.LiteGraph", timeout=120_000)
    page.wait_for_function("'ADN_ApplyMotionModel' in LiteGraph.registered_node_types", timeout=60_000)
    page.wait_for_function("app.rootGraph._nodes.length", timeout=60_000)
    return page


def open_search(page) -> None:
    """Double-clicks on free canvas, again where the page was not ready for it."""
    for _ in range(5):
        page.keyboard.press("Escape")
        page.mouse.dblclick(1200, 700)
        page.wait_for_timeout(1000)
        if page.get_by_role("combobox").count():
            return
    raise AssertionError("the node search did not open")


def run(page) -> str:
    """Presses Run; the id of the prompt that the page posts."""
    with page.expect_response(
        lambda answer: answer.url.endswith("/prompt") and answer.request.method == "POST"
    ) as sent:
        page.get_by_test_id("queue-button").click()
    answer = sent.value.json()
    assert "prompt_id" in answer, json.dumps(answer, indent=1)
    return answer["prompt_id"]


def finished(server, identity: str, expected: str = "success") -> dict:
    """What the server says of a prompt when it is done."""
    end = time.monotonic() + 300
    while identity not in (history := server.get(f"/history/{identity}")):
        assert time.monotonic() < end, server.log_tail()
        time.sleep(0.2)
    status = history[identity]["status"]
    assert status["status_str"] == expected, status["messages"][-1]
    return status
