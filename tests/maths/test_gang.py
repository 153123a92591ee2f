"""Who shares windows with whom: places, shares, and what members send each other (here: threads, on 127.0.0.1)."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import torch
from animatediff_native.sampling.windows import gang
from animatediff_native.sampling.windows.gang import ALONE, Place, joined, place_of
from animatediff_native.sampling.windows.shares import over_devices, over_members, share


@pytest.fixture
def places():
    """places(size): of a gang of its own."""

    def made(size):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        return [place_of(f"{rank}/{size}@127.0.0.1:{port}") for rank in range(size)]

    return made


def together(places, does):
    """What does(gang) gives, or raises, for each member."""

    def member(place):
        try:
            with joined(place) as gang:
                return does(gang)
        except RuntimeError as error:
            return error

    with ThreadPoolExecutor(len(places)) as pool:
        return list(pool.map(member, places))


def test_a_place_is_read():
    assert place_of("") is None
    assert place_of("1/4@10.0.0.1:29500") == Place(1, 4, "10.0.0.1", 29500)


@pytest.mark.parametrize("text", ["1", "2/2@10.0.0.1:29500", "a/2@10.0.0.1:29500", "0/2@10.0.0.1"])
def test_a_wrong_place_is_told(text):
    with pytest.raises(ValueError, match=f"ANIMATEDIFF_GANG={text} is no place in a gang: write RANK/SIZE@HOST:PORT"):
        place_of(text)


@pytest.mark.parametrize("count", range(1, 10))
@pytest.mark.parametrize("size", range(1, 6))
def test_every_window_is_computed_and_nobody_is_idle(count, size):
    shares = [share(count, rank, size) for rank in range(size)]
    assert set().union(*shares) == set(range(count)) and all(shares)
    assert max(map(len, shares)) == -(-count // size)


WINDOWS = [[0, 1, 2], [2, 3, 4], [4, 5]]
CLIP = torch.arange(6.0).view(6, 1, 1, 1)


def computed(numbers):
    """Two conds: the frames themselves, and their negatives."""
    return [(n, [WINDOWS[n]], [CLIP[WINDOWS[n]], -CLIP[WINDOWS[n]]]) for n in numbers]


@pytest.mark.parametrize("size", [2, 3, 5])
def test_all_members_get_all_windows_in_their_order(places, size):
    def does(gang):
        return list(over_members(gang, WINDOWS, CLIP, 2, computed))

    for found in together(places(size), does):
        for (number, group, results), (n, windows, expected) in zip(found, computed(range(3)), strict=True):
            assert (number, group) == (n, windows)
            assert all(torch.equal(one, other) for one, other in zip(results, expected, strict=True))


def test_numbers_texts_and_half_precision_come_as_they_are(places):
    def does(gang):
        tensor = torch.tensor([1.5, float(gang.rank)], dtype=torch.bfloat16)
        return gang.numbers(2**40 + gang.rank), gang.texts("ä" * gang.rank), gang.from_member(1, tensor)

    for numbers, texts, tensor in together(places(3), does):
        assert numbers == [2**40, 2**40 + 1, 2**40 + 2] and texts == ["", "ä", "ää"]
        assert torch.equal(tensor, torch.tensor([1.5, 1.0], dtype=torch.bfloat16))


def test_one_run_comes_after_the_other(places):
    there = places(2)
    for run in range(2):
        assert together(there, lambda gang, run=run: gang.numbers(run)) == [[run, run]] * 2


def test_members_that_would_make_different_clips_are_told(places):
    for error in together(places(2), lambda gang: gang.check_same(f"{16 + gang.rank} frames")):
        assert "about to make different clips (16 frames; 17 frames)" in str(error)


def test_a_member_that_leaves_is_missed_at_once(places):
    def does(gang):
        if gang.rank == 1:
            raise RuntimeError("out of memory")
        gang.numbers(1)

    start = time.monotonic()
    lost, own = together(places(2), does)
    assert "Another member of this gang of 2 was lost, failed or was stopped" in str(lost)
    assert str(own) == "out of memory" and time.monotonic() - start < 5


def test_members_who_do_not_come_are_not_waited_for_for_ever(places, monkeypatch):
    monkeypatch.setattr(gang, "MEETING", timedelta(seconds=0.5))
    (error,) = together(places(2)[:1], lambda gang: None)
    assert "Member 1 of 2 did not meet the others of its gang at 127.0.0.1:" in str(error)


def test_one_that_is_alone_meets_nobody():
    with joined(None) as gang:
        assert gang is ALONE and gang.numbers(3) == [3]
        assert [number for number, _, _ in over_members(gang, WINDOWS, CLIP, 2, computed)] == [0, 1, 2]


class Pool:
    """As the host's: a thread for each device, its answers in their order."""

    def __init__(self, devices):
        self.devices = devices
        self.threads = {device: ThreadPoolExecutor(1) for device in devices}
        self.asked = {}

    def submit(self, device, function, *words):
        self.asked[device] = self.threads[device].submit(function, *words)

    def get_result(self, device):
        future = self.asked.pop(device)
        return (None, error) if (error := future.exception()) else (future.result(), None)


def test_every_device_computes_its_share():
    asked = []

    def on(numbers, device):
        asked.append((device, numbers))
        return computed(numbers)

    pool = Pool(["a", "b", "c", "d"])
    found = over_devices(pool, range(1, 3), on)
    assert [number for number, _, _ in found] == [1, 2]
    assert sorted(asked) == [("a", range(1, 2)), ("b", range(2, 3))]


def test_an_error_on_a_device_is_raised_when_all_have_answered():
    def on(numbers, device):
        if device == "a":
            raise RuntimeError("out of memory")
        return computed(numbers)

    pool = Pool(["a", "b"])
    with pytest.raises(RuntimeError, match="out of memory"):
        over_devices(pool, range(3), on)
    assert not pool.asked
