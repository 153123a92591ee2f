"""Paths in words and pose files, and the rays that a camera sees."""

import math
import time

import pytest
import torch
from animatediff_native.motion.camera_path import MOST_FRAMES
from animatediff_native.motion.camera_poses import MOVES, Path, Poses, camera_path, places, rays
from animatediff_native.sampling.values.camera_drawing import drawing

ROW = "0 0.5 0.8 0.5 0.5 0 0 1 0 0 {} 0 1 0 0 0 0 1 0"
FILE = "https://example.org/video\n" + "\n".join(ROW.format(x) for x in (0, 0.1, 0.2))


def matrices(path, frames: int = 16) -> torch.Tensor:
    return path.poses(frames)[:, 6:].view(-1, 3, 4)


@pytest.mark.parametrize("move", MOVES)
def test_a_move_goes_its_whole_way_in_16_frames(move):
    found = matrices(camera_path(f"0: {move}"), 17)
    assert torch.allclose(found[0], torch.eye(3, 4, dtype=torch.float64))
    half = matrices(camera_path(f"{move} 0.5"), 33)
    assert torch.allclose(half[::2], found) and (move == "static") == torch.allclose(found[0], found[-1])


def test_numbers():
    """Frame i of 16: a third of a half turn, or 1.5, times i / 16."""
    assert matrices(camera_path("pan left"))[8, :, 3].tolist() == pytest.approx([0.75, 0, 0])
    assert matrices(camera_path("zoom in 0.5"))[8, :, 3].tolist() == pytest.approx([0, 0, -0.75])
    tilt = matrices(camera_path("tilt down"))[8, :, :3]
    assert tilt[2, 1].item() == pytest.approx(math.sin(math.pi / 6))
    both = matrices(camera_path("pan left + pan up 0.5", speed=2.0))[8, :, 3]
    assert both.tolist() == pytest.approx([1.5, 0.75, 0])


def test_legs_go_on_without_a_frame_of_rest():
    path = camera_path("0: tilt left, 8: zoom in 0.6\n20: pan up ease")
    found = matrices(path, 32)
    steps = [(b - a).abs().max().item() for a, b in zip(found, found[1:], strict=False)]
    assert min(steps) > 1e-4
    assert torch.allclose(found[:9], matrices(camera_path("tilt left"), 9))
    assert torch.allclose(matrices(camera_path("0: pan left, 8: pan left"), 32), matrices(camera_path("pan left"), 32))


def test_ease_begins_and_ends_slowly():
    found = matrices(camera_path("0: pan left ease"), 17)[:, 0, 3]
    steps = found.diff()
    assert steps[0] < steps[8] > steps[-1] and found[-1].item() == pytest.approx(1.5)


@pytest.mark.parametrize("frames", [1, 2, 8, 9, 48])
def test_as_many_poses_as_frames(frames):
    for path in (camera_path("0: static, 8: pan left 1.0, 24: zoom in 0.6 ease"), camera_path(FILE)):
        assert path.poses(frames).shape == (frames, 18)
        assert drawing(path.poses(frames)).isfinite().all()


def test_a_path_to_the_last_frame_that_a_clip_can_have_takes_no_time():
    start = time.process_time()
    poses = camera_path(f"0: pan left 0.001, {MOST_FRAMES - 1}: zoom in ease").poses(MOST_FRAMES + 15)
    assert drawing(poses).isfinite().all() and time.process_time() - start < 5


def test_punctuation_of_chinese_keyboards():
    assert camera_path("0：static，8：pan  Left") == camera_path("0: static, 8: pan left")


def test_a_pose_file():
    path = camera_path(FILE)
    assert isinstance(path, Poses) and path.poses(5)[:, 9].tolist() == [0, 0.1, 0.2, 0.2, 0.2]
    assert camera_path(FILE.split("\n", 1)[1]).rows.equal(path.rows), "without the address"


def test_rays_count_from_the_first_camera():
    """So a window's do not depend on where it lies."""
    poses = camera_path("0: pan left + tilt up").poses(32)
    turned = camera_path("0: pan left").poses(32)
    assert torch.allclose(rays(turned[4:12], 16, 24), rays(turned[:8], 16, 24), atol=1e-6)
    found = rays(poses, 16, 24)
    assert found.shape == (32, 6, 16, 24) and found[0, :3].abs().max() == 0
    assert torch.allclose(found[:, 3:].norm(dim=1), torch.ones(32, 16, 24), atol=1e-6)
    assert rays(poses[:3], 16, 24)[1, :3].abs().max() > 0, "three frames are no axis"
    (x, y, z), look = places(poses)[0]
    assert (x, y, z) == (0, 0, 0) and look == (0, 0, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "path is empty"),
        ("0: fly", "'fly' in path is no move of the camera. Write one of: static, pan up"),
        ("0: pan left fast", "'pan left fast' in path is no move"),
        ("0: pan left, zoom in", "'zoom in' in path has no frame to begin at"),
        ("4: pan left", r"The frames of path are \[4\], and must begin with 0 and rise"),
        (f"0: pan left, {MOST_FRAMES}: zoom in", f"Frame {MOST_FRAMES} in path is beyond any clip"),
        ("0: pan left, 8: zoom in, 8: static", r"The frames of path are \[0, 8, 8\]"),
        (FILE + "\n" + ROW.format(1) + " 7", "Line 5 of the poses has 20 columns, and must have 19"),
        (FILE + "\n" + ROW.format("x"), "Line 5, column 11 of the poses is 'x', and must be a number"),
        (FILE + "\n" + ROW.format("nan"), "Line 5, column 11 of the poses is 'nan'"),
        (FILE.replace("1 0 0 0.1", "2 0 0 0.1"), "Columns 8 to 18 in line 3 of the poses are no rotation"),
        (FILE.replace("1 0 0 0.1", "-1 0 0 0.1"), "Columns 8 to 18 in line 3 of the poses are no rotation"),
    ],
)
def test_what_is_wrong_is_said(text, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        camera_path(text)


def test_a_path_is_a_value():
    assert isinstance(camera_path("pan left"), Path) and camera_path("pan left") == camera_path("0: pan left 1.0")
