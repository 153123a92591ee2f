"""`--vary NAME=VALUES`: which inputs of a prompt take which values. Text in, plain values out."""

import itertools
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

SEEDS = ("seed", "noise_seed")
RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.(\d+))?")


@dataclass(frozen=True)
class Variation:
    name: str
    """As it was typed: `seed`, `text@6`, `KSampler.steps`."""
    places: tuple[tuple[str, str], ...]
    """(node id, input name): one, or every seed of the workflow."""
    values: tuple


def parse(text: str, prompt: dict) -> Variation:
    """A variation of the prompt's inputs. Raises ValueError with what there is to name."""
    name, equals, values = text.partition("=")
    name = name.strip()
    if not equals or not name or not values:
        raise ValueError(f"'--vary {text}' needs a name and values, as in: --vary seed=1..100")
    places = find(name, prompt)
    node, key = places[0]
    return Variation(name, places, tuple(parse_values(values, name, prompt[node]["inputs"][key])))


def find(name: str, prompt: dict) -> tuple[tuple[str, str], ...]:
    """The places that a name means: an input's name, alone or with its node as `text@6` or `KSampler.steps`."""
    key, node = split_name(name, prompt)
    found = [
        (identity, name_there)
        for identity, there in prompt.items()
        if node is None or node in (identity, title_of(there), there["class_type"])
        for name_there in there["inputs"]
        if name_there == key or (key == "seed" and name_there in SEEDS)
    ]
    if not found:
        raise ValueError(f"--vary {name}: the workflow has no such input. {what_there_is(key, node, prompt)}")
    linked = [(identity, there) for identity, there in found if isinstance(prompt[identity]["inputs"][there], list)]
    if len(linked) == len(found):
        identity, there = linked[0]
        source = prompt[identity]["inputs"][there][0]
        owner = prompt[source]["class_type"] if source in prompt else "another node"
        raise ValueError(
            f"--vary {name}: {there} of {label(identity, prompt)} comes from {owner} ({source}) by a link. "
            "Vary that node's input."
        )
    found = [place for place in found if place not in linked]
    if len(found) > 1 and key != "seed":
        names = ", ".join(f"{there}@{identity} ({label(identity, prompt)})" for identity, there in found)
        raise ValueError(f"--vary {name} names {len(found)} inputs. Say which one: {names}.")
    return tuple(found)


def split_name(name: str, prompt: dict) -> tuple[str, str | None]:
    """(input, node or None)."""
    if "@" in name:
        key, _, node = name.partition("@")
        return key, node.strip("'\"")
    if any(name in node["inputs"] for node in prompt.values()) or "." not in name:
        return name, None
    node, _, key = name.rpartition(".")
    return key, node.strip("'\"")


def what_there_is(key: str, node: str | None, prompt: dict) -> str:
    """The sentence that helps: where the input is, what the node has, or which nodes there are."""
    if owners := [identity for identity, there in prompt.items() if key in there["inputs"]]:
        return f"{key} is at " + ", ".join(f"{key}@{owner} ({label(owner, prompt)})" for owner in owners) + "."
    nodes = [identity for identity, there in prompt.items() if node in (identity, title_of(there), there["class_type"])]
    if node and nodes:
        return f"{label(nodes[0], prompt)} has: {', '.join(own_values(prompt[nodes[0]]))}."
    names = sorted({key for there in prompt.values() for key in own_values(there)})
    return f"It has: {', '.join(names)}."


def own_values(node: dict) -> list[str]:
    return [key for key, value in node["inputs"].items() if not isinstance(value, list)]


def title_of(node: dict) -> str | None:
    return (node.get("_meta") or {}).get("title")


def label(identity: str, prompt: dict) -> str:
    return title_of(prompt[identity]) or prompt[identity]["class_type"]


def parse_values(text: str, name: str, before) -> list:
    """`1..100`, `1..100..10`, `a,b`, `a cat, asleep|a dog`, or `@file` with a value a line, as the input's kind."""
    if text.startswith("@"):
        parts = lines_of(Path(text[1:]), name)
    elif is_number(before) and (ends := RANGE.fullmatch(text)):
        first, last, step = int(ends[1]), int(ends[2]), int(ends[3] or 1)
        parts = [str(value) for value in range(first, last + 1, step or 1)]
        if not parts:
            raise ValueError(f"--vary {name}={text}: {last} is before {first}.")
    else:
        parts = text.split("|") if "|" in text else re.split(r",(?! )", text)
    values = [converted(part, name, before) for part in parts]
    value, times = Counter(values).most_common(1)[0]
    if times > 1:
        raise ValueError(f"--vary {name} has {value!r} twice: that would be the same clip.")
    return values


def lines_of(path: Path, name: str) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise ValueError(f"--vary {name}: {path} cannot be read: {reason}.") from None
    lines = [line.strip() for line in lines if line.strip()]
    if not lines:
        raise ValueError(f"--vary {name}: {path} is empty. Write one value a line.")
    return lines


def is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def converted(text: str, name: str, before):
    """The text as a value of the kind that the input has. A page saves 7.0 as 7, so whole numbers allow fractions."""
    if isinstance(before, bool):
        if text.strip().lower() not in ("true", "false"):
            raise ValueError(f"--vary {name} takes true or false, and '{text}' is neither.")
        return text.strip().lower() == "true"
    if not is_number(before):
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise ValueError(f"--vary {name} takes numbers, and '{text}' is none.")


def combinations(variations: list[Variation], together: bool) -> list[tuple]:
    """One tuple of values for each clip: each with each, or in step."""
    lists = [variation.values for variation in variations]
    if not together:
        return list(itertools.product(*lists))
    if len({len(values) for values in lists}) > 1:
        counts = ", ".join(f"{variation.name} has {len(variation.values)}" for variation in variations)
        raise ValueError(f"--together takes as many values of each, and {counts}.")
    return list(zip(*lists, strict=True))
