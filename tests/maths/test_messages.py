"""What the page says in another language: templates of messages of this pack, and nothing that it never says."""

import ast
import json
import re

import pytest
from comfy_server import ROOT

TABLES = {file.stem: json.loads(file.read_text("utf-8")) for file in sorted((ROOT / "web" / "messages").glob("*.json"))}
ROOMS = ("nodes", "motion", "sampling", "training")
LEFT_IN_ENGLISH = 10
"""Errors at most: those of the command line, and what should never be."""


def template(node: ast.AST) -> str | None:
    """Of a text in a program, each value in it as {}."""
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


@pytest.fixture(scope="module")
def programs() -> list[ast.AST]:
    return [ast.parse(file.read_text("utf-8")) for room in ROOMS for file in (ROOT / room).rglob("*.py")]


@pytest.fixture(scope="module")
def said(programs) -> set[str]:
    texts = [template(node) for program in programs for node in ast.walk(program)]
    return {text for text in texts if text and len(text) > 5}


@pytest.fixture(scope="module")
def raised(programs) -> set[str]:
    """Whole sentences that are raised where they are written; not those of a file's name and a reason."""
    errors = [node.exc for program in programs for node in ast.walk(program) if isinstance(node, ast.Raise)]
    texts = [template(error.args[-1]) for error in errors if isinstance(error, ast.Call) and error.args]
    return {text for text in texts if text and " " in text.replace("'{}' {}", "")}


@pytest.mark.parametrize("language", TABLES)
def test_every_translated_message_is_one_that_is_said(language, said):
    """Word for word: a message that was reworded is translated anew."""
    assert not [english for english in TABLES[language] if english not in said]


@pytest.mark.parametrize("language", TABLES)
def test_every_value_of_a_message_is_in_its_translation(language):
    for english, words in TABLES[language].items():
        found = re.findall(r"\{(\d)\}", words)
        assert set(found) <= {str(number) for number in range(english.count("{}"))}, english
        values = re.findall(r"(?<![a-z])\{\}", english)  # the others are endings: frame{}
        assert len(set(found)) == len(values) or "download button" in english, english
        assert re.search("[\u4e00-\u9fff]", words), english


@pytest.mark.parametrize("language", TABLES)
def test_errors_are_translated(language, raised):
    missing = sorted(raised - TABLES[language].keys())
    assert len(missing) <= LEFT_IN_ENGLISH, missing
