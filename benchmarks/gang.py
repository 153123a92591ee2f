"""What a gang spends on telling each other their windows, without what computing them costs. See FARM.md.

    COMFYUI_DIR=<a ComfyUI> <its Python> benchmarks/gang.py [--members 2 4] [--frames 512] [--size 64]

Members are processes of this machine, so bytes go over 127.0.0.1; between machines the network comes on top.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import host  # noqa: E402

host.enter(host.find_host())

import torch  # noqa: E402
from animatediff_native.sampling.windows.gang import ENVIRONMENT, joined, place_of  # noqa: E402
from animatediff_native.sampling.windows.plan import windows  # noqa: E402
from animatediff_native.sampling.windows.presets import preset  # noqa: E402
from animatediff_native.sampling.windows.shares import over_members  # noqa: E402
from comfy_server import free_port  # noqa: E402

CONDS, EVALUATIONS = 2, 5


def member(frames: int, size: int) -> None:
    """Joins, and exchanges the results of a few evaluations; the first member prints what that took."""
    plan, clip = windows(preset("stable", 16), frames), torch.zeros(frames, 4, size, size)
    results = {len(window): torch.rand(len(window), *clip.shape[1:]) for window in plan}

    def computed(numbers: range):
        return [(number, [plan[number]], [results[len(plan[number])]] * CONDS) for number in numbers]

    start = time.monotonic()
    with joined(place_of(os.environ[ENVIRONMENT])) as gang:
        gang.numbers(0)
        met = time.monotonic() - start
        start = time.monotonic()
        for _ in range(EVALUATIONS):
            gang.from_member(0, clip)
            for _ in over_members(gang, plan, clip, CONDS, computed):
                pass
        seconds = (time.monotonic() - start) / EVALUATIONS
        if gang.rank == 0:
            megabytes = CONDS * 4 * sum(results[len(window)].numel() for window in plan) / 1e6
            print(
                f"{gang.size} members: {len(plan)} windows, {megabytes:.0f} MB, {seconds * 1000:.0f} ms an evaluation"
            )
            print(f"  met in {met:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--frames", type=int, default=512)
    parser.add_argument("--size", type=int, default=64, help="of the latents, an eighth of the pixels")
    arguments = parser.parse_args()
    if os.environ.get(ENVIRONMENT):
        member(arguments.frames, arguments.size)
        return
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    for members in arguments.members:
        port = free_port()
        places = [{ENVIRONMENT: f"{rank}/{members}@127.0.0.1:{port}"} for rank in range(members)]
        started = [subprocess.Popen([sys.executable, *sys.argv], env=os.environ | place) for place in places]
        for process in started:
            process.wait()


if __name__ == "__main__":
    main()
