"""How visible the joints between context windows are, plan by plan, on small seeded models.

    COMFYUI_DIR=DIR python benchmarks/seams.py [--frames 64] [--steps 8] [--seeds 2] [--only NAME ...] [--curve FILE]

Every frame starts from the same noise (but for FreeNoise), so that what changes from frame to frame is motion alone.
seam: mean change between neighbouring frames where the last step's windows meet or overlap, over that inside windows;
1 is no seam. wrap: the change from the last frame to the first, over that. cost: frames computed per frame of the clip.
Of long windows with views, the views are what meets. Then the same clip of 96 frames in one piece and in three.
--curve draws the change from frame to frame of each plan, with its joints.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import host  # noqa: E402

host.enter(host.find_host())

import torch  # noqa: E402
from animatediff_native.sampling.noise.draw import CONSTANT, FREENOISE, REPLACE, Draw, Layer  # noqa: E402
from animatediff_native.sampling.pieces import sample_piece  # noqa: E402
from animatediff_native.sampling.run import with_noise  # noqa: E402
from animatediff_native.sampling.windows import plan as schedules  # noqa: E402
from animatediff_native.sampling.windows.handler import with_windows  # noqa: E402
from animatediff_native.sampling.windows.plan import (  # noqa: E402
    LOOPED_UNIFORM,
    STANDARD_SHIFTED,
    STANDARD_STATIC,
    STANDARD_UNIFORM,
    WindowPlan,
    windows,
)
from animatediff_native.sampling.windows.presets import PRESETS, preset  # noqa: E402
from clips import animated, conditioning, latents, motion_model, sample  # noqa: E402
from seam import changes, joints, seam  # noqa: E402
from unets import unet_model  # noqa: E402

LENGTH, OVERLAP, SIZE = 16, 4, 8
ANCHORED = "anchored static"


def anchored_static(plan: WindowPlan, frames: int, step: int) -> list[list[int]]:
    """standard_static with the clip's first frame at the head of every window."""
    rest = schedules.standard_static(replace(plan, context_length=plan.context_length - 1), frames, step)
    return [window if window[0] == 0 else [0, *window] for window in rest]


schedules.SCHEDULES[ANCHORED] = anchored_static


def plans() -> dict[str, tuple[WindowPlan, str]]:
    """Name -> (plan, kind of noise)."""
    found = {}
    for schedule in (STANDARD_STATIC, STANDARD_SHIFTED, STANDARD_UNIFORM, LOOPED_UNIFORM):
        for method in ("flat", "pyramid", "overlap-linear"):
            loop = schedule == LOOPED_UNIFORM
            plan = WindowPlan(schedule, LENGTH, OVERLAP, closed_loop=loop, fuse_method=method)
            found[f"{schedule} {method}"] = (plan, CONSTANT)
    found[f"{ANCHORED} pyramid"] = (WindowPlan(ANCHORED, LENGTH, OVERLAP), CONSTANT)
    for schedule in (STANDARD_STATIC, STANDARD_SHIFTED):
        found[f"{schedule} pyramid, FreeNoise"] = (WindowPlan(schedule, LENGTH, OVERLAP), FREENOISE)
    return found | {f"preset {name}": (preset(name, LENGTH), CONSTANT) for name in PRESETS}


def measure_plans(unet, motion, arguments: argparse.Namespace) -> None:
    print(f"{'plan':42}{'seam':>8}{'wrap':>8}{'cost':>8}")
    curves = {}
    for name, (plan, noise) in plans().items():
        if arguments.only and name not in arguments.only:
            continue
        model = with_noise(with_windows(animated(unet, motion), plan), Layer(Draw(noise), REPLACE))
        last = attended(plan, arguments.frames, arguments.steps - 1)
        rows = []
        for seed in range(arguments.seeds):
            image = latents(arguments.frames, SIZE, SIZE)
            clip = sample(model, steps=arguments.steps, seed=seed, latent_image=image)
            rows.append(seam(clip, last))
        curves[name] = (changes(clip)[:-1], joints(last, arguments.frames))
        every = [len(w) for step in range(arguments.steps) for w in windows(plan, arguments.frames, step)]
        cost = sum(every) / arguments.steps / arguments.frames
        mean_seam, mean_wrap = (sum(column) / len(rows) for column in zip(*rows, strict=True))
        print(f"{name:42}{mean_seam:8.3f}{mean_wrap:8.3f}{cost:8.2f}", flush=True)
    if arguments.curve:
        draw(curves, arguments.curve)


def attended(plan: WindowPlan, frames: int, step: int) -> list[list[int]]:
    """The frames that attend to each other: the windows, or the views inside them."""
    found = windows(plan, frames, step)
    if plan.views is None:
        return found
    return [[window[i] for i in view] for window in found for view in windows(plan.views, len(window), step)]


def draw(curves: dict, path: str) -> None:
    """A picture of the change from each frame to the next; joints are marked."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(len(curves), 1, figsize=(9, 1.7 * len(curves)), sharex=True, squeeze=False)
    for axis, (name, (change, at)) in zip(axes[:, 0], curves.items(), strict=True):
        axis.plot(change / change.mean(), color="tab:blue", linewidth=1)
        axis.plot(at, (change / change.mean())[at], ".", color="tab:orange", markersize=4)
        axis.set_title(name, fontsize=9, loc="left")
        axis.set_ylim(0, 2)
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1][0].set_xlabel("frame")
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def measure_pieces(unet, motion, arguments: argparse.Namespace) -> None:
    """The change across frames 31|32 and 63|64, over the mean change, in one piece and in three."""
    model = with_windows(animated(unet, motion), preset("stable", LENGTH))
    words = {"steps": arguments.steps, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal"}
    print(f"\n{'96 frames, stable, in':42}{'joints':>8}")
    for count in (1, 3):
        joints = []
        for seed in range(arguments.seeds):
            clip = None
            for _ in range(count):
                latent = {"samples": latents(96 // count, SIZE, SIZE)}
                with torch.inference_mode():
                    clip, _ = sample_piece(model, latent, clip, seed, conditioning(5), conditioning(6), **words)
            change = changes(clip)[:-1]
            joints.append((change[[31, 63]].mean() / change.mean()).item())
        print(f"{count:<42}{sum(joints) / len(joints):8.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these plans alone")
    parser.add_argument("--curve", metavar="FILE", help="a picture of the changes from frame to frame")
    arguments = parser.parse_args()
    unet, motion = unet_model(), motion_model("v3")
    measure_plans(unet, motion, arguments)
    if not arguments.only:
        measure_pieces(unet, motion, arguments)


if __name__ == "__main__":
    main()
