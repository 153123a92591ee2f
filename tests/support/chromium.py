"""The real web page of a server, in headless Chromium."""

import os
import shutil

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def start(playwright):
    """The browser; `close()` ends it."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)


def open_page(browser, url: str, size: tuple[int, int] = (1600, 900)):
    """The page, once our nodes are in it."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.goto(url)
    page.wait_for_function("window.app && window.app.graph && window.LiteGraph", timeout=120_000)
    page.wait_for_function("'ADN_ApplyMotionModel' in LiteGraph.registered_node_types", timeout=60_000)
    return page
