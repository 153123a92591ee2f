import pytest
from browser import ELSEWHERE
from comfy_server import FOLDER


@pytest.fixture
def errors(page):
    """What the page has complained of since the test began, but for files that are not there (models, the network)."""
    found = []

    def on_console(message):
        missing = message.text.startswith(ELSEWHERE)
        if message.type == "error" and (not missing or f"/extensions/{FOLDER}/" in message.location["url"]):
            found.append(message.text)

    def on_error(error):
        found.append(str(error))

    page.on("console", on_console)
    page.on("pageerror", on_error)
    yield found
    page.remove_listener("console", on_console)
    page.remove_listener("pageerror", on_error)
