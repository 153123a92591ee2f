"""The benchmark's arithmetic: ratios within a round, and how far two clips are apart."""

import importlib
import sys

import pytest
import torch
from host import ROOT


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield importlib.import_module("bench")
    for name in ("bench", "contender", "in_the_host", "peers", "clocks", "scenes", "first_clip"):
        sys.modules.pop(name)


def row(name, seconds, memory=2e9):
    return {"contender": name, "plan": None, "seconds": seconds, "first": 9.0, "memory": memory}


def test_ratios_are_taken_within_a_round(bench):
    """A machine that was busy in the second round has not made anybody slower than the other."""
    rows = [row("ade", [10.0, 20.0, 10.0]), row("ours", [8.0, 16.0, 9.0])]
    lines = bench.table(bench.SCENES["clip"], rows)
    assert "| ade | 10.00 | 1.000 (1.000–1.000) | 9.00 | 2.00 |" in lines
    assert "| ours | 9.00 | 0.800 (0.800–0.900) | 9.00 | 2.00 |" in lines


def test_memory_that_a_gpu_reserves_is_told(bench):
    lines = bench.table(bench.SCENES["clip"], [row("ours", [1.0]) | {"reserved": 3e9}])
    assert "| ours | 1.00 | 1.000 (1.000–1.000) | 9.00 | 2.00 (3.00 reserved) |" in lines


def test_the_clips_are_compared(bench, tmp_path):
    clip = torch.ones(4)
    torch.save(clip, tmp_path / "ade.pt")
    torch.save(clip * 1.5, tmp_path / "ours.pt")
    rows = [row("ade", [1.0]), row("ours", [1.0])]
    bench.compare(rows, tmp_path)
    assert rows[0]["difference"] == pytest.approx(0.5)
    assert "Our clip differs from the incumbent's by 5.0e-01 (relative)." in bench.table(bench.SCENES["clip"], rows)
    windows = [row("ade", [1.0]) | {"plan": "windows"}, row("ours", [1.0])]
    bench.compare(windows, tmp_path)
    assert "difference" not in windows[0]
