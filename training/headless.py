"""The command `train PLAN.json`: a run that a Train node wrote down, without the page, on one GPU or on many.

python custom_nodes/animatediff-native train plan.json
torchrun --nproc-per-node 4 custom_nodes/animatediff-native train plan.json
"""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger("animatediff")


STOPPED = 130
"""What a shell has for a program that Ctrl+C ended."""


def main(words: list[str]) -> int:
    arguments = arguments_of(words)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        enter_host(arguments)
        return train(arguments)
    except (ValueError, RuntimeError, OSError) as reason:
        log.error("%s", reason)
        return 1
    except KeyboardInterrupt:
        return STOPPED


def arguments_of(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="train", description="Does a training run that a Train node wrote down.")
    parser.add_argument("plan", type=Path, help="the plan.json; its clips.safetensors lies beside it")
    parser.add_argument(
        "--comfyui", type=Path, help="ComfyUI's folder, where this pack does not lie in its custom_nodes"
    )
    parser.add_argument("--models", type=Path, help="a further extra_model_paths.yaml")
    parser.add_argument("--output", type=Path, help="the folder for checkpoints, plot and samples; ComfyUI's otherwise")
    parser.add_argument("--steps", type=int, help="how many steps, in place of the plan's")
    parser.add_argument("--start-anew", action="store_true", help="forget what a stopped run of this name has saved")
    parser.add_argument(
        "--resume", action="store_true", help="go on where a run of this name was stopped (the default)"
    )
    parser.add_argument("--dry-run", action="store_true", help="check it all, say what it needs, and train nothing")
    return parser.parse_args(words)


def enter_host(arguments: argparse.Namespace) -> None:
    """Makes the host importable, for one process of those that torchrun started. Raises RuntimeError without one."""
    folder = arguments.comfyui or Path(os.environ.get("COMFYUI_DIR") or Path(__file__).resolve().parents[3])
    if not (folder / "comfy" / "model_patcher.py").is_file():
        raise RuntimeError(f"There is no ComfyUI in '{folder}'. Name its folder: --comfyui FOLDER.")
    if arguments.models is not None and not arguments.models.is_file():
        raise ValueError(
            f"'{arguments.models}' is not there. Name an extra_model_paths.yaml as --models, or leave it out."
        )
    sys.path.insert(0, str(folder.resolve()))
    import torch

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    import comfy.options

    # The host reads its settings from the command line, on which ours have been read already.
    found = any(kind.is_available() for kind in (torch.cuda, torch.xpu, torch.backends.mps))
    sys.argv[1:] = [] if found else ["--cpu"]
    comfy.options.enable_args_parsing()
    import utils.extra_config

    for paths in (folder / "extra_model_paths.yaml", arguments.models):
        if paths is not None and paths.is_file():
            utils.extra_config.load_extra_path_config(str(paths))
    import folder_paths

    if arguments.output is not None:
        folder_paths.set_output_directory(str(arguments.output.resolve()))

    from ..motion.load import register_folders

    register_folders()


@contextmanager
def between_steps() -> Iterator[None]:
    """Ctrl+C, and the SIGTERM by which queues announce the end, stop a run between two steps, so that what it saves is
    whole. A second one stops it at once."""
    import comfy.model_management

    def back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def asked(number, frame) -> None:
        log.info("It stops between two steps, and saves. Again stops it at once.")
        back()
        comfy.model_management.interrupt_current_processing()

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        back()


def train(arguments: argparse.Namespace) -> int:
    import comfy.model_management
    import comfy.sd

    from ..motion.load import load_motion_model
    from . import runs
    from .distributed import joined
    from .jobs import CLIPS, found, job_of, read_clips

    if not arguments.plan.is_file():
        raise ValueError(f"'{arguments.plan}' is not there. Let a Train node write one: write_plan.")
    job = job_of(arguments.plan.read_text(encoding="utf-8", errors="replace"))
    examples = read_clips(arguments.plan.with_name(CLIPS))
    checkpoint = found(job.checkpoint, "checkpoints")
    model = comfy.sd.load_checkpoint_guess_config(checkpoint, output_vae=False, output_clip=False)[0]
    motion_model = load_motion_model(found(job.motion_model, "animatediff_models")) if job.motion_model else None
    order = runs.Order(model, motion_model, examples, job.plan, resume=not arguments.start_anew, steps=arguments.steps)
    if arguments.dry_run:
        log.info("%s", runs.described(order))
        return 0
    with joined() as world:
        if not world.is_first:
            log.setLevel(logging.WARNING)
        try:
            with between_steps():
                state, paths = runs.run(order, log.info, world)
        except comfy.model_management.InterruptProcessingException:
            return STOPPED
        for path in paths if world.is_first else ():
            log.info("%s: %d steps.", path, state.step)
    return 0
