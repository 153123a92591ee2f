"""Rays that are not there, too old, out of reach or open to all: one sentence each."""

import sys
from types import SimpleNamespace

import pytest
from animatediff_native.farm.cluster import connect, is_loopback


def ray(version="2.60.0", error=None):
    def init(**words):
        raise error

    return SimpleNamespace(__version__=version, init=init)


@pytest.mark.parametrize(
    ("there", "sentence"),
    [
        (None, "The farm needs Ray: pip install 'ray>=2.60,<3'. For one GPU, without Ray: --part 1/1."),
        (ray("2.51.1"), "This is Ray 2.51.1, which has no token by default. The farm needs Ray: pip install"),
        (
            ray(error=ConnectionError("ray client connection timeout. Long story\nof many lines")),
            "Ray's cluster at '10.0.0.1:6379' cannot be reached: ray client connection timeout.",
        ),
    ],
)
def test_no_ray_to_work_with(monkeypatch, there, sentence):
    monkeypatch.setitem(sys.modules, "ray", there)
    with pytest.raises(RuntimeError) as told:
        connect("10.0.0.1:6379")
    assert str(told.value).startswith(sentence) and "many lines" not in str(told.value)


def test_a_cluster_without_a_token_is_refused_beyond_this_machine(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", ray(error=ConnectionError("not asked")))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(RuntimeError, match=r"whoever reaches 10\.0\.0\.1:6379 could run programs as you"):
        connect("10.0.0.1:6379")
    with pytest.raises(RuntimeError, match="cannot be reached: not asked"):
        connect("127.0.0.1:6379")


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1:6379", True), ("localhost:6379", True), ("ray://127.0.0.1:10001", True), ("10.0.0.1:6379", False)],
)
def test_loopback(address, expected):
    assert is_loopback(address) == expected
