"""Texts that are typed on a node: a mistake is told before anything runs, on the node that has it."""

import animatediff_native.nodes as nodes
import pytest
from executed import mistakes

FORMS = {node.GET_SCHEMA().node_id: node for node in nodes.NODES}
CASES = [
    ("ADN_FrameSchedule", "text", "0: 1.0, 16: x", "'x' is not a number", "0: 1.0, 16: 0.5"),
    ("ADN_StepSchedule", "text", "0%: 1, 200%: 1", "the position 200% is not within the sampling", "0%: 1, 100%: 1"),
    ("ADN_PromptTravel", "prompts", "0: a\n24, b", "Line 2, column 1: '24, b' has no colon", "0: a\n24: b"),
    ("ADN_NoiseOptions", "frame_seeds", "7, x", "frame_seeds has 'x'", "7, 8"),
    ("ADN_CameraPath", "path", "0: fly", "'fly' in path is no move of the camera", "0: pan left, 8: zoom in 0.6"),
    ("ADN_LoadSparseCtrl", "frames", "0, x", "frames is '0, x'", "0, 8, -1"),
    ("ACN_SparseCtrlIndexMethodNode", "indexes", "0, x", "'0, x'", "0, -1"),
    ("ADE_PromptScheduling", "prompts", '0 = "a" 8 = "b"', "is no entry", '0 = "a", -1 = "b", 24 = "c", 0.5 = "d"'),
    ("ADE_PromptSchedulingLatents", "prompts", '0 = "a', "is no entry", '{"0": "a"}'),
    ("ADE_ValueScheduling", "values", "0 = one", "'one' is not a number", '0 = 1.0, -1 = "2"'),
    ("ADE_ValueSchedulingLatents", "values", "0: 1.0", "'0: 1.0' is no entry", "0 = 1.0"),
    ("ADE_ContextExtras_ContextRef_ModeIndexes", "switch_on_idxs", "0, x", "'x', which is no frame", "0, 16"),
]


@pytest.mark.parametrize(("node_id", "name", "wrong", "message", "right"), CASES, ids=[case[0] for case in CASES])
def test_a_mistake_is_told_before_anything_runs(node_id, name, wrong, message, right):
    (told,) = mistakes(FORMS[node_id], **{name: wrong})
    assert told.startswith(f"{name} - ") and message in told
    assert not mistakes(FORMS[node_id], **{name: right})
    assert FORMS[node_id].validate_inputs(**{name: None}) is True  # it comes from another node, and is read there
    assert FORMS[node_id].validate_inputs() is True  # it is missing: the host says so


def test_a_text_that_a_curve_replaces_is_not_read():
    for node_id in ("ADN_FrameSchedule", "ADN_StepSchedule"):
        assert mistakes(FORMS[node_id], text="x") and not mistakes(FORMS[node_id], text="x", curve={"__value__": 1})


def test_ranges_of_other_inputs_are_still_the_hosts_to_check():
    assert mistakes(FORMS["ADE_ValueScheduling"], values="0 = 1", max_length=-1) == ["max_length"]
