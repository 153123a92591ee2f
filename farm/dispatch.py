"""Who makes which clip, and what happens when it goes wrong. Workers are an interface here: Ray's, or this process.

A clip is given out until it is done or has failed three times, to another worker each time where there is one. A worker
that is lost costs the clip at hand one try. One that cannot work is kept, idle: so Ray puts no other in its place.
"""

import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from .job import Clip
from .worker import Machine, Outcome

LARGER = 1.05
"""GPUs of one kind tell sizes that differ a little."""
PATIENCE = 60
READY, DONE, LOST = "ready", "done", "lost"


@dataclass(frozen=True)
class Event:
    worker: Hashable
    kind: str
    value: Machine | Outcome | str
    """READY: its machine. DONE: what came of its clip. LOST: why."""


class Crew(Protocol):
    def places(self) -> int:
        """How many workers there is room for."""

    def recruit(self) -> Hashable:
        """Asks for a worker; READY comes when it is there, which may be never."""

    def give(self, worker: Hashable, clip: Clip) -> None: ...

    def hold(self, worker: Hashable) -> None:
        """It gets no more clips, and keeps its place: without ComfyUI, until all is done. LOST comes where it ends."""

    def dismiss(self, worker: Hashable) -> None:
        """Ends a worker, whatever it does."""

    def wait(self, seconds: float) -> Iterable[Event]: ...


@dataclass(frozen=True)
class Rules:
    tries: int = 3
    """Of one clip."""
    failures: int = 3
    """Different clips in a row of one worker."""
    lost_starts: int = 10
    """Workers in a row that are lost before they are ready."""
    seconds: float = 3600
    grace: float = 120
    """More than `seconds`, for a worker to say that its clip took too long."""
    start: float = 900
    """For a worker that was asked for: after that, no clip waits for it that another worker could try."""
    same_versions: bool = False
    """Whether machines with others than the first one's are left out."""


@dataclass
class Hand:
    """A worker, as the dispatcher knows it."""

    machine: Machine | None = None
    clip: Clip | None = None
    since: float = 0.0
    """When it got its clip; before its first one, when it was asked for."""
    failed: set[int] = field(default_factory=set)
    """Numbers of the clips that failed here since the last that was done."""
    out: str = ""
    """Why it gets no more clips."""


@dataclass
class Task:
    clip: Clip
    tries: int = 0
    losers: set = field(default_factory=set)
    more_than: int = 0
    """It was too large for a GPU with so many bytes."""
    last: tuple[str, str] = ("", "")
    """The last error, and the end of the log then."""


@dataclass
class Record:
    """Where results go; see results.Folder and command.Progress."""

    done: Callable[[Clip, Outcome, Machine, int], None]
    failed: Callable[[Clip, str, str, int, Machine | None], None]
    say: Callable[[str], None]
    running: Callable[[dict], None] = lambda hands: None


class Dispatch:
    def __init__(self, clips: list[Clip], crew: Crew, record: Record, rules: Rules, clock=time.monotonic):
        self.tasks = {clip.number: Task(clip) for clip in clips}
        self.waiting = deque(clip.number for clip in clips)
        self.crew, self.record, self.rules, self.clock = crew, record, rules, clock
        self.hands: dict[Hashable, Hand] = {}
        self.versions: tuple | None = None
        self.lost_starts, self.last_loss, self.ask_again = 0, "", 0.0
        self.last_seen, self.told = clock(), False
        self.stopping = False
        """Set from outside: the clips at hand are finished, and no more are given out."""

    def run(self) -> str:
        """Until all is done, or nothing more can be; then why, else an empty text."""
        while self.at_hand() or (self.waiting and not self.stopping):
            self.recruit()
            self.hand_out()
            if reason := self.stuck():
                return reason
            self.tell_waiting()
            self.record.running(self.hands)
            for event in self.crew.wait(1.0):
                self.take(event)
            self.dismiss_overdue()
        return ""

    def at_hand(self) -> list[Hand]:
        return [hand for hand in self.hands.values() if hand.clip]

    def able(self) -> list[Hand]:
        return [hand for hand in self.hands.values() if not hand.out]

    def recruit(self) -> None:
        if self.stopping or self.clock() < self.ask_again:
            return
        wanted = len(self.waiting) + len(self.at_hand())
        while len(self.able()) < wanted and len(self.hands) < self.crew.places():
            self.hands[self.crew.recruit()] = Hand(since=self.clock())

    def hand_out(self) -> None:
        for worker, hand in self.hands.items():
            if self.stopping or hand.out or hand.clip or not hand.machine:
                continue
            number = next((number for number in self.waiting if self.suits(worker, hand, self.tasks[number])), None)
            if number is not None:
                self.waiting.remove(number)
                hand.clip, hand.since = self.tasks[number].clip, self.clock()
                self.crew.give(worker, hand.clip)

    def suits(self, worker: Hashable, hand: Hand, task: Task) -> bool:
        """Not a worker where it failed, as long as there is another; not a GPU that is too small."""
        if task.more_than:
            return hand.machine.vram > LARGER * task.more_than
        if worker not in task.losers:
            return True
        return not any(
            other not in task.losers and not known.out and (known.machine or self.comes(known))
            for other, known in self.hands.items()
        )

    def comes(self, hand: Hand) -> bool:
        """Whether a worker that is not ready may soon be: in a cluster that others use, it may be never."""
        return not hand.machine and not hand.out and self.clock() < hand.since + self.rules.start

    def stuck(self) -> str:
        """Why the clips that wait will not be made; clips that no GPU is large enough for fail here."""
        if self.at_hand() or any(map(self.comes, self.hands.values())):
            return ""
        if self.lost_starts >= self.rules.lost_starts:
            return f"{self.lost_starts} workers were lost before they were ready; the last one: {self.last_loss}"
        if able := self.able():
            tried = any(hand.machine for hand in able)
            for number in [number for number in self.waiting if tried and self.tasks[number].more_than]:
                self.waiting.remove(number)
                task = self.tasks[number]
                self.record.failed(task.clip, *task.last, task.tries, None)
            return ""
        reasons = {str(hand.machine): hand.out for hand in self.hands.values() if hand.out}
        if not reasons or self.crew.places() > len(self.hands):
            return ""
        return "No machine is left that can make clips. " + " ".join(f"{who}: {why}" for who, why in reasons.items())

    def tell_waiting(self) -> None:
        """Once, where for a minute nobody has been there who could make a clip."""
        if any(hand.machine for hand in self.able()):
            self.last_seen = self.clock()
        elif self.clock() > self.last_seen + PATIENCE and not self.told:
            self.told = True
            self.record.say(
                "No worker yet: ComfyUI is starting, or no GPU is free. It goes on waiting; Ctrl+C stops it."
            )

    def take(self, event: Event) -> None:
        hand = self.hands.get(event.worker)
        if hand is None:  # it was dismissed, and its word came late
            return
        if event.kind == READY:
            self.ready(event.worker, hand, event.value)
        elif event.kind == LOST:
            self.lost(event.worker, event.value)
        elif event.value.error:
            self.failed(event.worker, hand, event.value)
        else:
            task = self.tasks[hand.clip.number]
            self.record.done(hand.clip, event.value, hand.machine, task.tries + 1)
            hand.clip, hand.failed = None, set()

    def ready(self, worker: Hashable, hand: Hand, machine: Machine) -> None:
        hand.machine, self.lost_starts = machine, 0
        if not self.versions and not machine.problem:
            self.versions = machine.versions()
        problem = machine.problem
        if not problem and machine.versions() != self.versions:
            names = ("ComfyUI", "torch", "AnimateDiff Native")
            other = [
                f"{name} {here or '?'} instead of {first or '?'}"
                for name, here, first in zip(names, machine.versions(), self.versions, strict=True)
                if here != first
            ]
            text = f"it has {', '.join(other)}"
            if self.rules.same_versions:
                problem = f"{text} (--same-versions)"
            else:
                self.record.say(f"{machine}: {text}; its clips may differ a little. --same-versions leaves it out.")
        if problem:
            self.leave_out(worker, problem, "is left out")
        else:
            self.record.say(f"{machine} is ready.")

    def leave_out(self, worker: Hashable, why: str, what: str) -> None:
        self.hands[worker].out = why
        self.record.say(f"{self.hands[worker].machine} {what}: {why}")
        self.crew.hold(worker)

    def failed(self, worker: Hashable, hand: Hand, outcome: Outcome) -> None:
        clip, hand.clip = hand.clip, None
        task = self.tasks[clip.number]
        task.tries += 1
        task.losers.add(worker)
        task.last = (outcome.error, outcome.log)
        if outcome.kind == "memory" and hand.machine.vram:
            task.more_than = max(task.more_than, hand.machine.vram)
        if outcome.kind == "wrong" or task.tries >= self.rules.tries:
            self.record.failed(clip, outcome.error, outcome.log, task.tries, hand.machine)
        else:
            self.waiting.append(clip.number)
            self.record.say(
                f"{clip.name} failed on {hand.machine} and will be tried again: {first_line(outcome.error)}"
            )
        if outcome.kind in ("time", "other"):
            hand.failed.add(clip.number)
            if len(hand.failed) >= self.rules.failures:
                why = f"{len(hand.failed)} clips failed there in a row; the last one: {first_line(outcome.error)}"
                self.leave_out(worker, why, "gets no more clips")

    def lost(self, worker: Hashable, why: str) -> None:
        hand = self.hands.pop(worker)
        if hand.machine is None:
            self.lost_starts, self.last_loss = self.lost_starts + 1, why
            self.ask_again = self.clock() + min(self.lost_starts, 10)
        if hand.clip is None:
            return
        task = self.tasks[hand.clip.number]
        task.tries += 1
        if task.tries >= self.rules.tries:
            self.record.failed(
                hand.clip, f"{task.tries} workers were lost with it; the last: {why}", "", task.tries, hand.machine
            )
        else:
            self.record.say(
                f"{hand.machine} was lost, and {hand.clip.name} goes to the next free one: {first_line(why)}"
            )
            self.waiting.appendleft(hand.clip.number)

    def dismiss_overdue(self) -> None:
        """Workers that neither finish nor say that they do not."""
        latest = self.clock() - self.rules.seconds - self.rules.grace
        for worker in [worker for worker, hand in self.hands.items() if hand.clip and hand.since < latest]:
            self.crew.dismiss(worker)
            self.lost(worker, "it did not answer any more")


def first_line(text: str) -> str:
    return text.strip().split("\n")[0]
