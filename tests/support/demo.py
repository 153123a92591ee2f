"""`python dev.py demo`: the example workflow on a real ComfyUI, from the start of the server to the saved animation."""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import seeded
from comfy_server import ROOT, ComfyServer, ServerError, has_gpu, link
from PIL import Image
from workflows import example, nodes_of, to_prompt

WORKFLOW = "Text to Animation"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--comfyui", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--motion-model", type=Path)
    arguments = parser.parse_args()
    base = ROOT / ".dev" / "demo"
    try:
        checkpoint, motion_model = models(arguments, base)
        print(f"starting ComfyUI in {arguments.comfyui}", flush=True)
        with ComfyServer(arguments.comfyui, base, output=ROOT / "output") as server:
            prompt = to_prompt(example(WORKFLOW), server.get("/object_info"))
            nodes_of(prompt, "CheckpointLoaderSimple")[0]["ckpt_name"] = checkpoint
            nodes_of(prompt, "ADN_LoadMotionModel")[0]["model_name"] = motion_model
            if arguments.checkpoint is None and not has_gpu():
                nodes_of(prompt, "EmptyLatentImage")[0].update(width=128, height=128)
                nodes_of(prompt, "KSampler")[0].update(steps=8)
                print("no GPU and small models: 128 x 128 pixels and 8 steps instead of the workflow's own")
            start = time.monotonic()
            outputs = server.run(prompt, show_progress)
            seconds = time.monotonic() - start
            for file in server.files(outputs):
                describe(file, seconds)
    except ServerError as error:
        print(f"\n{error}\nThe server's log: {base / 'server.log'}", file=sys.stderr)
        return 1
    return 0


def models(arguments: argparse.Namespace, base: Path) -> tuple[str, str]:
    """The names of the checkpoint and the motion model, both put where the server looks."""
    own = {"checkpoints": arguments.checkpoint, "animatediff_models": arguments.motion_model}
    if all(own.values()):
        for kind, file in own.items():
            if not file.is_file():
                raise ServerError(f"There is no file {file}. Name the {kind} file that you want to use.")
            link(file, base / "models" / kind / file.name)
        return arguments.checkpoint.name, arguments.motion_model.name
    if any(own.values()):
        raise ServerError(
            "Name both --checkpoint and --motion-model: built weights of one do not fit trained weights of the other."
        )
    print(
        "using small models that know clouds of colour and nothing else; --checkpoint and --motion-model take yours",
        flush=True,
    )
    environment = os.environ | {"COMFYUI_DIR": str(arguments.comfyui)}
    subprocess.run([sys.executable, seeded.__file__, str(base), "clouds"], check=True, env=environment)
    return seeded.CHECKPOINT, seeded.MOTION_MODEL


def show_progress(class_type: str, step: int, steps: int) -> None:
    width = 30
    filled = width * step // max(steps, 1)
    print(f"\r{class_type:12} [{'#' * filled}{'.' * (width - filled)}] {step}/{steps}", end="", flush=True)
    if step == steps:
        print(flush=True)


def describe(file: Path, seconds: float) -> None:
    size = f"{file.stat().st_size / 1e6:.2f} MB"
    if file.suffix == ".webp":
        with Image.open(file) as picture:
            size = f"{picture.n_frames} frames of {picture.width} x {picture.height}, {size}"
    print(f"{file} ({size}), {seconds:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
