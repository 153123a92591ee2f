"""One contender of bench.py, in a process of its own: reads commands (JSON lines), answers each with one line.

    step    one evaluation of the model for a clip with positive and negative prompt, as a sampler asks for it
    load    the motion model's file through the contender's own loader
    imports the contender's own code, in a process that has the host already

All contenders read the same weights from the same files, which their processes share.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from in_the_host import Ours, Plain  # noqa: E402
from peers import Ade, Diffusers, StableDiffusionCpp  # noqa: E402
from scenes import SDCPP  # noqa: E402

ANSWER = "@@"
"""At the head of a line that is an answer and not somebody's log."""

CONTENDERS = {"plain": Plain, "ours": Ours, "ade": Ade, "diffusers": Diffusers}
CONTENDERS |= {name: StableDiffusionCpp for name, _ in SDCPP}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=CONTENDERS)
    parser.add_argument("--weights", type=Path, required=True, help="holds unet.safetensors and motion.safetensors")
    parser.add_argument("--arch", default="sd15", choices=["sd15", "sdxl", "small-sd15", "small-sdxl"])
    parser.add_argument("--dtype", default="float32", choices=["float32", "float16", "bfloat16"])
    parser.add_argument("--ade", type=Path)
    parser.add_argument("--sdcpp", type=Path)
    parser.add_argument("--compile", metavar="BACKEND", help="behind the host's TorchCompileModel")
    parser.add_argument("--fast", action="store_true", help="with all that the host's --fast allows")
    arguments = parser.parse_args()
    sys.argv = sys.argv[:1]
    contender = CONTENDERS[arguments.name](arguments)
    for line in sys.stdin:
        command = json.loads(line)
        answer = getattr(contender, command.pop("do"))(**command)
        print(ANSWER + json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
