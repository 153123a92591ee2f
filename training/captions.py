"""Captions of clips: a text file of the same name, or the CSV of guoyww's training code; with a trigger word."""

import csv
import io
import re

TRIGGER = "[trigger]"
"""Stands for the trigger word in a caption."""


def caption(text: str, trigger: str = "", fallback: str = "") -> str:
    """The prompt that a clip is trained with: the trigger word in its place, or else before all the rest.

    "a cat" with the trigger zoomy -> zoomy, a cat
    """
    words, trigger = " ".join(text.split()) or " ".join(fallback.split()), trigger.strip()
    if TRIGGER in words:
        return " ".join(words.replace(TRIGGER, trigger).split())
    return ", ".join(filter(None, (trigger, words)))


def repeats(folder: str) -> int:
    """How often the clips of a folder count, as kohya's trainers read it from its name: 10_waves -> 10, waves -> 1."""
    found = re.match(r"(\d+)_", folder)
    return int(found[1]) if found else 1


def captions_of_csv(text: str, name: str) -> dict[str, str]:
    """videoid -> caption, of a CSV with the columns videoid, name, page_dir (guoyww/AnimateDiff, dataset.py)."""
    try:
        rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
        columns, rows = rows.fieldnames or (), list(rows)
    except csv.Error as error:
        raise ValueError(f"'{name}' is no CSV that can be read ({error}): a quote may be left open in it.") from error
    for column in ("videoid", "name"):
        if column not in columns:
            raise ValueError(f"'{name}' lacks the column {column}; guoyww's have videoid, name, page_dir.")
    return {row["videoid"].strip(): row["name"] or "" for row in rows if row["videoid"]}
