"""How many windows a run will have, as the page says it before the run."""

import time

import pytest
from animatediff_native.nodes.before_run import MOST_FRAMES, MOST_STEPS, counted
from animatediff_native.sampling.windows.count import windows_of_steps
from animatediff_native.sampling.windows.plan import WindowPlan
from animatediff_native.sampling.windows.presets import PRESETS

SETTINGS = {
    "preset": "stable",
    "context_length": 16,
    "context_overlap": 4,
    "context_schedule": "standard_static",
    "fuse_method": "pyramid",
    "context_stride": 1,
    "closed_loop": False,
}


@pytest.mark.parametrize("name, counts", [("stable", [5] * 3), ("fast", [5] * 3), ("long", [1] * 3)])
def test_of_the_presets(name, counts):
    assert windows_of_steps(PRESETS[name], 64, 3) == counts


def test_a_clip_of_one_window():
    assert windows_of_steps(WindowPlan(context_length=16), 16, 2) == [1, 1]


def test_what_the_page_is_told():
    assert counted({"frames": 64, "steps": 25, "settings": SETTINGS}) == {"windows": [5] * 25}
    custom = SETTINGS | {"preset": "custom", "context_overlap": 16}
    assert "context_overlap is 16" in counted({"frames": 64, "steps": 25, "settings": custom})["mistake"]
    for wrong in ({}, {"frames": 1e9, "steps": 2, "settings": SETTINGS}, {"frames": 8, "steps": 2, "settings": {}}):
        assert "mistake" in counted(wrong)


def test_no_question_keeps_the_server_busy():
    worst = {"preset": "custom", "context_length": 1, "context_overlap": 0, "context_schedule": "standard_uniform"}
    asked = {"frames": MOST_FRAMES, "steps": MOST_STEPS, "settings": SETTINGS | worst | {"context_stride": 8}}
    start = time.process_time()
    assert len(counted(asked)["windows"]) == MOST_STEPS
    assert time.process_time() - start < 10
