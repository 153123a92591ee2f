"""Opens files that are broken on purpose: `python dev.py fuzz`, or one seed again: `dev.py fuzz --seed 17 --files 1`.

Each must load, or be refused with one sentence, within seconds and without memory that stays taken.
"""

import argparse
import faulthandler
import os
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import host

SECONDS = 5.0
"""The longest that a file may take, of this process' own time: the machine may have other work."""
LETTERS = 700
"""The longest sentence, without the path of the file."""
MEGABYTES = 400
"""How much more memory may be taken at any moment, by files of up to ten megabytes."""
LEAST_GROWTH = 64


@dataclass
class Outcomes:
    loaded: int = 0
    refused: Counter = field(default_factory=Counter)
    """How each sentence goes on after the file's name, in its first words -> how often."""
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def add(self, seed: int, what: str, path: Path, load) -> None:
        start = time.process_time()
        faulthandler.dump_traceback_later(12 * SECONDS, exit=True)
        try:
            load(str(path))
            self.loaded += 1
        except ValueError as error:
            if mistake := wrong_with(str(error), path.name):
                self.fault(seed, what, f"{mistake}: {str(error)[:300]!r}\n{traceback.format_exc()[-1500:]}")
            else:
                self.refused[" ".join(str(error).replace(f"'{path.name}' ", "").split()[:4])] += 1
        except Exception:
            self.fault(seed, what, traceback.format_exc()[-3000:])
        finally:
            faulthandler.cancel_dump_traceback_later()
        took = time.process_time() - start
        self.slowest = max(self.slowest, took)
        if took > SECONDS:
            self.fault(seed, what, f"took {took:.1f} s")

    def fault(self, seed: int, what: str, text: str) -> None:
        self.faults.append(f"seed {seed}, {what}\n{text}")
        sys.stderr.write(f"{self.faults[-1]}\n\n")  # at once: the next one may end the process

    def summary(self, files: int) -> str:
        return (
            f"{files} broken files: {self.loaded} loaded, {sum(self.refused.values())} refused with a sentence "
            f"({len(self.refused)} different ones), {len(self.faults)} faults; the slowest took {self.slowest:.1f} s"
        )


def wrong_with(sentence: str, name: str) -> str:
    """What is wrong with an error's text as a sentence for users; "" where nothing is."""
    if "\n" in sentence or not sentence.isprintable():
        return "more than a line"
    if len(sentence) > LETTERS:
        return f"{len(sentence)} letters"
    about = name in sentence or sentence.startswith(("This is not a training plan", "The training plan has"))
    return "" if (about or name.endswith(".json")) and sentence.endswith(".") else "no sentence about the file"


def open_all(seeds: range, folder: Path) -> Outcomes:
    """Opens the file of each seed: three of four are model files."""
    from animatediff_native.motion.camera import load_camera
    from animatediff_native.motion.load import load_motion_model
    from animatediff_native.motion.lora import load_motion_lora
    from animatediff_native.motion.objects import load_objects
    from animatediff_native.motion.sparse_net import load_sparse_net
    from broken_files import Code, broken_file
    from broken_others import broken_other

    loaders = {"motion model": load_motion_model, "motion LoRA": load_motion_lora}
    loaders |= {"SparseCtrl": load_sparse_net, "CameraCtrl": load_camera, "objects": load_objects}
    Code.ran = folder / "ran-by-a-pickle"
    outcomes = Outcomes()
    for seed in seeds:
        if seed % 4:
            path, loader, what = broken_file(seed, folder)
            load = loaders[loader]
        else:
            path, load, what = broken_other(seed, folder)
        before = memory()
        outcomes.add(seed, what, path, load)
        if memory() - before > MEGABYTES:
            outcomes.fault(seed, what, f"took {memory() - before} MB")
        if Code.ran.exists():
            outcomes.fault(seed, what, "its code was run")
            Code.ran.unlink()
        path.unlink()
    return outcomes


def memory() -> int:
    """Megabytes that this process had at its most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def memory_now() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.py fuzz", description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the first file; each further one has the next")
    words = parser.parse_args()
    host.enter(Path(os.environ["COMFYUI_DIR"]))
    import logging

    logging.getLogger("animatediff").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        half = words.files // 2
        first = open_all(range(words.seed, words.seed + half), Path(folder))
        between = memory_now()
        second = open_all(range(words.seed + half, words.seed + words.files), Path(folder))
    grown = memory_now() - between
    second.loaded += first.loaded
    second.refused += first.refused
    second.faults = first.faults + second.faults
    second.slowest = max(first.slowest, second.slowest)
    sys.stdout.write(f"{second.summary(words.files)}; memory grew by {grown} MB over the second half\n")
    return int(bool(second.faults) or grown > LEAST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
