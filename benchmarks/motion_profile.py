"""Where the time of motion modules goes, beside what the machine can do at most.

    COMFYUI_DIR=DIR python benchmarks/motion_profile.py [--size 64] [--frames 16] [--dtype float16]

For each level of SD1.5's UNet, 16 frames with positive and negative prompt: one motion module; what its matrix products
would take at the machine's measured rate; its two attentions, and how much of the measured copy bandwidth they
reach (queries, keys and values read once, the result written once); then the module's costliest operations.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import host  # noqa: E402

host.enter(host.find_host())

import comfy.model_management  # noqa: E402
import comfy.ops  # noqa: E402
import torch  # noqa: E402
from animatediff_native.motion.formats import HEADS  # noqa: E402
from animatediff_native.motion.temporal import Steering, TemporalTransformer  # noqa: E402
from comfy.ldm.modules.attention import optimized_attention_for_device  # noqa: E402
from torch.profiler import ProfilerActivity, profile  # noqa: E402

LEVELS = ((320, 1), (640, 2), (1280, 4), (1280, 8))
"""(channels, how much smaller than the latents)"""


def seconds(call, device: torch.device, rounds: int = 5) -> float:
    """The best of some rounds."""
    call()
    best = float("inf")
    for _ in range(rounds):
        wait(device)
        start = time.perf_counter()
        call()
        wait(device)
        best = min(best, time.perf_counter() - start)
    return best


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def copy_bandwidth(device: torch.device, dtype: torch.dtype) -> float:
    """Bytes read and written per second."""
    a = torch.empty(2**27, dtype=dtype, device=device)
    b = torch.empty_like(a)
    return 2 * a.nbytes / seconds(lambda: b.copy_(a), device)


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Multiply-adds per second of a product of the modules' kind: many tokens by (1280, 1280)."""
    x = torch.randn(4096, 1280, device=device, dtype=dtype)
    weight = torch.randn(1280, 1280, device=device, dtype=dtype)
    return 4096 * 1280 * 1280 / seconds(lambda: x @ weight, device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=64, help="of the latents")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--dtype", default="float32", choices=["float32", "float16", "bfloat16"])
    arguments = parser.parse_args()
    device, dtype = comfy.model_management.get_torch_device(), getattr(torch, arguments.dtype)
    bandwidth, rate = copy_bandwidth(device, dtype), matrix_rate(device, dtype)
    print(f"{device}, {arguments.dtype}: copies {bandwidth / 1e9:.1f} GB/s, products {rate / 1e9:.0f} GMAC/s\n")
    print("| channels | latents | module, ms | its products at that rate, ms | attentions, ms | of copy bandwidth |")
    print("|---|---|---|---|---|---|")
    attention = optimized_attention_for_device(device, small_input=True)
    for channels, factor in LEVELS:
        size = arguments.size // factor
        module = TemporalTransformer(channels, 2, attention, comfy.ops.manual_cast, dtype=dtype, device=device)
        for weight in module.requires_grad_(False).parameters():
            torch.nn.init.normal_(weight, std=0.02)
        x = torch.randn(2 * arguments.frames, channels, size, size, device=device, dtype=dtype)
        tokens = 2 * arguments.frames * size * size
        q = torch.randn(tokens // arguments.frames, arguments.frames, channels, device=device, dtype=dtype)
        whole = seconds(lambda module=module, x=x: module(x, Steering(arguments.frames)), device)
        attended = 2 * seconds(lambda q=q: attention(q, q, q, HEADS), device)
        products = tokens * 22 * channels**2 / rate  # in and out 1 each, attentions 2 x 4, feed-forward 12
        share = 2 * 4 * q.nbytes / attended / bandwidth
        row = f"| {channels} | {size}x{size} | {whole * 1e3:.2f} | {products * 1e3:.2f} | {attended * 1e3:.2f} "
        print(row + f"| {share:.0%} |", flush=True)
        if factor == 1:
            largest = module, x
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device.type == "cuda" else [])
    with profile(activities=activities) as found:
        largest[0](largest[1], Steering(arguments.frames))
    print("\n" + found.key_averages().table(sort_by=f"self_{device.type}_time_total", row_limit=12))


if __name__ == "__main__":
    with torch.inference_mode():
        main()
