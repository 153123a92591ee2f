"""What a window gets of prompts, masks and ControlNets: what belongs to its frames."""

import comfy.context_windows
import comfy.controlnet
import pytest
import torch
from animatediff_native.sampling.windows import hints
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import (
    LOOPED_UNIFORM,
    STANDARD_SHIFTED,
    STANDARD_STATIC,
    WindowPlan,
    windows,
)
from clips import animated, conditioning, controlnet, latents, motion_model, sample

STATIC = WindowPlan(STANDARD_STATIC, 8, 2)


def test_a_controlnet_that_slices_by_itself_gets_a_window_at_a_time(sd15):
    """Advanced-ControlNet finds a frame by its place in sub_idxs, so no frame may be there twice."""
    seen = []

    class Slicing(comfy.controlnet.ControlNet):
        sub_idxs = None

        def copy(self):
            own = Slicing(self.control_model, load_device=self.load_device)
            self.copy_to(own)
            return own

        def get_control(self, *others):
            seen.append(self.sub_idxs)
            return super().get_control(*others)

    plain = controlnet()
    control = Slicing(plain.control_model, load_device=plain.load_device)
    hint = torch.rand(20, 3, 128, 128, generator=torch.Generator().manual_seed(4))
    positive = conditioning(5, control=control.set_cond_hint(hint), control_apply_to_uncond=True)
    sample(with_windows(animated(sd15, motion_model()), STATIC, windows_per_call=3), 20, 1, positive=positive)
    assert len(seen) > 1 and all(len(set(frames)) == len(frames) == 8 for frames in seen)


@pytest.mark.parametrize("rows", [12, 20, 5])
def test_conditioning_per_frame_goes_with_its_frames(sd15, rows):
    """Also where there are more rows than frames, or fewer: cut and repeated, as the host does without windows."""
    frames = 12
    text = torch.randn(rows, 77, 768, generator=torch.Generator().manual_seed(3))
    per_frame = [[text, {}]]
    still = with_windows(animated(sd15, motion_model(), effect=0.0), WindowPlan(STANDARD_STATIC, 8, 4))
    clip = sample(still, frames=frames, positive=per_frame)
    plain = sample(sd15, frames=frames, positive=per_frame)
    assert torch.allclose(clip, plain, atol=1e-3)  # still frames: windows change nothing if each has its own text


def test_masks_per_frame_and_inpainting(sd15):
    frames = 12
    mask = torch.rand(frames, 16, 16, generator=torch.Generator().manual_seed(1))
    positive = conditioning(1, mask=mask, mask_strength=1.0) + conditioning(3)
    still = with_windows(animated(sd15, motion_model(), effect=0.0), WindowPlan(STANDARD_STATIC, 8, 4))
    start, holes = latents(frames, seed=4), torch.zeros(frames, 1, 16, 16)
    holes[3:9, ..., 8:] = 1
    words = {"positive": positive, "latent_image": start, "noise_mask": holes}
    assert torch.allclose(sample(still, frames, **words), sample(sd15, frames, **words), atol=1e-3)
    kept = sample(with_windows(animated(sd15, motion_model()), STATIC), frames, **words)
    assert torch.allclose(kept[..., :7], start[..., :7], atol=1e-4)


@pytest.mark.parametrize("rows", [20, 6, 5])
def test_sweep_what_has_more_rows_than_frames_or_fewer_goes_with_its_frames(sd15, rows):
    """A mask video and a text of other lengths than the clip: as the host has them with the whole clip."""
    frames = 12
    generator = torch.Generator().manual_seed(1)
    mask, text = torch.rand(rows, 8, 8, generator=generator), torch.randn(rows, 77, 768, generator=generator)
    of_clip = mask.repeat(3, 1, 1)[:frames]  # the host refuses 5 rows for 12 frames; the rows are in turn, as of 6
    still = with_windows(animated(sd15, motion_model(), effect=0.0), WindowPlan(STANDARD_STATIC, 8, 4))

    def clip(model, mask):
        positive = [[text, {"mask": mask, "mask_strength": 1.0}]] + conditioning(3)
        return sample(model, positive=positive, latent_image=latents(frames, 8, 8), steps=1)

    assert torch.allclose(clip(still, mask), clip(sd15, of_clip), atol=1e-3)


def hints_seen(model, hints, frames):
    """Which hint frames the ControlNet got for each cond, call by call: the hints' values are their indices."""
    control = controlnet()
    seen = []

    def record(module, arguments, words):
        hint = words["hint"] if "hint" in words else arguments[1]
        seen.append([round(float(value)) for value in hint[:, 0, 0, 0]])

    control.control_model.register_forward_pre_hook(record, with_kwargs=True)
    control = control.set_cond_hint(hints, 1.0)
    positive, negative = (conditioning(seed, control=control, control_apply_to_uncond=False) for seed in (1, 2))
    sample(model, frames, steps=1, positive=positive, negative=negative)
    return seen


def numbered(count):
    return torch.arange(count, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 3, 128, 128).clone()


def test_plain_controlnet_sees_the_hints_of_its_window(sd15):
    frames, plan = 16, WindowPlan(STANDARD_STATIC, 8, 4)
    model = with_windows(animated(sd15, motion_model()), plan)
    assert hints_seen(model, numbered(frames), frames) == [window * 2 for window in windows(plan, frames)]
    looped = WindowPlan(LOOPED_UNIFORM, 8, 4, closed_loop=True)
    model = with_windows(animated(sd15, motion_model()), looped)
    assert hints_seen(model, numbered(frames), frames) == [window * 2 for window in windows(looped, frames)]


def test_fewer_hints_than_frames_repeat(sd15):
    model = with_windows(animated(sd15, motion_model()), WindowPlan(STANDARD_STATIC, 8, 4))
    assert hints_seen(model, numbered(3), 12) == [[0, 1, 2, 0, 1, 2, 0, 1] * 2, [1, 2, 0, 1, 2, 0, 1, 2] * 2]
    assert hints_seen(model, numbered(1), 12) == [[0], [0]]  # one hint for every frame: the host spreads it


def test_hints_are_fitted_once_a_run(sd15, monkeypatch):
    """Of another size than the clip's, and fewer than its frames; two in a chain."""
    model = with_windows(animated(sd15, motion_model()), WindowPlan(STANDARD_SHIFTED, 8, 4))
    generator = torch.Generator().manual_seed(4)
    fitted = []

    def clip():
        fitted.clear()
        control = controlnet().set_cond_hint(torch.rand(20, 3, 96, 96, generator=generator.manual_seed(4)))
        control.set_previous_controlnet(controlnet().set_cond_hint(torch.rand(3, 3, 64, 64, generator=generator), 0.5))
        for each in (control, control.previous_controlnet):
            each.preprocess_image = lambda hints: (fitted.append(len(hints)), hints)[1]
        positive, negative = (conditioning(seed, control=control, control_apply_to_uncond=False) for seed in (1, 2))
        return sample(model, positive=positive, negative=negative, latent_image=latents(20, 8, 8), steps=4)

    once = clip()
    assert sum(fitted) == 4 * 8 + 8  # the three of the second are all in the first window
    monkeypatch.setattr(hints, "SHARE", 0.0)  # no memory to keep them in
    assert torch.equal(clip(), once)
    assert sum(fitted) == 4 * 2 * 4 * 8


def test_the_hosts_own_handler_does_not(sd15):
    """Why the pack has a handler of its own; if this fails, the host has learnt it."""
    model = animated(sd15, motion_model())
    handler = comfy.context_windows.IndexListContextHandler(
        comfy.context_windows.get_matching_context_schedule("standard_static"),
        comfy.context_windows.get_matching_fuse_method("pyramid"),
        context_length=8,
        context_overlap=4,
    )
    handler.causal_window_fix = False
    model.model_options["context_handler"] = handler
    expected = [window * 2 for window in windows(WindowPlan(STANDARD_STATIC, 8, 4), 16)]
    assert hints_seen(model, numbered(16), 16) != expected
