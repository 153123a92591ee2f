"""A broken file loads, or is refused with one sentence: soon, and without memory that stays taken."""

import fuzz
import pytest

FILES = 120
"""Of the thousand that `python dev.py fuzz` opens."""


def test_broken_files_are_refused_with_a_sentence(tmp_path):
    outcomes = fuzz.open_all(range(5000, 5000 + FILES), tmp_path)
    assert not outcomes.faults, "\n\n".join(outcomes.faults)
    assert outcomes.loaded > 0 and len(outcomes.refused) > 15


@pytest.mark.parametrize(
    "sentence, mistake",
    [
        ("'a.ckpt' is empty (0 bytes). Download it again.", ""),
        ("'a.ckpt' is empty\nTraceback", "more than a line"),
        ("'a.ckpt' is empty", "no sentence about the file"),
        ("stack expects each tensor to be equal size.", "no sentence about the file"),
        (f"'a.ckpt' {'x' * 800}.", "810 letters"),
    ],
)
def test_what_is_a_sentence(sentence, mistake):
    assert fuzz.wrong_with(sentence, "a.ckpt") == mistake
