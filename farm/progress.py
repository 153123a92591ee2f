"""What a user sees: a line for each clip, the time to go, and `--status`."""

import time
from collections.abc import Iterator
from typing import TextIO

from .job import Clip, Job
from .results import Folder
from .worker import Machine, Outcome


class Progress:
    def __init__(self, folder: Folder, clips: int, out: TextIO):
        self.folder, self.clips, self.out = folder, clips, out
        self.ended, self.start = 0, 0.0
        self.noted: list[dict] = []
        self.note_again = 0.0

    def say(self, text: str) -> None:
        """A worker's coming, going and trying again. The time to go counts from the first of them."""
        self.start = self.start or time.monotonic()
        print(text, file=self.out)

    def done(self, clip: Clip, outcome: Outcome, machine: Machine) -> None:
        self.ended += 1
        self.say(f"[{self.ended}/{self.clips}] {clip}  {outcome.seconds:.0f} s on {machine}{self.to_go()}")

    def failed(self, clip: Clip, error: str) -> None:
        self.ended += 1
        self.say(f"[{self.ended}/{self.clips}] {clip}  FAILED: {error.splitlines()[0] if error else ''}")

    def to_go(self) -> str:
        left = self.clips - self.ended
        return f", {duration((time.monotonic() - self.start) / self.ended * left)} to go" if left else ""

    def running(self, hands: dict) -> None:
        """Notes for `--status` who is at what, where that has changed; once a second at most."""
        if time.monotonic() < self.note_again:
            return
        workers = [
            {"machine": str(hand.machine), "clip": hand.clip.name if hand.clip else "", "out": hand.out}
            for hand in hands.values()
            if hand.machine
        ]
        if workers != self.noted:
            self.noted, self.note_again = workers, time.monotonic() + 1
            self.folder.note_running(workers)


def status_lines(folder: Folder, job: Job) -> Iterator[str]:
    clips = job.clips()
    done, failed, running = folder.done(), folder.failed(), folder.running()
    finished = [done[clip.name] for clip in clips if clip.name in done]
    yield f"{len(finished)} of {len(clips)} clips are done"
    busy = [worker for worker in running if worker["clip"]]
    for worker in running:
        yield f"  {worker['machine']}: {worker['clip'] or worker['out'] or 'waits'}"
    for clip in clips:
        if clip.name in failed:
            line = failed[clip.name]
            yield f"  {clip}  failed after {line['tries']} tries: {line['error'].splitlines()[0]}"
    left = len(clips) - len(finished) - sum(clip.name in failed for clip in clips)
    if finished and left:
        seconds, workers = sum(line["seconds"] for line in finished) / len(finished), max(1, len(busy))
        yield f"{seconds:.0f} s a clip; {left} to go: {duration(seconds * left / workers)} on {workers} GPUs"
    elif left and not running:
        yield "No farm works on it at this moment."


def duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
