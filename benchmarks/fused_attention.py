"""Positions, queries, keys, values and the attention over time in one Triton kernel: a way for attention_ways.py to
measure. No part of the pack.

    [TRITON_INTERPRET=1] python benchmarks/fused_attention.py

prints how far its numbers are from torch's in float64; TRITON_INTERPRET lets a CPU do it. Each program takes one pixel
and one head, so that nothing is written but the result.
"""

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor

CHANNELS_AT_ONCE = 32


@triton.jit
def attend(
    x,
    positions,
    weight,
    out,
    frames,
    scale,
    channels: tl.constexpr,
    WIDTH: tl.constexpr,
    FRAMES: tl.constexpr,
    PADDED: tl.constexpr,
    AT_ONCE: tl.constexpr,
):
    """WIDTH: channels of a head, PADDED to a power of 2, as FRAMES is."""
    pixel, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    frame, number = tl.arange(0, FRAMES), tl.arange(0, PADDED)
    queries = tl.zeros((FRAMES, PADDED), tl.float32)
    keys = tl.zeros((FRAMES, PADDED), tl.float32)
    values = tl.zeros((FRAMES, PADDED), tl.float32)
    for first in range(0, channels, AT_ONCE):
        channel = first + tl.arange(0, AT_ONCE)
        inside = (frame[:, None] < frames) & (channel[None, :] < channels)
        place = frame[:, None] * channels + channel[None, :]
        tokens = tl.load(x + pixel * frames * channels + place, mask=inside, other=0.0)
        tokens += tl.load(positions + place, mask=inside, other=0.0)
        rows = weight + (head * WIDTH + number[None, :]) * channels + channel[:, None]
        known = (channel[:, None] < channels) & (number[None, :] < WIDTH)
        square = channels * channels
        queries = tl.dot(tokens, tl.load(rows, mask=known, other=0.0), queries, input_precision="ieee")
        keys = tl.dot(tokens, tl.load(rows + square, mask=known, other=0.0), keys, input_precision="ieee")
        values = tl.dot(tokens, tl.load(rows + 2 * square, mask=known, other=0.0), values, input_precision="ieee")
    kind = x.dtype.element_ty
    scores = tl.dot(queries.to(kind), tl.trans(keys.to(kind)), input_precision="ieee") * scale
    scores = tl.where(frame[None, :] < frames, scores, float("-inf"))
    shares = tl.exp(scores - tl.max(scores, 1)[:, None])
    shares = shares / tl.sum(shares, 1)[:, None]
    result = tl.dot(shares.to(kind), values.to(kind), input_precision="ieee")
    columns = head * WIDTH + number[None, :]
    found = (frame[:, None] < frames) & (number[None, :] < WIDTH)
    tl.store(out + (pixel * frames + frame[:, None]) * channels + columns, result.to(kind), mask=found)


def fused(x: Tensor, positions: Tensor, weight: Tensor, heads: int) -> Tensor:
    """x: n f c. positions: f c. weight: (3 c) c, queries, keys and values. -> n f c."""
    pixels, frames, channels = x.shape
    x, width, out = x.contiguous(), channels // heads, torch.empty_like(x)
    padded = triton.next_power_of_2(max(width, 16))
    sizes = {"WIDTH": width, "FRAMES": triton.next_power_of_2(max(frames, 16)), "PADDED": padded}
    attend[(pixels, heads)](x, positions, weight, out, frames, width**-0.5, channels, **sizes, AT_ONCE=CHANNELS_AT_ONCE)
    return out


def plain(x: Tensor, positions: Tensor, weight: Tensor, heads: int) -> Tensor:
    """The same by torch."""
    parts = (F.linear(x + positions, part).unflatten(-1, (heads, -1)).transpose(1, 2) for part in weight.chunk(3))
    return F.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2)


def main() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    random = torch.Generator().manual_seed(1)
    print("| frames | channels | heads | float32 differs by | float16 |\n|---|---|---|---|---|")
    for frames, channels, heads in ((16, 80, 2), (5, 40, 1), (24, 48, 3)):
        x, positions = (torch.randn(*shape, channels, generator=random) for shape in ((3, frames), (frames,)))
        weight = torch.randn(3 * channels, channels, generator=random) * channels**-0.5
        expected = plain(*(each.double() for each in (x, positions, weight)), heads)
        words = [[each.to(device, kind) for each in (x, positions, weight)] for kind in (torch.float32, torch.float16)]
        differences = [(fused(*each, heads).cpu() - expected).abs().max().item() for each in words]
        print(f"| {frames} | {channels} | {heads} | {differences[0]:.1e} | {differences[1]:.1e} |")


if __name__ == "__main__":
    main()
