"""Nothing lost, nothing twice: the dispatcher against workers that die, hang, fail and come late, in no time."""

import random
from dataclasses import dataclass, field

import pytest
from animatediff_native.farm.dispatch import DONE, LOST, READY, Dispatch, Event, Record, Rules
from animatediff_native.farm.job import Clip
from animatediff_native.farm.worker import Machine, Outcome

CLIPS = [Clip(number, f"{number:04}", {}, {}) for number in range(1, 13)]
GOOD = Machine("a", comfyui="1", torch="2", pack="3")


@dataclass
class Scripted:
    """Workers that do what `acts(worker, clip number, how often it was given out)` says; one second a turn.

    An act: an Outcome, "die", "hang" or "away" (it is given up, and its result comes late all the same).
    starts(worker): a Machine, "die" or "never".
    """

    acts: object = lambda worker, clip, given: Outcome(seconds=1)
    starts: object = lambda worker: GOOD
    room: object = lambda second: 2
    second: float = 0.0
    workers: int = 0
    given: list = field(default_factory=list)
    events: list = field(default_factory=list)
    dismissed: list = field(default_factory=list)
    held: list = field(default_factory=list)
    held_until: float = 0

    def clock(self):
        return self.second

    def places(self):
        return self.room(self.second)

    def recruit(self):
        self.workers += 1
        answer = self.starts(self.workers)
        if answer != "never":
            kind, value = (LOST, "it died") if answer == "die" else (READY, answer)
            self.events.append((self.second + 1, Event(self.workers, kind, value)))
        return self.workers

    def give(self, worker, clip):
        assert worker not in self.dismissed
        self.given.append((worker, clip.number))
        act = self.acts(worker, clip.number, sum(number == clip.number for _, number in self.given))
        if act == "die":
            self.events.append((self.second + 1, Event(worker, LOST, "it died")))
        elif act == "away":
            self.events.append((self.second + 1, Event(worker, LOST, "out of reach")))
            self.events.append((self.second + 2, Event(worker, DONE, Outcome(seconds=1))))
        elif act != "hang":
            self.events.append((self.second + 1, Event(worker, DONE, act)))

    def hold(self, worker):
        self.held.append(worker)
        if self.held_until:
            self.events.append((self.held_until, Event(worker, LOST, "its machine went")))

    def dismiss(self, worker):
        self.dismissed.append(worker)

    def wait(self, seconds):
        self.second += seconds
        now = [event for at, event in self.events if at <= self.second]
        self.events = [(at, event) for at, event in self.events if at > self.second]
        return now


@dataclass
class Seen:
    done: dict = field(default_factory=dict)
    failed: dict = field(default_factory=dict)
    said: list = field(default_factory=list)

    def record(self):
        def done(clip, outcome, machine, tries):
            assert clip.number not in self.done, "twice"
            self.done[clip.number] = tries

        def failed(clip, error, log, tries, machine):
            assert clip.number not in self.failed | self.done, "twice"
            self.failed[clip.number] = (tries, error)

        return Record(done, failed, self.said.append)


def run(crew, clips=CLIPS, **rules):
    seen = Seen()
    dispatch = Dispatch(clips, crew, seen.record(), Rules(**rules), crew.clock)
    reason = dispatch.run()
    return seen, reason


def error(kind, text="it broke"):
    return Outcome(error=text, kind=kind, log="the log")


def test_all_is_made_once_each_worker_taking_the_next():
    crew = Scripted(acts=lambda worker, clip, given: Outcome(seconds=1))
    seen, reason = run(crew)
    assert reason == "" and seen.done == {clip.number: 1 for clip in CLIPS} and not seen.failed
    assert [number for _, number in crew.given] == [clip.number for clip in CLIPS] and crew.workers == 2


def test_no_more_workers_than_clips():
    crew = Scripted(room=lambda second: 100)
    run(crew, CLIPS[:3])
    assert crew.workers == 3


def test_a_worker_that_dies_costs_one_try_and_another_is_asked_for():
    crew = Scripted(acts=lambda worker, clip, given: "die" if clip == 3 and given == 1 else Outcome())
    seen, reason = run(crew)
    assert reason == "" and seen.done == {clip.number: 1 + (clip.number == 3) for clip in CLIPS}
    assert crew.workers == 3 and any("0003 goes to the next free one" in text for text in seen.said)


def test_a_word_that_comes_late_is_not_heard():
    crew = Scripted(acts=lambda worker, clip, given: "away" if given == 1 else Outcome())
    seen, _ = run(crew)
    assert seen.done.keys() == {clip.number for clip in CLIPS} and not seen.failed


def test_a_clip_that_kills_three_workers_fails():
    seen, reason = run(Scripted(acts=lambda worker, clip, given: "die" if clip == 5 else Outcome()))
    assert reason == "" and len(seen.done) == 11
    assert seen.failed == {5: (3, "3 workers were lost with it; the last: it died")}


def test_a_clip_that_fails_goes_to_other_workers_and_fails_after_three():
    crew = Scripted(acts=lambda worker, clip, given: error("other") if clip == 5 else Outcome(), room=lambda second: 3)
    seen, _ = run(crew)
    assert seen.failed == {5: (3, "it broke")} and len(seen.done) == 11
    assert len({worker for worker, number in crew.given if number == 5}) == 3


def test_one_worker_alone_tries_it_again_itself():
    crew = Scripted(acts=lambda worker, clip, given: error("other") if clip == 5 and given < 3 else Outcome())
    crew.room = lambda second: 1
    seen, reason = run(crew)
    assert reason == "" and seen.done[5] == 3 and not seen.failed


def test_a_wrong_workflow_is_not_tried_again():
    crew = Scripted(acts=lambda worker, clip, given: error("wrong"))
    seen, reason = run(crew)
    assert reason == "" and len(seen.failed) == 12 and len(crew.given) == 12


def test_a_bad_gpu_gets_no_more_clips_and_keeps_its_place():
    crew = Scripted(acts=lambda worker, clip, given: error("other") if worker == 1 else Outcome())
    seen, reason = run(crew)
    assert reason == "" and len(seen.done) == 12 and crew.workers == 2
    assert sum(worker == 1 for worker, _ in crew.given) == 3 and any("gets no more clips" in text for text in seen.said)


def test_where_every_gpu_is_bad_it_ends_and_says_so():
    seen, reason = run(Scripted(acts=lambda worker, clip, given: error("other")))
    assert reason.startswith(
        "No machine is left that can make clips. a: 3 clips failed there in a row; the last one: it broke"
    )
    assert not seen.done and len(seen.failed) < 12


def test_machines_that_lack_something_are_left_out_by_name():
    lacking = Machine("b", problem="it lacks 'x.ckpt' in model_name of Loader")
    crew = Scripted(starts=lambda worker: lacking if worker == 1 else GOOD)
    seen, reason = run(crew)
    assert reason == "" and len(seen.done) == 12 and {worker for worker, _ in crew.given} == {2}
    assert "b is left out: it lacks 'x.ckpt' in model_name of Loader" in seen.said and crew.held == [1]
    _, reason = run(Scripted(starts=lambda worker: lacking))
    assert reason == "No machine is left that can make clips. b: it lacks 'x.ckpt' in model_name of Loader"


def test_a_machine_that_joins_takes_the_place_of_one_that_was_left_out_and_went():
    crew = Scripted(
        starts=lambda worker: Machine("b", problem="no") if worker == 1 else "never" if worker == 2 else GOOD,
        held_until=9,
    )
    seen, reason = run(crew)
    assert reason == "" and len(seen.done) == 12 and {worker for worker, _ in crew.given} == {3}


def test_where_nobody_comes_it_says_so_once_and_waits():
    crew = Scripted(room=lambda second: 0 if second < 200 else 1)
    seen, reason = run(crew)
    assert reason == "" and len(seen.done) == 12 and seen.said[0].startswith("No worker yet: ComfyUI is starting")
    assert len(seen.said) == 2


def test_a_machine_that_joins_is_used_and_one_that_never_starts_is_not_waited_for():
    crew = Scripted(starts=lambda worker: "never" if worker == 1 else GOOD, room=lambda second: 1 if second < 5 else 2)
    seen, reason = run(crew)
    assert reason == "" and len(seen.done) == 12 and {worker for worker, _ in crew.given} == {2}


@pytest.mark.parametrize("kind", ["other", "memory"])
def test_a_clip_that_failed_does_not_wait_for_ever_for_a_worker_that_never_comes(kind):
    crew = Scripted(
        acts=lambda worker, clip, given: error(kind) if clip == 2 else Outcome(),
        starts=lambda worker: Machine("gpu", "GPU", 8) if worker == 1 else "never",
    )
    clock = crew.clock
    crew.clock = lambda: clock() if clock() < 5000 else pytest.fail("it waits for ever")
    seen, reason = run(crew, start=900)
    assert reason == "" and len(seen.done) == 11 and seen.failed.keys() == {2} and crew.second > 900


def test_workers_that_die_while_they_start_are_asked_for_again_but_not_for_ever():
    crew = Scripted(starts=lambda worker: "die" if worker < 4 else GOOD)
    seen, reason = run(crew)
    assert reason == "" and len(seen.done) == 12
    crew = Scripted(starts=lambda worker: "die")
    _, reason = run(crew)
    assert reason.endswith("workers were lost before they were ready; the last one: it died") and crew.workers < 15


def test_a_worker_that_hangs_is_dismissed():
    crew = Scripted(acts=lambda worker, clip, given: "hang" if clip == 2 and given == 1 else Outcome())
    seen, reason = run(crew, seconds=10, grace=2)
    assert reason == "" and len(seen.done) == 12 and len(crew.dismissed) == 1 and crew.second < 30


def test_out_of_memory_goes_to_a_larger_gpu_only():
    sizes = {1: 8, 2: 24, 3: 8}
    crew = Scripted(
        acts=lambda worker, clip, given: error("memory") if clip in (2, 3) and sizes[worker] == 8 else Outcome(),
        starts=lambda worker: Machine(f"gpu{worker}", "GPU", sizes[worker]),
        room=lambda second: 3,
    )
    seen, reason = run(crew)
    assert reason == "" and len(seen.done) == 12
    for number in (2, 3):
        *small, last = [sizes[worker] for worker, given in crew.given if given == number]
        assert last == 24 and len(small) <= 1
    crew = Scripted(
        acts=lambda worker, clip, given: error("memory") if clip == 2 else Outcome(),
        starts=lambda worker: Machine("gpu", "GPU", 8),
    )
    seen, reason = run(crew)
    assert reason == "" and seen.failed == {2: (1, "it broke")} and len(seen.done) == 11


def test_other_versions_are_said_or_refused():
    other = Machine("b", comfyui="1", torch="2", pack="4")
    start = lambda worker: GOOD if worker == 1 else other  # noqa: E731
    seen, _ = run(Scripted(starts=start))
    assert any("b: it has AnimateDiff Native 4 instead of 3" in text for text in seen.said)
    crew = Scripted(starts=start)
    seen, _ = run(crew, same_versions=True)
    assert {worker for worker, _ in crew.given} == {1} and any("b is left out" in text for text in seen.said)


def test_stopping_finishes_what_is_at_hand():
    crew, seen = Scripted(), Seen()
    dispatch = Dispatch(CLIPS, crew, seen.record(), Rules(), crew.clock)
    give = crew.give

    def give_and_stop(worker, clip):
        give(worker, clip)
        dispatch.stopping = True

    crew.give = give_and_stop
    assert dispatch.run() == "" and list(seen.done) == [1]


@pytest.mark.parametrize("seed", range(200))
def test_whatever_happens_nothing_is_lost_and_nothing_is_made_twice(seed):
    chance = random.Random(seed)
    kinds = ["die", "hang", "away", error("other"), error("memory"), error("wrong"), error("time")]
    crew = Scripted(
        acts=lambda worker, clip, given: Outcome() if chance.random() < 0.6 else chance.choice(kinds),
        starts=lambda worker: chance.choice([GOOD, GOOD, "die", Machine("b", problem="no"), Machine("c", "GPU", 8)]),
        room=lambda second: chance.randint(0, 5),
    )
    seen, reason = run(crew, seconds=5, grace=1)
    if not reason:
        assert seen.done.keys() | seen.failed.keys() == {clip.number for clip in CLIPS}
    assert not seen.done.keys() & seen.failed.keys()
