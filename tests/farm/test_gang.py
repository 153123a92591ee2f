"""Several actors that are one worker, on a Ray that is scripted: what they say together, and who is waited for."""

import pytest
from animatediff_native.farm import cluster
from animatediff_native.farm.cluster import Cluster, together
from animatediff_native.farm.dispatch import DONE, LOST, READY
from animatediff_native.farm.job import Clip
from animatediff_native.farm.worker import GANG, File, Machine, Orders, Outcome
from animatediff_native.sampling.windows.gang import ENVIRONMENT

CLIP = Clip(1, "0001", {}, {})
MADE = Outcome((File("0001.webp", "", 0, b""),), 1.0)
HELPED = Outcome((), 2.0)
MISSED = Outcome(error="KSampler (9): RuntimeError: Another member of this gang of 2 was lost", kind="other")
FULL = Outcome(error="KSampler (9): torch.OutOfMemoryError: Allocation on device", kind="memory")
ENDED = Outcome(error="ComfyUI ended while it made the clip (exit code -9).", kind="other")


def test_farm_and_nodes_call_it_by_one_name():
    assert GANG == ENVIRONMENT


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([(1, HELPED), (0, MADE)], MADE),
        ([(0, MISSED), (1, FULL)], FULL),
        ([(1, FULL), (0, MISSED)], FULL),
        ([(0, MADE), (1, ENDED)], ENDED),
        ([(0, MISSED), (1, ENDED)], ENDED),
    ],
)
def test_what_went_wrong_is_told_by_the_one_that_knows(answers, expected):
    assert together(answers) == expected


def test_machines_of_a_gang_are_one_with_the_least_memory():
    one, other = Machine("a", "GPU", 24, "1", "2", "3"), Machine("b", "GPU", 16, "1", "2", "3")
    assert together([(1, other), (0, one)]) == Machine("a + b, a gang of 2", "GPU", 16, "1", "2", "3")
    assert "different versions" in together([(0, one), (1, Machine("b", torch="9"))]).problem
    assert together([(0, one), (1, Machine("b", problem="it lacks 'x'"))]).problem == "it lacks 'x'"


class ScriptedRay:
    """Calls answer when a test says so; `asked` has the names of the methods that were called."""

    class exceptions:
        class RayError(Exception):
            pass

        class RayTaskError(RayError):
            pass

    class cloudpickle:
        register_pickle_by_value = staticmethod(lambda module: None)

    def __init__(self):
        self.util, self.asked, self.answers, self.killed = self, [], {}, []

    def remote(self, **options):
        return lambda kind: self

    def options(self, **words):
        return self

    def cluster_resources(self):
        return {"GPU": 2.0}

    def nodes(self):
        return [{"NodeManagerAddress": "127.0.0.1", "Resources": {cluster.HEAD: 1.0}}]

    def placement_group(self, bundles, strategy):
        return bundles

    def remove_placement_group(self, group):
        self.killed.append(group)

    def put(self, value):
        return value

    def kill(self, actor):
        self.killed.append(actor)

    def wait(self, calls, num_returns=1, timeout=None):
        done = [call for call in calls if call in self.answers]
        return done[:num_returns], done[num_returns:]

    def get(self, call):
        if isinstance(self.answers[call], Exception):
            raise self.answers[call]
        return self.answers[call]


class Member:
    def __init__(self, ray, name):
        self.ray, self.name = ray, name

    def __getattr__(self, method):
        def remote(*words):
            self.ray.asked.append((self.name, method, *words[2:]))
            return self.name, method, len(self.ray.asked)

        return type("Method", (), {"remote": staticmethod(remote)})


@pytest.fixture
def gang():
    """(ray, crew) with a worker 1 of two members, which are ready."""
    ray, names = ScriptedRay(), iter("ab")
    crew = Cluster(ray, Orders(()), size=2)
    crew.actor = type(
        "Actor", (), {"options": lambda *_, **__: crew.actor, "remote": lambda *_: Member(ray, next(names))}
    )()
    assert crew.recruit() == 1
    answer(ray, crew, start=Machine("a"))
    assert [event.kind for event in crew.wait(0)] == [READY]
    crew.give(1, CLIP)
    return ray, crew


def answer(ray, crew, **by_method):
    for call, (_, rank, _) in crew.calls.items():
        for method, value in by_method.items():
            if call[1] == method or call[1] == method.rstrip("01") and method[-1] == str(rank):
                ray.answers[call] = value


def test_a_clip_is_there_when_all_have_answered(gang):
    ray, crew = gang
    answer(ray, crew, make1=HELPED)
    assert not list(crew.wait(0))
    answer(ray, crew, make0=MADE)
    assert [(event.kind, event.value) for event in crew.wait(0)] == [(DONE, MADE)]
    crew.give(1, CLIP)
    assert [words for words in ray.asked if words[1] == "make"] == [(name, "make", False) for name in "abab"]


def test_one_that_waits_in_vain_is_ended_and_all_start_anew(gang, monkeypatch):
    ray, crew = gang
    answer(ray, crew, make1=FULL)
    assert not list(crew.wait(0)) and not any(words[1] == "give_up" for words in ray.asked)
    monkeypatch.setattr(cluster.time, "monotonic", lambda: 1e9)
    ray.answers["other"] = None
    for _ in range(3):
        assert not list(crew.wait(0))
    assert [words[0] for words in ray.asked if words[1] == "give_up"] == ["a", "b"]
    answer(ray, crew, make0=ENDED)
    assert [event.value for event in crew.wait(0)] == [FULL]
    crew.give(1, CLIP)
    assert ray.asked[-2:] == [("a", "make", True), ("b", "make", True)]


def test_where_one_is_lost_the_worker_is(gang):
    ray, crew = gang
    answer(ray, crew, make0=ray.exceptions.RayError("The actor died. More."), make1=MISSED)
    assert [(event.kind, event.value) for event in crew.wait(0)] == [(LOST, "The actor died.")]
    assert [getattr(each, "name", "group") for each in ray.killed] == ["a", "b", "group"] and not crew.calls
