"""A crew of one, in this process: for a part k/n, where something else (Slurm, Deadline, you) starts the parts."""

from collections.abc import Iterator

from .dispatch import DONE, READY, Event
from .job import Clip
from .worker import Worker


class LocalCrew:
    def __init__(self, worker: Worker):
        self.worker = worker
        self.starting = False
        self.clip: Clip | None = None

    def places(self) -> int:
        return 1

    def recruit(self) -> str:
        self.starting = True
        return "here"

    def give(self, worker: str, clip: Clip) -> None:
        self.clip = clip

    def hold(self, worker: str) -> None:
        self.worker.stop()

    def dismiss(self, worker: str) -> None:
        self.worker.stop()

    def close(self) -> None:
        self.worker.stop()

    def wait(self, seconds: float) -> Iterator[Event]:
        """Makes the clip at hand, however long that takes: the worker itself keeps to the limit."""
        if self.starting:
            self.starting = False
            yield Event("here", READY, self.worker.start())
        elif self.clip:
            clip, self.clip = self.clip, None
            yield Event("here", DONE, self.worker.make(clip.name, clip.prompt))
