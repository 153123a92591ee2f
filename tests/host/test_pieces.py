"""A clip made in pieces: its noise, windows and conditioning go on, and its joints do not show."""

import comfy.sample
import pytest
import torch
from animatediff_native.sampling.pieces import held_frames, held_mask, of_piece, sample_piece, with_words_of
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import STANDARD_STATIC, WindowPlan, windows
from animatediff_native.sampling.windows.presets import preset
from clips import animated, conditioning, controlnet, latents, motion_model, sample
from comfy.patcher_extension import WrappersMP
from seam import changes

STATIC = WindowPlan(STANDARD_STATIC, 8, 2)
WORDS = {"steps": 2, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal"}


def piece(model, frames, before=None, seed=11, positive=None, negative=None, latent=None, **words):
    latent = {"samples": latents(frames, 8, 8)} if latent is None else latent
    conds = (conditioning(5) if positive is None else positive, conditioning(6) if negative is None else negative)
    with torch.inference_mode():
        return sample_piece(model, latent, before, seed, *conds, **(WORDS | words))


@pytest.fixture(scope="module")
def model(sd15):
    return with_windows(animated(sd15, motion_model()), STATIC)


def spied(model, key):
    """A clone of `model` that keeps what its sampler gets: "noise", or "params" of every call of the UNet."""
    seen, model = [], model.clone()

    def spy(executor, guider, sigmas, extra_args, callback, noise, latent_image, *others, **kwargs):
        seen.append(noise.clone())
        return executor(guider, sigmas, extra_args, callback, noise, latent_image, *others, **kwargs)

    if key == "noise":
        model.add_wrapper_with_key(WrappersMP.SAMPLER_SAMPLE, "spy", spy)
    else:
        model.set_model_attn2_patch(lambda q, k, v, extra: (seen.append(extra["ad_params"]), (q, k, v))[1])
    return seen, model


def test_the_first_piece_is_a_plain_run(model):
    clip, new = piece(model, 14)
    assert torch.equal(clip, new)
    assert torch.equal(clip, sample(model, latent_image=latents(14, 8, 8), steps=2))


def test_what_was_there_stays_and_decides_what_comes(model):
    before = latents(14, 8, 8, seed=1)
    clip, new = piece(model, 12, before)
    assert clip.shape[0] == 26 and torch.equal(clip[:14], before) and torch.equal(clip[14:], new)
    other = before.clone()
    other[-2:] += 1  # the overlap
    assert not torch.allclose(piece(model, 12, other)[1][:4], new[:4], atol=1e-2)


def test_noise_goes_on(model):
    seen, spy = spied(model, "noise")
    sample(spy, latent_image=latents(26, 8, 8), steps=1)
    piece(spy, 12, latents(14, 8, 8))
    assert torch.equal(seen[1], seen[0][12:])


@pytest.mark.parametrize("done", [14, 16, 20])
def test_windows_go_on(model, done):
    """The windows of a piece are those of one long clip, and say their true indices."""
    seen, spy = spied(model, "params")
    new = 12 + (14 - done) % 6
    piece(spy, new, latents(done, 8, 8), steps=1)
    found = list(dict.fromkeys(tuple(params["sub_idxs"]) for params in seen))
    whole = [tuple(window) for window in windows(STATIC, done + new)]
    assert found == whole[len(whole) - len(found) :]
    assert found[0][0] <= done - 2 and {params["full_length"] for params in seen} == {done + new}


def test_held_frames():
    assert [held_frames(STATIC, done) for done in (1, 2, 7, 8, 14, 15, 20)] == [1, 2, 7, 2, 2, 3, 2]
    for length, overlap in ((16, 4), (8, 0), (5, 4)):
        plan = WindowPlan(STANDARD_STATIC, length, overlap)
        assert all(min(overlap, done) <= held_frames(plan, done) <= length for done in range(1, 100))


def test_conditioning_goes_with_its_frames():
    """first 10, 2 held, 6 new: rows of the whole clip are cut, rows of the new frames wait for these."""
    rows = torch.arange(30.0).view(-1, 1, 1)
    control = controlnet().set_cond_hint(torch.arange(30.0).view(-1, 1, 1, 1).expand(-1, 3, 8, 8), 1.0)
    control.set_previous_controlnet(controlnet().set_cond_hint(control.cond_hint_original[:18], 1.0))
    control.cond_hint = torch.zeros(1)  # as a run before leaves it
    entries = {"mask": rows, "strength": 1.0, "pooled_output": rows[:6], "control": control, "one": rows[:1]}
    ((text, cut),) = of_piece([[rows, entries]], 10, 2, 6)
    assert text.flatten().tolist() == list(range(10, 18)) == cut["mask"].flatten().tolist()
    assert cut["pooled_output"].flatten().tolist() == [0, 0, 0, 1, 2, 3, 4, 5]
    assert cut["strength"] == 1.0 and torch.equal(cut["one"], rows[:1])
    assert cut["control"].cond_hint_original[:, 0, 0, 0].tolist() == list(range(10, 18))
    assert cut["control"].previous_controlnet.cond_hint_original[:, 0, 0, 0].tolist() == list(range(10, 18))
    assert cut["control"].cond_hint is None
    assert control.cond_hint_original.shape[0] == 30 and control.cond_hint is not None  # the user's own is as it was
    assert control.previous_controlnet.cond_hint_original.shape[0] == 18


@pytest.mark.parametrize("rows", [4, 7, 40])
def test_conditioning_of_another_length_than_the_clip_is_brought_to_it_first(rows):
    """first 10, 2 held, 6 new: frames 10 to 17 of a clip of 18."""
    mask = torch.arange(float(rows)).view(-1, 1, 1)
    control = controlnet().set_cond_hint(mask.view(-1, 1, 1, 1).expand(-1, 3, 8, 8), 1.0)
    ((text, cut),) = of_piece([[mask, {"mask": mask, "control": control}]], 10, 2, 6)
    expected = [frame % rows for frame in range(10, 18)]
    assert text.flatten().tolist() == cut["mask"].flatten().tolist() == expected
    assert cut["control"].cond_hint_original[:, 0, 0, 0].tolist() == expected


def test_a_mask_that_is_too_short_begins_anew():
    mask = torch.tensor([0.0, 1.0]).view(2, 1, 1).expand(2, 8, 8)
    assert held_mask(2, latents(5, 8, 8), mask)[:, 0, 0, 0].tolist() == [0, 0, 0, 1, 0, 1, 0]


def test_a_first_piece_has_the_noise_of_its_batch_index(model):
    """Latents from Latent From Batch keep the noise of the frames that they were."""
    seen, spy = spied(model, "noise")
    latent = {"samples": latents(4, 8, 8), "batch_index": [3, 5, 6, 7]}
    piece(spy, 4, latent=latent, steps=1)
    assert torch.equal(seen[0], comfy.sample.prepare_noise(latent["samples"], 11, [3, 5, 6, 7]))


def test_a_mask_on_the_new_frames(model):
    start, mask = latents(12, 8, 8, seed=3), torch.zeros(1, 8, 8)
    mask[..., 4:] = 1
    _, new = piece(model, 12, latents(14, 8, 8), latent={"samples": start, "noise_mask": mask})
    assert torch.allclose(new[..., :3], start[..., :3], atol=1e-4)
    assert not torch.allclose(new[..., 5:], start[..., 5:], atol=1e-1)


def test_three_pieces_have_the_seams_of_one(sd15):
    """96 frames: the change across the pieces' joints, over that elsewhere, against the same places of one long run."""
    model = with_windows(animated(sd15, motion_model()), preset("stable", 8))
    words = {"steps": 4}
    whole, _ = piece(model, 96, **words)
    clip = None
    for _ in range(3):
        clip, _ = piece(model, 32, clip, **words)

    def joints(frames):
        change = changes(frames)[:-1]
        return (change[[31, 63]].mean() / change.mean()).item()

    assert clip.shape == whole.shape
    assert joints(clip) == pytest.approx(joints(whole), rel=0.1)


def test_what_cannot_go_on(sd15, model):
    loop = with_windows(animated(sd15, motion_model()), preset("loop", 8))
    with pytest.raises(ValueError, match="A loop cannot go on.*stable or fast"):
        piece(loop, 12, latents(14, 8, 8))
    with pytest.raises(ValueError, match="continue_from has latents of 16 x 16 .* and latent_image of 8 x 8"):
        piece(model, 12, latents(14, 16, 16))


def test_a_piece_of_one_window_tells_its_place_in_the_clip(model):
    """What strengths over frames, and other packs, find their frames by."""
    seen, spy = spied(model, "params")
    piece(spy, 2, latents(12, 8, 8), steps=1)
    assert seen[0] == {"full_length": 14, "context_length": None, "sub_idxs": list(range(6, 14))}


def test_without_windows_all_frames_are_held(sd15):
    seen, spy = spied(animated(sd15, motion_model()), "params")
    piece(spy, 8, latents(14, 8, 8), steps=1)
    assert {params["full_length"] for params in seen} == {22}
    assert {params["context_length"] for params in seen} == {None}


def test_a_latent_keeps_its_mask_and_its_batch_index():
    """As after the host's KSampler, whose next one goes on inpainting."""
    mask = torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    latent = {"samples": latents(3, 8, 8), "noise_mask": mask, "batch_index": [4, 5, 6], "downscale_ratio_spacial": 8}
    alone = with_words_of(latent, latents(3, 8, 8, seed=1))
    assert alone.keys() == {"samples", "noise_mask", "batch_index"}
    assert alone["noise_mask"] is mask and torch.equal(alone["samples"], latents(3, 8, 8, seed=1))
    both = with_words_of(latent, latents(5, 8, 8), {"samples": latents(2, 8, 8)})
    assert both["batch_index"] == [0, 1, 4, 5, 6]
    assert both["noise_mask"].shape == (5, 1, 8, 8) and (both["noise_mask"][:2] == 1).all()
    again = with_words_of({"samples": latents(2, 8, 8)}, latents(7, 8, 8), both)
    assert again["batch_index"] == [0, 1, 4, 5, 6, 5, 6] and again["noise_mask"].shape[0] == 7
    assert with_words_of({"samples": latents(2)}, latents(4), {"samples": latents(2)}).keys() == {"samples"}
