"""The attention over time in other ways: torch's kernels, layouts, and one product for queries, keys and values.

    COMFYUI_DIR=DIR python benchmarks/attention_ways.py [--size 64] [--frames 16 32] [--dtype float16]

For each level of SD1.5's UNet, with positive and negative prompt: from normalised tokens (pixels frames channels) and
positions to what the output projection gets. now: three products, then the host's attention. one product: queries, keys
and values from one matrix. apart: heads brought apart in memory first. by hand: two batched products and a softmax.
frames first: tokens stay as the UNet has them, (frames pixels channels). fused: one Triton kernel (fused_attention.py).
The others: torch's kernels by name, where they run. share: of the measured copy bandwidth, if tokens were read once and
written once.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from motion_profile import LEVELS, copy_bandwidth, seconds  # noqa: E402  isort: skip
import comfy.model_management  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from animatediff_native.motion.formats import HEADS  # noqa: E402
from animatediff_native.motion.temporal import scaled_dot_product  # noqa: E402
from comfy.ldm.modules.attention import optimized_attention_for_device  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402

BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "math": SDPBackend.MATH,
}


def heads_of(x: Tensor) -> Tensor:
    """n f (heads d) -> n heads f d."""
    return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)


def by_hand(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """n f c each -> n f c."""
    q, k, v = (heads_of(each).flatten(0, 1) for each in (q, k, v))
    scores = torch.baddbmm(q.new_empty(1), q, k.transpose(1, 2), beta=0, alpha=q.shape[-1] ** -0.5)
    return (scores.softmax(-1) @ v).unflatten(0, (-1, HEADS)).transpose(1, 2).flatten(2)


def frames_first(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """f n c each -> f n c."""
    q, k, v = (each.unflatten(-1, (HEADS, -1)).permute(1, 2, 0, 3) for each in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).permute(2, 0, 1, 3).flatten(2)


def ways(x: Tensor, positions: Tensor, weight: Tensor, device: torch.device) -> dict[str, Callable[[], Tensor]]:
    """x: n f c. positions: f c. weight: (3 c) c, queries, keys and values."""
    attention, parts = optimized_attention_for_device(device, small_input=True), weight.chunk(3)
    turned = x.transpose(0, 1).contiguous()

    def three(tokens: Tensor = x, positions: Tensor = positions) -> list[Tensor]:
        tokens = tokens + positions
        return [F.linear(tokens, part) for part in parts]

    def with_backend(backend: SDPBackend) -> Tensor:
        with sdpa_kernel(backend):
            return scaled_dot_product(*three(), HEADS)

    def apart() -> Tensor:
        q, k, v = (heads_of(each).contiguous() for each in three())
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)

    def in_one_kernel() -> Tensor:
        from fused_attention import fused  # needs Triton

        return fused(x, positions, weight, HEADS)

    return {
        "now": lambda: attention(*three(), HEADS),
        "one product": lambda: attention(*F.linear(x + positions, weight).chunk(3, dim=-1), HEADS),
        "apart": apart,
        "by hand": lambda: by_hand(*three()),
        "frames first": lambda: frames_first(*three(turned, positions[:, None])).transpose(0, 1),
        "fused": in_one_kernel,
    } | {name: (lambda backend=backend: with_backend(backend)) for name, backend in BACKENDS.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=64, help="of the latents")
    parser.add_argument("--frames", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--dtype", default="float32", choices=["float32", "float16", "bfloat16"])
    arguments = parser.parse_args()
    device, dtype = comfy.model_management.get_torch_device(), getattr(torch, arguments.dtype)
    bandwidth = copy_bandwidth(device, dtype)
    print(f"{device}, {arguments.dtype}: copies {bandwidth / 1e9:.1f} GB/s\n")
    print("| channels | frames | way | ms | over now | share | differs by |\n|---|---|---|---|---|---|---|")
    for channels, factor in LEVELS:
        for frames in arguments.frames:
            pixels = 2 * (arguments.size // factor) ** 2
            x = torch.randn(pixels, frames, channels, device=device, dtype=dtype)
            weight = torch.randn(3 * channels, channels, device=device, dtype=dtype) * channels**-0.5
            positions = torch.randn(frames, channels, device=device, dtype=dtype)
            found = ways(x, positions, weight, device)
            expected, usual = found["now"](), seconds(found["now"], device)
            for name, way in found.items():
                row = f"| {channels} | {frames} | {name} |"
                try:
                    differs = (way() - expected).abs().max() / expected.abs().max()
                    took = usual if name == "now" else seconds(way, device)
                except Exception as error:  # no such kernel here, or not for this size: no reason to lose the others
                    print(f"{row} {type(error).__name__} | | | |", flush=True)
                    continue
                share = 2 * x.nbytes / took / bandwidth
                print(f"{row} {took * 1e3:.2f} | {took / usual:.2f} | {share:.0%} | {float(differs):.0e} |", flush=True)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
