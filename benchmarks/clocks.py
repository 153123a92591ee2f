"""Seconds and bytes inside a contender's process."""

import contextlib
import time
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.utils.flop_counter import FlopCounterMode


def device():
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def measured(call, flops: bool) -> tuple:
    """(what `call` gives, {"seconds", and "flops" where they are counted})."""
    counter = FlopCounterMode(display=False) if flops else contextlib.nullcontext()
    wait()
    start = time.perf_counter()
    with counter:
        result = call()
    wait()
    answer = {"seconds": time.perf_counter() - start}
    return result, answer | ({"flops": counter.get_total_flops()} if flops else {})


def load_times(path: str, load) -> dict:
    """Seconds of `load` and of safetensors reading the same file, every tensor touched."""

    def seconds(read) -> float:
        start = time.perf_counter()
        for tensor in read().values():
            tensor.view(-1)[:: 4096 // tensor.element_size()].sum().item()
        return time.perf_counter() - start

    seconds(lambda: load_file(path))  # into the page cache
    return {
        "file": min(seconds(lambda: load_file(path)) for _ in range(3)),
        "seconds": min(seconds(load) for _ in range(3)),
    }


def reset_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> dict:
    """The most memory since `reset_peak`, in bytes: on a GPU allocated and reserved, else resident; with weights."""
    if torch.cuda.is_available():
        return {"memory": torch.cuda.max_memory_allocated(), "reserved": torch.cuda.max_memory_reserved()}
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return {"memory": int(line.split()[1]) * 1024}
