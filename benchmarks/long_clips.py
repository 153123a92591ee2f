"""Memory and time over the length of a clip, on small seeded models.

    COMFYUI_DIR=DIR python benchmarks/long_clips.py [--preset fast] [--size 32] [--frames 16 32 64 128 256 512]

tensors: the most bytes that tensors held at once while sampling, weights aside. resident: the process's peak so far.
of windows: time per frame, over windows x time per window of the 32-frame clip / frames; 1 is no cost but the windows'.
"""

import argparse
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import host  # noqa: E402

host.enter(host.find_host())

from animatediff_native.sampling.windows.handler import with_windows  # noqa: E402
from animatediff_native.sampling.windows.plan import windows  # noqa: E402
from animatediff_native.sampling.windows.presets import PRESETS, preset  # noqa: E402
from clips import animated, latents, motion_model, sample  # noqa: E402
from memory import PeakMemory  # noqa: E402
from unets import unet_model  # noqa: E402

STEPS = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="fast", choices=PRESETS)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--frames", type=int, nargs="+", default=[16, 32, 64, 128, 256, 512])
    arguments = parser.parse_args()
    plan = preset(arguments.preset, 16)
    model = with_windows(animated(unet_model(), motion_model("v3")), plan)

    def run(frames: int) -> float:
        start = time.perf_counter()
        sample(model, latent_image=latents(frames, arguments.size, arguments.size), steps=STEPS)
        return time.perf_counter() - start

    run(32)
    times = f"{'s':>8}{'s/frame':>10}{'s/window':>10}{'of windows':>12}"
    print(f"{'frames':>8}{'windows':>9}{times}{'tensors MB':>12}{'resident MB':>13}")
    per_window = None
    for frames in arguments.frames:
        count = len(windows(plan, frames)) * STEPS if plan.applies_to(frames) else STEPS
        seconds = min(run(frames) for _ in range(3 if frames <= 32 else 1))
        if per_window is None and plan.applies_to(frames):
            per_window = seconds / count
        share = seconds / count / per_window if per_window else float("nan")
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        with PeakMemory() as memory:
            run(frames)
        times = f"{seconds:8.2f}{seconds / frames:10.4f}{seconds / count:10.3f}{share:12.3f}"
        print(f"{frames:8}{count:9}{times}{memory.peak / 1e6:12.1f}{resident:13.0f}", flush=True)


if __name__ == "__main__":
    main()
