"""How visible the joints between context windows are, plan by plan, on small seeded models.

    COMFYUI_DIR=DIR python benchmarks/seams.py [--frames 24] [--steps 6] [--seeds 3]

seam: mean change between neighbouring frames across the borders of the last step's windows, over that inside windows;
1 is no seam. wrap: the same between the last frame and the first. cost: frames computed per frame of the clip.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import host  # noqa: E402

host.enter(host.find_host())

import torch  # noqa: E402
from animatediff_native.sampling.handler import with_windows  # noqa: E402
from animatediff_native.sampling.noise import FREENOISE, REPLACE, Draw, Layer  # noqa: E402
from animatediff_native.sampling.presets import PRESETS, preset  # noqa: E402
from animatediff_native.sampling.run import with_noise  # noqa: E402
from animatediff_native.sampling.windows import (  # noqa: E402
    LOOPED_UNIFORM,
    STANDARD_STATIC,
    STANDARD_UNIFORM,
    WindowPlan,
    windows,
)
from clips import animated, motion_model, sample  # noqa: E402
from unets import unet_model  # noqa: E402

LENGTH, OVERLAP = 8, 2


def plans() -> dict[str, tuple[WindowPlan, bool]]:
    """Name -> (plan, with FreeNoise)."""
    found = {}
    for schedule in (STANDARD_STATIC, STANDARD_UNIFORM, LOOPED_UNIFORM):
        for method in ("flat", "pyramid", "overlap-linear"):
            loop = schedule == LOOPED_UNIFORM
            plan = WindowPlan(schedule, LENGTH, OVERLAP, closed_loop=loop, fuse_method=method)
            found[f"{schedule} {method}"] = (plan, False)
    for schedule in (STANDARD_STATIC, STANDARD_UNIFORM):
        found[f"{schedule} pyramid, FreeNoise"] = (WindowPlan(schedule, LENGTH, OVERLAP), True)
    return found | {f"preset {name}": (preset(name, LENGTH), False) for name in PRESETS}


def seam(clip: torch.Tensor, last: list[list[int]]) -> tuple[float, float]:
    """clip: frames c h w; last: the last step's windows. -> (seam, wrap)"""
    frames = clip.shape[0]
    change = (clip.roll(-1, 0) - clip).abs().mean(dim=(1, 2, 3))  # [i]: from frame i to the next; the last to the first
    borders = {(window[0] - 1) % frames for window in last} | {window[-1] for window in last}
    borders.discard(frames - 1)
    inside = [i for i in range(frames - 1) if i not in borders]
    level = change[inside].mean()
    return (change[sorted(borders)].mean() / level).item(), (change[-1] / level).item()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    unet, motion = unet_model(), motion_model("v3")
    print(f"{'plan':38}{'seam':>8}{'wrap':>8}{'cost':>8}")
    for name, (plan, shuffled) in plans().items():
        model = with_windows(animated(unet, motion), plan)
        if shuffled:
            model = with_noise(model, Layer(Draw(FREENOISE), REPLACE))
        last = windows(plan, arguments.frames, arguments.steps - 1)
        rows = []
        for seed in range(arguments.seeds):
            clip = sample(model, arguments.frames, arguments.steps, seed=seed, scheduler="normal")
            rows.append(seam(clip, last))
        every = [len(w) for step in range(arguments.steps) for w in windows(plan, arguments.frames, step)]
        cost = sum(every) / arguments.steps / arguments.frames
        mean_seam, mean_wrap = (sum(column) / len(rows) for column in zip(*rows, strict=True))
        print(f"{name:38}{mean_seam:8.3f}{mean_wrap:8.3f}{cost:8.2f}", flush=True)


if __name__ == "__main__":
    main()
