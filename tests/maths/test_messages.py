"""What the page says in another language: templates of messages of this pack, and nothing that it never says."""

import ast
import json
import re

import pytest
from comfy_server import ROOT

TABLES = {file.stem: json.loads(file.read_text("utf-8")) for file in sorted((ROOT / "web" / "messages").glob("*.json"))}
ROOMS = ("nodes", "motion", "sampling", "training")


def template(node: ast.AST) -> str | None:
    """Of a text in a program, each value in it as {}."""
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


@pytest.fixture(scope="module")
def said() -> set[str]:
    programs = [file.read_text("utf-8") for room in ROOMS for file in (ROOT / room).rglob("*.py")]
    texts = [template(node) for program in programs for node in ast.walk(ast.parse(program))]
    return {text for text in texts if text and len(text) > 5}


@pytest.mark.parametrize("language", TABLES)
def test_every_translated_message_is_one_that_is_said(language, said):
    """Word for word: a message that was reworded is translated anew."""
    assert not [english for english in TABLES[language] if english not in said]


@pytest.mark.parametrize("language", TABLES)
def test_every_value_of_a_message_is_in_its_translation(language):
    for english, words in TABLES[language].items():
        found = re.findall(r"\{(\d)\}", words)
        assert set(found) <= {str(number) for number in range(english.count("{}"))}, english
        assert len(set(found)) == english.count("{}") or "download button" in english, english
        assert re.search("[\u4e00-\u9fff]", words), english
