"""The table of `dev.py speedups`, for a speed-up that skips all that it may, and for one that skips nothing."""

import importlib
import logging
import re
import sys

import host
import pytest
from host import ROOT


@pytest.fixture
def speedups(monkeypatch):
    """The script, on few frames, in the ComfyUI that is here already."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setattr(host, "enter", lambda found: None)
    log = logging.getLogger()
    before = log.level, list(log.handlers), [handler.level for handler in log.handlers]
    script = importlib.import_module("speedups")
    monkeypatch.setattr(script, "PLACES", {"clip": (None, 4), "windows": ("stable", 7)})
    yield script
    level, log.handlers, levels = before
    log.setLevel(level)
    for handler, own in zip(log.handlers, levels, strict=True):
        handler.setLevel(own)
    for name in ("speedups", "bench", "contender", "in_the_host", "peers", "clocks", "scenes", "first_clip"):
        sys.modules.pop(name, None)


def table(speedups, monkeypatch, capsys, *words) -> list[list[str]]:
    """The cells of each row."""
    few = ["--rounds", "1", "--size", "8", "--windows-of", "4"]
    monkeypatch.setattr(sys, "argv", ["speedups.py", *few, *words])
    speedups.main()
    rows = capsys.readouterr().out.split("|---|---|---|---|---|---|---|---|\n")[1].splitlines()
    return [row.strip("|").split("|") for row in rows]


def test_what_easycache_skips_and_changes(speedups, monkeypatch, capsys):
    words = "--only", "easycache", "--in", "windows"
    (row,) = table(speedups, monkeypatch, capsys, *words, "--threshold", "100", "--steps", "6")
    title, place, usual, quick, ratio, told, changes, alone = (cell.strip() for cell in row)
    assert (title, place, told) == ("EasyCache, 100", "windows, 7", "2.0/6 (2 2)")
    assert re.fullmatch(r"\d\.\d\d \(\d\.\d\d–\d\.\d\d\)", ratio)
    low, high = ((float(quick) + cut_off) / (float(usual) - cut_off) for cut_off in (-0.006, 0.006))
    assert low - 0.006 < float(ratio[:4]) < high + 0.006
    assert float(changes) > 0 and float(alone) > 0
    (row,) = table(speedups, monkeypatch, capsys, *words, "--threshold", "0", "--steps", "2")
    assert [cell.strip() for cell in row[5:]] == ["0.0/2", "0.0000", "0.0000"]


def test_weights_in_8_bits_are_beside_the_plain_ones(speedups, monkeypatch, capsys):
    (row,) = table(speedups, monkeypatch, capsys, "--only", "fp8", "--in", "clip", "--steps", "1")
    title, *_, told, changes, alone = (cell.strip() for cell in row)
    assert (title, told) == ("weights in fp8_e4m3fn", "") and float(changes) > 0 and float(alone) > 0
