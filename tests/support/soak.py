"""Many prompts in one server: `python dev.py soak --prompts 200`. Its memory, files and threads must stay as they were
when every template had been there once, with its models.

Templates, sizes, frames and seeds change from prompt to prompt, and every fifth prompt is cancelled while it samples.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import host
import seeded
from comfy_server import ComfyServer, ServerError
from small_graphs import small
from workflows import TEMPLATES, example, nodes_of, to_prompt

MEGABYTES = 150
"""How much more memory may be taken at the end: what the allocator keeps, and no clip more."""
NAMES = [name for name in TEMPLATES if "SDXL" not in name]
WARM = len(NAMES)
"""Prompts after which nothing may grow."""


@dataclass(frozen=True)
class Measured:
    megabytes: int
    files: int
    threads: int
    cancelled: bool = False


def measured(process: int, cancelled: bool = False) -> Measured:
    folder = Path("/proc", str(process))
    pages = int((folder / "statm").read_text().split()[1])
    threads = len(list((folder / "task").iterdir()))
    return Measured(
        pages * os.sysconf("SC_PAGE_SIZE") // 2**20, len(list((folder / "fd").iterdir())), threads, cancelled
    )


def prompt_of(chance: random.Random, object_info: dict, name: str) -> dict:
    prompt = small(
        to_prompt(example(name), object_info),
        pixels=chance.choice([64, 64, 128]),
        steps=chance.choice([1, 2]),
        frames=chance.choice([4, 8, 12]),
    )
    for node in (*nodes_of(prompt, "KSampler"), *nodes_of(prompt, "ADN_ContextSampler")):
        node["seed"] = chance.randrange(2**32)
    for node in nodes_of(prompt, "ADN_TrainMotionLoRA"):
        node["name"] = f"run {chance.randrange(2**32)}"  # a new one: other clips do not go on from it
    return prompt


def soaked(server: ComfyServer, prompts: int, names: list[str] = NAMES, seed: int = 0) -> Iterator[Measured]:
    """What the server has after each prompt. Every template comes once, and then any."""
    chance, object_info = random.Random(seed), server.get("/object_info")
    for number in range(1, prompts + 1):
        cancelled = number % 5 == 0
        name = names[number - 1] if number <= len(names) else chance.choice(names)

        def stop(node, done, total, cancelled=cancelled):
            if cancelled and "Sampler" in node:
                server.post("/interrupt")

        try:
            server.run(prompt_of(chance, object_info, name), stop)
        except ServerError as error:
            if not cancelled or "interrupted" not in str(error):
                raise
        time.sleep(0.2)  # what ends with a prompt has ended
        yield measured(server.process.pid, cancelled)


def grown(found: list[Measured], warm: int = WARM, few: int = 10) -> dict[str, int]:
    """How much more the last `few` prompts have than as many after the first `warm`: medians."""
    early, late = found[warm : warm + few], found[-few:]
    return {
        name: round(median(getattr(each, name) for each in late) - median(getattr(each, name) for each in early))
        for name in ("megabytes", "files", "threads")
    }


def is_flat(more: dict[str, int]) -> bool:
    return more["megabytes"] <= MEGABYTES and more["files"] <= 2 and more["threads"] <= 2


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.py soak", description=__doc__)
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no prompt after that time")
    words = parser.parse_args()
    comfyui, start = Path(os.environ["COMFYUI_DIR"]), time.monotonic()
    host.enter_host(comfyui)
    with tempfile.TemporaryDirectory(prefix="soak-") as base:
        seeded.make_models(Path(base), "all")
        with ComfyServer(comfyui, Path(base), "--cpu") as server:
            found = []
            for each in soaked(server, words.prompts):
                found.append(each)
                sys.stdout.write(f"{len(found):4} {each}\n")
                sys.stdout.flush()
                if time.monotonic() - start > words.seconds:
                    break
    if len(found) < 2 * WARM:
        sys.exit(f"{len(found)} prompts are too few to tell: let it run {2 * WARM} at least.")
    more = grown(found)
    sys.stdout.write(
        f"{len(found)} prompts survived, {sum(each.cancelled for each in found)} of them cancelled; "
        f"after the first {WARM}: {more['megabytes']:+} MB, {more['files']:+} open files, {more['threads']:+} threads\n"
    )
    return int(not is_flat(more))


if __name__ == "__main__":
    sys.exit(main())
