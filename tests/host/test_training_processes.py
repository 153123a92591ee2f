"""Several processes train one thing, as torchrun starts them."""

import os
import subprocess
import sys

import torch
from host import ROOT
from safetensors.torch import load_file


def started(folder, processes: int, accumulate: int):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    words = [str(ROOT / "tests" / "support" / "two_processes.py"), str(folder), str(accumulate)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "tests" / "support")}
    return subprocess.run([*command, *words], env=environment, capture_output=True, text=True, timeout=120)


def learnt(folder, processes: int, accumulate: int):
    folder.mkdir()
    result = started(folder, processes, accumulate)
    assert result.returncode == 0, result.stdout + result.stderr
    return load_file(folder / "learnt.safetensors")


def test_two_processes_are_one_with_twice_the_accumulation(tmp_path):
    one, two = learnt(tmp_path / "one", 1, 2), learnt(tmp_path / "two", 2, 1)
    assert one.keys() == two.keys()
    torch.testing.assert_close(two["losses"], one["losses"], rtol=1e-6, atol=1e-6)
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-6, atol=1e-6)
    assert [path.name for path in sorted((tmp_path / "two").iterdir())] == [
        "checkpoint_000003.safetensors",
        "learnt.safetensors",
    ]
    (tmp_path / "1").mkdir()
    (tmp_path / "two").rename(tmp_path / "0")
    result = started(tmp_path / "RANK", 2, 1)
    assert result.returncode and "begin at different steps (0 and 3): they do not see the same saves" in result.stderr
