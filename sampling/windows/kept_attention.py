"""Nodes that keep the UNet's self-attention for a step after guidance: in windows, they are given the whole clip's.

ComfyUI's Self-Attention Guidance replaces the middle block's self-attention by a function that keeps the negative
prompt's attention of the last call, and lays it on the clip afterwards. In windows the last call is the last window's.
"""

from collections.abc import Callable, Sequence

from torch import Tensor

from .blend import Blend

KEEPER = "attn_and_record"
"""The name of that function in `comfy_extras.nodes_sag`, which is defined anew for each node and has no other mark."""
UNCOND = 1
"""In the host's `cond_or_uncond`: the negative prompt."""
ATTENTION = "attn1"
"""The host's word for self-attention."""


class KeptAttention:
    """What one evaluation in windows keeps for such a node: the negative prompt's queries and keys of each window."""

    def __init__(self, options: dict):
        """options: `transformer_options` of the evaluation."""
        replaced = options.get("patches_replace", {}).get(ATTENTION, {})
        self.keepers = {place: each for place, each in replaced.items() if getattr(each, "__name__", "") == KEEPER}
        self.seen: dict[tuple, dict[int, tuple[Tensor, Tensor]]] = {}
        """Place -> number of a call -> (queries, keys): frames tokens channels."""
        self.extra: dict[tuple, dict] = {}

    def patched(self, options: dict, number: int) -> dict:
        """`transformer_options` of one call. number: how many windows went before."""
        if not self.keepers:
            return options
        replaced = dict(options["patches_replace"])
        own = {place: self.noting(place, keeper, number) for place, keeper in self.keepers.items()}
        replaced[ATTENTION] = replaced[ATTENTION] | own
        return options | {"patches_replace": replaced}

    def noting(self, place: tuple, keeper: Callable, number: int) -> Callable:
        def attention(q: Tensor, k: Tensor, v: Tensor, extra_options: dict) -> Tensor:
            conds = extra_options["cond_or_uncond"]
            if UNCOND in conds:
                frames = len(q) // len(conds)
                own = slice(conds.index(UNCOND) * frames, (conds.index(UNCOND) + 1) * frames)
                # With ContextRef there are more keys behind those of the frames themselves.
                self.seen.setdefault(place, {})[number] = q[own], k[own, : q.shape[1]]
                self.extra[place] = extra_options | {"cond_or_uncond": [UNCOND]}
            return keeper(q, k, v, extra_options)

        return attention

    def give(self, windows: Sequence[Sequence[int]], weights: Sequence[Sequence[float]], frames: int) -> None:
        """Lets the node keep the whole clip's, put together from all windows as the clip is."""
        for place, seen in self.seen.items():
            q, k = blended(seen, windows, weights, frames)
            self.keepers[place](q, k, k, self.extra[place])


def blended(
    seen: dict[int, tuple[Tensor, ...]],
    windows: Sequence[Sequence[int]],
    weights: Sequence[Sequence[float]],
    frames: int,
) -> list[Tensor]:
    """(frames tokens channels) each. seen: number of a call's first window -> the same of its windows, in a row."""
    first = next(iter(seen.values()))[0]
    blend = Blend(first.new_zeros(frames, 1, *first.shape[1:]).float(), 2)
    for number, tensors in seen.items():
        length = len(windows[number])
        for place, parts in enumerate(zip(*(each.unsqueeze(1).split(length) for each in tensors), strict=True), number):
            blend.add(windows[place], weights[place], [part.to(blend.totals) for part in parts])
    return [clip.squeeze(1).to(first.dtype) for clip in blend.clips()]
