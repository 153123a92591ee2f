"""What the farm itself costs: clips a minute, its loop, and the time from a death to the next clip. See FARM.md.

    python benchmarks/farm.py [--workers 1 2 4] [--seconds 1]

ComfyUI is a stand-in (tests/support/fake_comfy.py) that waits and then writes 2 MB, so that what is measured is the
farm, on a simulated cluster of Ray on this machine: Linux, ray from tests/requirements.txt.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

import fake_comfy  # noqa: E402
from simulated_cluster import kill, parent_of, processes, simulated  # noqa: E402


class Night:
    """A job in a folder of its own, and what is seen of it from outside."""

    def __init__(self, folder: Path, address: str, clips: int, seconds: float):
        self.folder = folder
        folder.mkdir()
        prompt = {"6": {"class_type": "Fake", "inputs": {"seed": 0, "seconds": seconds, "bytes": 2_000_000}}}
        (folder / "w.json").write_text(json.dumps(prompt))
        words = ["w.json", "--vary", f"seed=1..{clips}", "--output", "night", "--address", address, "--cores", "1"]
        command = [sys.executable, str(ROOT), "farm", *words]
        self.said = folder / "said.txt"
        with open(self.said, "wb") as said:
            self.process = subprocess.Popen(command, cwd=folder, stdout=said, stderr=said)

    def when(self, text: str, times: int = 1) -> float:
        """The moment when the farm has said it so often."""
        while self.said.read_text().count(text) < times:
            if self.process.poll() is not None and self.said.read_text().count(text) < times:
                raise SystemExit(self.said.read_text())
            time.sleep(0.01)
        return time.monotonic()


def clips_a_minute(nodes, folder: Path, workers: int, clips: int, seconds: float) -> float:
    """From the moment when all workers are ready."""
    night = Night(folder, nodes.address, clips * workers, seconds)
    start, before = night.when("is ready.", workers), night.said.read_text().count("[")
    end = night.when("All ")
    night.process.wait()
    return (clips * workers - before) / (end - start) * 60


def death(nodes, folder: Path, workers: int) -> tuple[float, float, float]:
    """Seconds from a worker's death until it is known, its clip is done by another, and a new worker is ready."""
    night = Night(folder, nodes.address, 20 * workers, 2)
    night.when("is ready.", workers)
    night.when(f"[{workers}/")
    kill(parent_of(processes(str(folder.parent / "animatediff-farm-"))[0]))
    start = time.monotonic()
    known = night.when("goes to the next free one") - start
    ready = night.when("is ready.", workers + 1) - start
    lost = night.said.read_text().split("was lost, and ")[1].split()[0]
    done = night.when(f"] {lost}") - start
    night.process.kill()
    return known, done, ready


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--seconds", type=float, default=1.0, help="that a clip takes in the stand-in")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="farm", dir="/tmp", ignore_cleanup_errors=True) as place:
        place = Path(place)
        comfyui = place / "ComfyUI"
        comfyui.mkdir()
        shutil.copy(fake_comfy.__file__, comfyui / "main.py")
        with simulated() as nodes:
            os.environ["TMPDIR"] = str(place)  # of the workers, by which they are known
            there = 0
            for workers in arguments.workers:
                for _ in range(workers - there):
                    nodes.add(comfyui)
                there = workers
                found = clips_a_minute(nodes, place / f"n{workers}", workers, 20, arguments.seconds)
                more = workers * 60 / found - arguments.seconds
                print(f"{workers} workers: {found:.0f} clips a minute, {more:.2f} s more a clip", flush=True)
            if there > 1:
                print(
                    "a death: known after {:.2f} s, its clip done after {:.1f} s, a new worker after {:.1f} s".format(
                        *death(nodes, place / "death", there)
                    )
                )


if __name__ == "__main__":
    main()
