"""The command `farm`: many clips of one workflow, on every GPU there is."""

import argparse
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path

from .dispatch import Dispatch, Record, Rules
from .job import Clip, Job, input_files, read_prompt, sha256_of
from .local import LocalCrew
from .progress import Progress, status_lines
from .results import ROOM_NEEDED, Folder
from .vary import parse
from .worker import Orders, Worker

COMFYUI_AROUND = Path(__file__).resolve().parents[3]
"""Where this pack lies in custom_nodes."""
SPREAD = "ADN_SpreadWindows"
EXAMPLES = """examples:
  farm workflow_api.json --vary seed=1..100 --vary text@6=@prompts.txt --output night/
  farm workflow_api.json --vary seed=1..100 --output night/ --address auto     on a cluster of Ray
  farm workflow_api.json --output night/ --gang 4                              one long clip on four GPUs
  farm night/                  goes on where it stopped
  farm night/ --status         what is done, what runs where, what failed and why
  farm workflow_api.json --vary seed=1..100 --output night/ --part 3/20        this share of it, here, without Ray
"""


def main(words: list[str]) -> int:
    """0: all clips are there. 1: some are not. 2: it could not begin."""
    arguments = parser().parse_args(words)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace", line_buffering=True)
    try:
        job, folder, inputs = asked_for(arguments)
        if arguments.status:
            print("\n".join(status_lines(folder, job)))
            return 0
        if arguments.dry_run:
            return dry_run(job)
        folder.take(job)
        with folder.held():
            return run(arguments, job, folder, inputs)
    except (ValueError, RuntimeError) as error:
        print(f"farm: {error}", file=sys.stderr)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(
            f"farm: {where}{error.strerror or error}. When that is mended, the same command goes on.", file=sys.stderr
        )
    return 2


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="farm", description=__doc__.split(": ")[1], epilog=EXAMPLES, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add(
        "source",
        type=Path,
        metavar="WORKFLOW_OR_FOLDER",
        help="Export (API) JSON, a PNG, WebP, MP4 or WebM of\nComfyUI, or the folder of a job that was begun",
    )
    add(
        "--vary",
        action="append",
        default=[],
        metavar="NAME=VALUES",
        help="an input (seed, text@6, KSampler.steps, text@Title)\nand its values: 1..100, 1..100..10, a,b (no space\n"
        "behind the comma), a cat, asleep|a dog, or @FILE with\na value a line",
    )
    add("--together", action="store_true", help="values of several --vary in step, not each with each")
    add("--output", type=Path, metavar="FOLDER", help="where the clips go")
    add("--dry-run", action="store_true", help="print the clips, and make none")
    add("--status", action="store_true", help="print how far a job is")
    add("--address", metavar="ADDRESS", help="a cluster of Ray: auto, or HOST:PORT. Else all GPUs of this machine")
    add("--part", metavar="K/N", help="the K-th of N shares, on one GPU, here, without Ray")
    add("--limit", type=seconds, default=3600, metavar="TIME", help="how long a clip may take: 90s, 60m (default), 2h")
    add("--comfyui", metavar="FOLDER", help="ComfyUI; COMFYUI_DIR on a machine comes first")
    add("--python", metavar="FILE", help="ComfyUI's Python; COMFYUI_PYTHON on a machine comes first")
    add("--input", type=Path, metavar="FOLDER", help="the input folder that the workflow's files are in (ComfyUI's)")
    add(
        "--shared", action="store_true", help="every machine sees --output under the same name, and writes there itself"
    )
    add(
        "--same-versions",
        action="store_true",
        help="leave out machines with another ComfyUI, torch or pack than the first",
    )
    add("--cores", type=int, default=0, metavar="N", help="workers that compute on the CPU, with N cores each")
    add("--gang", type=int, default=1, metavar="N", help="N GPUs make one long clip together, by Spread Windows")
    add("--workers", type=int, default=0, metavar="N", help="ask Ray for N where there is no room yet (autoscaling)")
    return parser


def seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found or not float(found[1]):
        raise argparse.ArgumentTypeError(f"'{text}' is no time: write 90s, 60m or 2h")
    return float(found[1]) * {"s": 1, "": 1, "m": 60, "h": 3600}[found[2]]


def asked_for(arguments) -> tuple[Job, Folder, dict[str, Path]]:
    """The job, its folder, and the files that it reads."""
    if arguments.source.is_dir():
        if arguments.vary or arguments.together or arguments.output:
            raise ValueError(
                f"{arguments.source} is the folder of a job that was begun: --vary, --together and --output are in it."
            )
        folder = Folder(arguments.source, part_name(arguments.part))
        job = folder.job()
    else:
        if not arguments.source.exists():
            raise ValueError(f"There is no {arguments.source}. Name a workflow, or the folder of a job that was begun.")
        prompt = read_prompt(arguments.source)
        job = Job(
            arguments.source.name, prompt, tuple(parse(text, prompt) for text in arguments.vary), arguments.together
        )
        if not arguments.output and not arguments.dry_run:
            raise ValueError("--output is missing: the folder for the clips.")
        folder = Folder(arguments.output or Path(), part_name(arguments.part))
    if arguments.status:
        return folder.job(), folder, {}
    if arguments.gang != 1:
        check_gang(arguments, job)
    inputs = input_files(job.clips(), input_folder(arguments))
    job = Job(
        job.workflow, job.prompt, job.variations, job.together, {name: sha256_of(path) for name, path in inputs.items()}
    )
    return job, folder, inputs


def check_gang(arguments, job: Job) -> None:
    """Raises ValueError where several GPUs would do no more than one."""
    if arguments.gang < 1:
        raise ValueError(f"--gang {arguments.gang} is no number of GPUs.")
    if arguments.part:
        raise ValueError("--part makes clips on one GPU, and --gang on several: leave one of them out.")
    if not any(node["class_type"] == SPREAD for node in job.prompt.values()):
        raise ValueError(
            f"--gang {arguments.gang} shares the windows of long clips, and {job.workflow} has no Spread Windows "
            "(AnimateDiff). Put it on the MODEL between Context Windows and the sampler, and export the workflow again."
        )


def part_name(text: str | None) -> str:
    if not text:
        return ""
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(f"--part {text} is no share: write 1/20 to 20/20.")
    return f"{found[1]}-of-{found[2]}"


def comfyui_folder(arguments) -> str:
    around = COMFYUI_AROUND if (COMFYUI_AROUND / "main.py").is_file() else ""
    return os.path.abspath(found) if (found := arguments.comfyui or os.environ.get("COMFYUI_DIR") or around) else ""


def input_folder(arguments) -> Path:
    if arguments.input and not arguments.input.is_dir():
        raise ValueError(f"--input {arguments.input} is no folder.")
    return arguments.input or Path(comfyui_folder(arguments) or ".", "input")


def dry_run(job: Job) -> int:
    clips = job.clips()
    for clip in clips:
        print(clip)
    for name in job.inputs:
        print(f"reads {name}")
    print(f"{len(clips)} clips")
    return 0


def run(arguments, job: Job, folder: Folder, inputs: dict[str, Path]) -> int:
    clips = job.clips()
    there = folder.done()
    left = [clip for clip in share(clips, arguments.part) if clip.name not in there]
    print(f"{len(clips)} clips, {sum(clip.name in there for clip in clips)} are there already")
    if not left:
        return 0
    if folder.room() < ROOM_NEEDED:
        raise ValueError(f"{folder.path} has {folder.room() / 1e6:.0f} MB free. Free some space, and run this again.")
    print("Starting ComfyUI ...")
    progress = Progress(folder, len(left), sys.stdout)
    with nullcontext() if arguments.part else ray_apart(folder):
        crew = crew_of(arguments, orders(arguments, left, folder, inputs))
        rules = Rules(seconds=arguments.limit, same_versions=arguments.same_versions)
        reason = made(Dispatch(left, crew, record(folder, progress), rules))
    if reason:
        print(f"farm: {reason}", file=sys.stderr)
    return closing(folder, left)


@contextmanager
def ray_apart(folder: Folder) -> Iterator[None]:
    """What Ray says, pages when a machine goes, goes into a file. The farm says it in one line."""
    with open(folder.path / "ray.log", "a", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
        yield


def made(dispatch: Dispatch) -> str:
    """Makes the clips; why it ended before the last one, else an empty text."""
    try:
        with interruptible(dispatch):
            return dispatch.run()
    except KeyboardInterrupt:
        return "stopped at once"
    finally:
        dispatch.crew.close()


def share(clips: list[Clip], part: str | None) -> list[Clip]:
    if not part:
        return clips
    k, n = map(int, part.split("/"))
    return clips[k - 1 :: n]


def orders(arguments, clips: list[Clip], folder: Folder, inputs: dict[str, Path]) -> Orders:
    return Orders(
        tuple(prompts_to_check(clips)),
        {name: path.read_bytes() for name, path in inputs.items()},
        arguments.limit,
        comfyui_folder(arguments),
        arguments.python or "",
        () if arguments.part or arguments.cores else ("OMP_NUM_THREADS",),  # which Ray sets to 1
        os.path.abspath(folder.path) if arguments.shared else "",
    )


def prompts_to_check(clips: list[Clip]) -> Iterator[dict]:
    """So many that every text that varies (a file's name may be one) is in one of them."""
    seen: set = set()
    for clip in clips:
        texts = {(name, value) for name, value in clip.values.items() if isinstance(value, str)}
        if clip is clips[0] or texts - seen:
            seen |= texts
            yield clip.prompt


def crew_of(arguments, told: Orders):
    if arguments.part:
        return LocalCrew(Worker(told))
    from .cluster import Cluster, connect

    return Cluster(connect(arguments.address), told, arguments.cores, arguments.workers, arguments.gang)


def record(folder: Folder, progress: Progress) -> Record:
    def done(clip, outcome, machine, tries):
        folder.save(clip, outcome, machine, tries)
        progress.done(clip, outcome, machine)

    def failed(clip, error, log, tries, machine):
        folder.save_failure(clip, error, log, tries, machine)
        progress.failed(clip, error)

    return Record(done, failed, progress.say, progress.running)


@contextmanager
def interruptible(dispatch: Dispatch) -> Iterator[None]:
    """Ctrl+C: the clips at hand are finished. Again: at once."""

    def asked(number, frame):
        if dispatch.stopping:
            raise KeyboardInterrupt
        dispatch.stopping = True
        dispatch.record.say("The clips at hand are finished, then it stops. Ctrl+C again stops at once.")

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def closing(folder: Folder, asked: list[Clip]) -> int:
    done, failed = folder.done(), folder.failed()
    missing = [clip for clip in asked if clip.name not in done]
    if not missing:
        print(f"All {len(asked)} clips are in {folder.path}.")
        return 0
    for clip in missing:
        if clip.name in failed:
            print(f"{clip.name} failed: {failed[clip.name]['error'].splitlines()[0]}")
    print(f"{len(missing)} of {len(asked)} clips are missing. The same command again goes on.")
    return 1
