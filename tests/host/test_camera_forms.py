"""Camera poses of shared workflows, as nodes of other packs read them."""

import animatediff_native.nodes.compat as compat
import pytest
from animatediff_native.motion.camera_path import PRESETS, joined_rows, moved, rows_of

FORMS = {node.GET_SCHEMA().node_id: node for node in compat.NODES}
SIX = ["Pan Left", "Static", "Zoom In", "Static", "Static", "Pan Left"]


def poses(node_id: str, **inputs) -> list[list[float]]:
    (found,) = FORMS[node_id].execute(**inputs).args
    assert all(type(number) in (int, float) for row in found for number in row)
    return found


def test_one_move():
    found = poses("ADE_CameraPoseBasic", motion_type="Roll Clockwise", speed=0.5, frame_length=7)
    assert found == rows_of(moved(PRESETS["Roll Clockwise"], 0.5, 7))


def test_six_at_once():
    words = {f"motion_type{number}": name for number, name in enumerate(SIX, 1)}
    found = poses("ADE_CameraPoseCombo", speed=-1.0, frame_length=4, **words)
    assert [row[10::4] for row in found] == [pytest.approx([-3 * k / 16, 0, 3 * k / 16]) for k in range(4)]


def test_one_after_the_other():
    first = poses("ADE_CameraPoseBasic", motion_type="Tilt Up", speed=1.0, frame_length=4)
    words = {"motion_type": "Zoom In", "speed": 1.0, "frame_length": 4}
    found = poses("ADE_CameraPoseBasic", prev_poses=first, **words)
    assert found == joined_rows(first, poses("ADE_CameraPoseBasic", **words)) and len(found) == 8
