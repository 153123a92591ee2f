"""The Triton kernel that benchmarks/attention_ways.py measures, in Triton's interpreter."""

import os
import subprocess
import sys

import pytest
from host import ROOT


def test_it_is_the_attention():
    pytest.importorskip("triton")
    command = [sys.executable, str(ROOT / "benchmarks" / "fused_attention.py")]
    environment = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    rows = [[float(cell) for cell in line.strip("|").split("|")] for line in told.splitlines()[2:]]
    assert len(rows) == 3
    for *_, single, half in rows:
        assert single < 1e-5 and half < 1e-2
