"""Motion in the windows of the host's own node."""

from inspect import signature

import comfy.context_windows
import pytest
import torch
from animatediff_native.sampling.values.schedules import FrameValues, Point
from clips import animated, latents, motion_model, sample


def in_the_hosts_windows(model, length=8, overlap=2, schedule="standard_static", **more):
    """`model` with the host's own node, its other settings as they are there."""
    from comfy_extras.nodes_context_windows import ContextWindowsManualNode

    words = {"context_length": length, "context_overlap": overlap, "context_schedule": schedule, "context_stride": 1}
    words |= {"closed_loop": False, "fuse_method": "pyramid", "dim": 0, "freenoise": False}
    output = ContextWindowsManualNode.execute(model, **words, **more)
    return output[0] if isinstance(output, tuple) else output.args[0]


def test_the_hosts_context_windows_node_runs_with_motion(sd15, motion):
    model = in_the_hosts_windows(animated(sd15, motion.patcher))
    assert sample(model, frames=12, steps=1).isfinite().all()
    assert motion.runs_of_every_site() == 2


adds_a_frame = pytest.mark.skipif(
    "causal_window_fix" not in signature(comfy.context_windows.IndexListContextHandler.__init__).parameters,
    reason="the windows of this ComfyUI have no causal_window_fix",
)


@adds_a_frame
def test_the_frame_that_the_hosts_node_adds_has_its_own_strength(sd15):
    """Its second window, frames 6 to 11, is shown frame 5 as well."""
    strengths = [0.2, 1.4, 0.7, 1.1, 0.0, 1.6, 0.4, 1.3, 0.9, 0.1, 1.5, 0.6]

    def moving(values):
        points = tuple(Point(frame, value) for frame, value in enumerate(values))
        return animated(sd15, motion_model(), motion_scale=FrameValues(points))

    noise = latents(12, seed=3)
    clip = sample(in_the_hosts_windows(moving(strengths), 6, 0, "batched"), 12, 1, noise=noise)
    alone = sample(moving(strengths[5:]), 7, 1, noise=noise[5:])
    assert torch.allclose(clip[6:], alone[1:], atol=1e-3)
    assert torch.allclose(clip[:6], sample(moving(strengths[:6]), 6, 1, noise=noise[:6]), atol=1e-3)


@adds_a_frame
def test_the_frame_that_the_hosts_node_adds_must_fit_the_motion_model(sd15):
    model, limit = animated(sd15, motion_model("v1")), 24
    clip = {"latent_image": latents(30, 8, 8), "steps": 1}
    with pytest.raises(
        ValueError, match=r"24 gives 25 frames, and this motion model takes 24 at once\. Turn causal_win"
    ):
        sample(in_the_hosts_windows(model, limit), **clip)
    assert sample(in_the_hosts_windows(model, limit, causal_window_fix=False), **clip).isfinite().all()
    assert sample(in_the_hosts_windows(model, limit - 1), **clip).isfinite().all()
    assert sample(in_the_hosts_windows(model, limit), latent_image=latents(limit, 8, 8), steps=1).isfinite().all()
