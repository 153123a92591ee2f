"""Every node, input and output has its text in each language: help pages with pictures, tooltips, translations, README.

English is what the schemas say; the page shows it where a language has no text of its own. So there is no locales/en.
"""

import ast
import json
import re
import subprocess
from pathlib import Path

import animatediff_native.nodes as nodes
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "web" / "docs"
SCHEMAS = {node.GET_SCHEMA().node_id: node.GET_SCHEMA() for node in nodes.NODES}
OURS = [node_id for node_id, schema in SCHEMAS.items() if not schema.is_deprecated]
"""What users find in the menu; the others are forms for shared workflows, which have no help page."""
LANGUAGES = {path.parent.name: json.loads(path.read_text("utf-8")) for path in ROOT.glob("locales/*/nodeDefs.json")}
READMES = {"en": ROOT / "README.md", "zh": ROOT / "README.zh-CN.md"}
PICTURE = {"en": "pictures/{}.png", "zh": "pictures/{}.zh.png"}
"""Below web/docs, whose address the page puts before the paths of pictures in any language's help page."""
WHEN = {"en": ("What to do when", "When something is wrong"), "zh": ("遇到问题时", "出错时")}
"""The headings, in README and in help pages, under which errors are quoted."""
IN_CHINESE = re.compile(r"[\u4e00-\u9fff]")


def page_of(node_id: str, language: str) -> str:
    """The file that the web page fetches: docs/<node>/<language>.md, or docs/<node>.md where there is none."""
    path = PAGES / node_id / f"{language}.md"
    return (path if path.is_file() else PAGES / f"{node_id}.md").read_text("utf-8")


def entries_of(page: str, head: str) -> dict[str, str]:
    """The list below a heading: id between backticks -> its line."""
    lines = page.split(f"\n## {head}\n", 1)[1].split("\n## ", 1)[0].splitlines()
    return {re.search(r"`(\w+)`", line)[1]: line for line in lines if line.startswith("- ")}


def test_chinese_is_there_and_nothing_is_left_over():
    assert "zh" in LANGUAGES
    assert {path.stem for path in PAGES.glob("*.md")} == set(OURS)
    for language, texts in LANGUAGES.items():
        assert set(texts) == set(SCHEMAS), language
        assert {path.parent.name for path in PAGES.glob(f"*/{language}.md")} == set(OURS), language


@pytest.mark.parametrize("node_id", SCHEMAS)
def test_english(node_id):
    schema = SCHEMAS[node_id]
    assert schema.display_name and schema.description
    for entry in schema.inputs:
        assert entry.tooltip, entry.id
    for entry in schema.outputs:
        assert entry.display_name


def test_every_window_schedule_is_explained_where_it_is_chosen():
    chosen = next(entry for entry in SCHEMAS["ADN_ContextWindows"].inputs if entry.id == "context_schedule")
    texts = [texts["ADN_ContextWindows"]["inputs"]["context_schedule"]["tooltip"] for texts in LANGUAGES.values()]
    for text in (chosen.tooltip, *texts):
        assert not [name for name in chosen.options if not re.search(rf"{name}[:：]", text)]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("node_id", SCHEMAS)
def test_translation(node_id, language):
    schema, texts = SCHEMAS[node_id], LANGUAGES[language][node_id]
    assert texts["display_name"] and texts["description"]
    assert list(texts["inputs"]) == [entry.id for entry in schema.inputs]
    assert list(texts["outputs"]) == [str(index) for index in range(len(schema.outputs))]
    for name, entry in texts["inputs"].items():
        assert entry["name"] and entry["tooltip"], name
    for entry, output in zip(texts["outputs"].values(), schema.outputs, strict=True):
        assert entry["name"] and bool(entry.get("tooltip")) == bool(output.tooltip)
    if language == "zh":
        said = [texts["description"], *(entry["tooltip"] for entry in texts["inputs"].values())]
        assert all(IN_CHINESE.search(text) for text in said)


@pytest.mark.parametrize("language, heads", [("en", ("Inputs", "Outputs")), ("zh", ("输入", "输出"))])
@pytest.mark.parametrize("node_id", OURS)
def test_help_page(node_id, language, heads):
    """Its title is the node's name; it has an entry for every input and output, under the names that the node shows."""
    schema, page = SCHEMAS[node_id], page_of(node_id, language)
    texts = LANGUAGES.get(language, {}).get(node_id)
    assert page.startswith(f"# {texts['display_name'] if texts else schema.display_name}\n")
    assert bool(IN_CHINESE.search(page)) == (language == "zh")
    inputs, outputs = (entries_of(page, head) for head in heads)
    assert list(inputs) == [entry.id for entry in schema.inputs]
    assert list(outputs) == [entry.display_name for entry in schema.outputs]
    for line in (*inputs.values(), *outputs.values()):
        assert len(re.split(r": |：", line, maxsplit=1)[1]) > 1, line
    if texts:
        names = [entry["name"] for entry in (*texts["inputs"].values(), *texts["outputs"].values())]
        for name, line in zip(names, (*inputs.values(), *outputs.values()), strict=True):
            assert line.startswith((f"- **{name}** `", f"- `{name}`")), name


@pytest.mark.parametrize("language", READMES)
@pytest.mark.parametrize("node_id", OURS)
def test_picture(node_id, language):
    """In its help page, small enough to load at once, and in its row of README's table. tests/support/node_pictures.py
    makes it."""
    path = PICTURE[language].format(node_id)
    assert f"]({path})" in page_of(node_id, language)
    assert 1_000 < (PAGES / path).stat().st_size < 40_000
    names = LANGUAGES[language][node_id] if language in LANGUAGES else {"display_name": SCHEMAS[node_id].display_name}
    rows = [line for line in READMES[language].read_text("utf-8").splitlines() if line.startswith("| **")]
    (row,) = [row for row in rows if row.startswith(f"| **{names['display_name']}**")]
    assert f'src="web/docs/{path}"' in row


def messages() -> list[str]:
    """Every text in the pack's own code, as it is put together; a value that is put in is a NUL."""
    found = []
    for room in ("motion", "sampling", "training", "nodes"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    found.append(
                        "".join(
                            getattr(part, "value", "\0") if isinstance(part, ast.Constant) else "\0"
                            for part in node.values
                        )
                    )
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(re.sub(r"%[sdg]|%\.?\d*g", "\0", node.value))
    return found


def quotes(page: str, head: str) -> list[str]:
    """The errors between backticks below a heading: what has a space and is no command, path or name."""
    part = page.split(f"\n## {head}\n", 1)[1].split("\n## ", 1)[0]
    found = re.findall(r"`([^`]+)`", part)
    return [text for text in found if " " in text and not text.startswith("python ")]


QUOTING = [(path, WHEN[language][0]) for language, path in READMES.items()]
QUOTING += [(path, WHEN["en"][1]) for path in PAGES.glob("*.md")] + [
    (path, WHEN["zh"][1]) for path in PAGES.glob("*/zh.md")
]


def test_every_error_that_is_quoted_is_one_of_ours():
    """Between the dots, which stand for values, word for word."""
    ours = messages()
    counted = 0
    for path, head in QUOTING:
        for quote in quotes(path.read_text("utf-8"), head):
            for part in filter(None, (part.strip(" '") for part in quote.split("..."))):
                assert any(part in message for message in ours), f"{path.relative_to(ROOT)}: {quote!r} ({part!r})"
                counted += len(part) > 12
    assert counted > 80


@pytest.mark.parametrize("node_id", OURS)
def test_search_finds_our_nodes_by_the_words_people_type(node_id):
    aliases = SCHEMAS[node_id].search_aliases
    assert "animatediff" in aliases and len(set(aliases)) == len(aliases) > 1
    assert any(IN_CHINESE.search(alias) for alias in aliases)


def test_the_published_archive_keeps_the_help_pages():
    """.comfyignore is read as git reads its own: a bare docs/ would take web/docs too."""
    command = ["git", "-c", f"core.excludesFile={ROOT / '.comfyignore'}", "check-ignore", "--no-index"]
    kept = ["web/docs/ADN_FreeInit.md", "web/docs/pictures/ADN_FreeInit.png"]
    for path, ignored in (*((path, False) for path in kept), ("locales/zh/nodeDefs.json", False), ("tests/x", True)):
        assert (subprocess.run([*command, path], cwd=ROOT, capture_output=True).returncode == 0) == ignored, path
