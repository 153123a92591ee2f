"""How much memory Clip Grid takes for the clips of a list, which ComfyUI keeps as floats beside it. See FARM.md.

    COMFYUI_DIR=<a ComfyUI> <its Python> benchmarks/clip_grid.py [--clips 16] [--frames 64] [--size 512]

Linux: the most that the process had, as the kernel counts it.
"""

import argparse
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import host  # noqa: E402

host.enter(host.find_host())

import torch  # noqa: E402
from animatediff_native.nodes.grid import ClipGrid  # noqa: E402


def most() -> str:
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9:.1f} GB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("clips", 16), ("frames", 64), ("size", 512)):
        parser.add_argument(f"--{name}", type=int, default=default)
    words = parser.parse_args()
    before = most()
    clips = [torch.full((words.frames, words.size, words.size, 3), n / words.clips) for n in range(words.clips)]
    there, captions = most(), "\n".join(f"clip {n}" for n in range(words.clips))
    grid = ClipGrid.execute([4], [8], ["loop"], images=clips, captions=[captions]).result[0]
    size = f"{grid.nbytes / 1e9:.1f} GB of pictures"
    print(f"at most {most()}; {there} with the clips, {before} before them; the grid is {size}")


if __name__ == "__main__":
    main()
