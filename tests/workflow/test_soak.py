"""A server stays as it was, however many prompts it has run: a small share of `python dev.py soak`."""

import soak

NAMES = ["Text to Animation", "Steadier Frames with FreeInit"]


def test_many_prompts_leave_nothing_behind(server):
    found = list(soak.soaked(server, prompts=12, names=NAMES))
    more = soak.grown(found, warm=4, few=4)
    assert soak.is_flat(more), (more, found)
    assert sum(each.cancelled for each in found) == 2


def test_what_grows_is_seen():
    still = [soak.Measured(900, 40, 20)] * 3 * soak.WARM
    assert soak.is_flat(soak.grown(still))
    for name, step in (("megabytes", 20), ("files", 1), ("threads", 1)):
        rising = [soak.Measured(**(vars(each) | {name: 40 + step * at})) for at, each in enumerate(still)]
        assert not soak.is_flat(soak.grown(rising))
