"""Pictures that are laid over a clip while it is sampled, on the host's samplers and a small VAE of the host."""

import comfy.model_management
import comfy.sample
import comfy.samplers
import comfy.sd
import comfy.taesd.taesd
import pytest
import torch
from animatediff_native.nodes.compat.inject import image_injection, image_injection_options
from animatediff_native.sampling.injection import Injection, with_injections
from animatediff_native.sampling.iterations import Iterations, with_iterations
from animatediff_native.sampling.paste import pasted, stretched
from animatediff_native.sampling.pieces import sample_piece
from animatediff_native.sampling.values.schedules import FrameValues, parsed
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import LOOPED_UNIFORM, STANDARD_STATIC, WindowPlan
from clips import animated, conditioning, latents, motion_model, sample
from comfy.patcher_extension import WrappersMP
from oracles import relative_error
from weights import filled

IMAGE = torch.rand(3, 40, 48, 3, generator=torch.Generator().manual_seed(9))


@pytest.fixture(scope="module")
def vae():
    net = comfy.taesd.taesd.TAESD()
    state = filled({key: tuple(value.shape) for key, value in net.state_dict().items() if value.ndim}, 4)
    return comfy.sd.VAE(sd=state | {key: value for key, value in net.state_dict().items() if not value.ndim})


def clip_of(model, frames: int = 8, **words):
    """A sampling of pictures of 64 pixels, which the VAE is fast with."""
    return sample(model, frames, **({"latent_image": latents(frames, 8, 8)} | words))


def parts_of(model, **words):
    """(noise levels, what the part starts from, its result, what it saw last) of each part; and the clip."""
    parts = []

    def spy(executor, guider, sigmas, extra_args, callback, noise, latent_image, *others, **kwargs):
        seen = []

        def told(step, x0, x, steps):
            seen.append(x0.clone())
            callback(step, x0, x, steps)

        result = executor(guider, sigmas, extra_args, told, noise, latent_image, *others, **kwargs)
        parts.append((sigmas.clone(), latent_image + noise * sigmas[0], result.clone(), seen[-1]))
        return result

    model = model.clone()
    model.add_wrapper_with_key(WrappersMP.SAMPLER_SAMPLE, "spy", spy)
    return parts, clip_of(model, **words)


@pytest.mark.parametrize("words", [{}, {"stretch": False, "place": (16, 8)}], ids=["stretched", "in its place"])
def test_the_picture_changes_what_is_seen_and_leaves_the_noise(sd15, vae, words):
    model = with_injections(animated(sd15, motion_model()), (Injection(IMAGE, vae, 0.3, **words),))
    parts, _ = parts_of(model, steps=5)
    (levels, _, x, seen), (later, start, _, _) = parts
    assert len(levels) + len(later) == 7 and levels[-1] == later[0]
    with torch.inference_mode():
        pictures = vae.decode(seen / 0.18215)
        image = IMAGE if words else stretched(IMAGE, pictures)
        over = pasted(pictures, image, None, range(8), words.get("place", (0, 0)))
        expected = x + (vae.encode(over) - vae.encode(pictures)) * 0.18215
    assert torch.allclose(start, expected, atol=1e-3) and not torch.allclose(start, x, atol=1e-2)


def test_no_strength_is_no_change(sd15, vae):
    model = animated(sd15, motion_model())
    none = with_injections(model, (Injection(IMAGE, vae, 0.0, 2, strength=0.0),))
    parts, clip = parts_of(none, steps=4)
    assert len(parts) == 3 and torch.allclose(clip, clip_of(model, steps=4), atol=1e-3)


def test_transparency_of_a_picture_has_no_part(sd15, vae):
    pictures = (IMAGE, torch.cat([IMAGE, torch.rand(3, 40, 48, 1)], dim=-1))
    assert torch.equal(*(clip_of(with_injections(sd15, (Injection(each, vae),)), 2, steps=2) for each in pictures))


def test_strength_and_mask_count_where_they_are(sd15, vae):
    strength = torch.tensor([1.0, 0.0, 0.5]).view(3, 1, 1)
    whole, own = (
        parts_of(with_injections(sd15, (Injection(IMAGE, vae, strength=each),)), steps=3)[0] for each in (1.0, strength)
    )
    x, full = whole[0][2], whole[1][1]
    assert torch.allclose(own[1][1][0], full[0], atol=1e-3) and torch.allclose(own[1][1][1], x[1], atol=1e-3)
    assert torch.allclose(own[1][1][2:], (x + full)[2:] / 2, atol=1e-3)
    black = parts_of(with_injections(sd15, (Injection(IMAGE, vae, mask=torch.zeros(1, 8, 8)),)), steps=3)[0]
    assert torch.allclose(black[1][1], x, atol=1e-3)


def test_progress_and_windows_count_on(sd15, vae):
    """A plan whose windows move from step to step sees the steps of one sampling, in the order that it has uncut."""
    told = []
    model = with_windows(animated(sd15, motion_model()), WindowPlan(LOOPED_UNIFORM, 8, 2))
    uncut = clip_of(model, frames=12, steps=4)
    parts = with_injections(model, (Injection(IMAGE, vae, 0.2, strength=0.0),))
    clip = clip_of(parts, frames=12, steps=4, callback=lambda step, x0, x, steps: told.append((step, steps)))
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4)] and torch.allclose(clip, uncut, atol=1e-2)


def test_held_pixels_stay(sd15, vae):
    mask = torch.ones(8, 1, 8, 8)
    mask[..., 4:] = 0
    words = {"latent_image": latents(8, 8, 8, seed=3), "noise_mask": mask, "steps": 4}
    model = with_injections(sd15, (Injection(IMAGE, vae, 0.2),))
    ((_, _, x, _), (_, start, _, _)), clip = parts_of(model, **words)
    assert torch.allclose(start[..., 4:], x[..., 4:], atol=1e-3)
    assert not torch.allclose(start[..., :4], x[..., :4], atol=1e-2)
    assert torch.allclose(clip[..., 4:], words["latent_image"][..., 4:], atol=1e-4)
    none = with_injections(sd15, (Injection(IMAGE, vae, 0.2, strength=0.0),))
    assert relative_error(clip_of(none, **words), clip_of(sd15, **words)) < 1e-3
    assert not torch.allclose(clip[..., :4], clip_of(sd15, **words)[..., :4], atol=1e-2)


def test_injections_come_in_the_order_of_the_sampling(sd15, vae):
    """Whichever was connected first."""
    one, two = Injection(IMAGE, vae, 0.2), Injection(1 - IMAGE, vae, 0.6)
    clips = [clip_of(with_injections(sd15, order), steps=4) for order in ((one, two), (two, one))]
    assert torch.equal(*clips) and not torch.allclose(clips[0], clip_of(with_injections(sd15, (one,)), steps=4))


def test_a_clip_that_goes_on_has_the_strengths_of_its_own_frames(sd15, vae):
    """Strengths are for the frames of the whole clip; here only for the first, which are not sampled again."""
    conds = (conditioning(5), conditioning(6))
    words = {"steps": 2, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal"}

    def new_frames(strength):
        model = with_windows(animated(sd15, motion_model()), WindowPlan(STANDARD_STATIC, 8, 2))
        model = with_injections(model, (Injection(IMAGE, vae, strength=strength),))
        with torch.inference_mode():
            return sample_piece(model, {"samples": latents(6, 8, 8)}, latents(12, 8, 8, seed=4), 11, *conds, **words)[1]

    none = new_frames(0.0)
    assert torch.allclose(new_frames(FrameValues(parsed("0: 1, 8: 0 jump"))), none, atol=1e-3)
    assert not torch.allclose(new_frames(1.0), none, atol=1e-2)


def test_models_that_the_vae_pushes_out_come_back(sd15, vae):
    class Crowding:
        encode = vae.encode

        @staticmethod
        def decode(latents):
            comfy.model_management.unload_all_models()
            return vae.decode(latents)

    loaded = []

    def note(*_):
        loaded.append(any(each.model is sd15.model for each in comfy.model_management.loaded_models()))

    clip_of(with_injections(sd15, (Injection(IMAGE, Crowding()),)), steps=3, callback=note)
    assert loaded == [True] * 3


def test_a_sampler_that_does_not_show_its_steps_is_told(sd15, vae):
    silent = comfy.samplers.KSAMPLER(lambda model, x, sigmas, extra_args, callback, disable: x)
    model = with_injections(sd15, (Injection(IMAGE, vae, 0.5),))
    words = (conditioning(5), conditioning(6), latents(8, 8, 8))
    with pytest.raises(RuntimeError, match="This sampler does not show its steps, so no image can be injected"):
        comfy.sample.sample_custom(
            model, latents(8, 8, 8, seed=1), 4.0, silent, torch.tensor([9.0, 4.0, 1.0, 0.0]), *words
        )


def test_wrong_values(vae):
    with pytest.raises(ValueError, match="start_percent is 1.5, and must be from 0 to 1"):
        Injection(IMAGE, vae, 1.5)
    with pytest.raises(ValueError, match="guarantee_steps is 0, and must be 1 or more"):
        Injection(IMAGE, vae, times=0)


def test_each_iteration_injects(sd15, vae):
    """Whichever was put on the MODEL first."""
    injection, twice = (Injection(IMAGE, vae),), Iterations(2, None, seed_offset=0)
    one = with_iterations(with_injections(sd15, injection), twice)
    parts, clip = parts_of(one, steps=3)
    assert [len(part[0]) for part in parts] == [2, 3, 2, 3]
    assert torch.equal(clip_of(with_injections(with_iterations(sd15, twice), injection), steps=3), clip)


def test_a_start_outside_of_the_sampling_changes_nothing(sd15, vae, caplog):
    words = {"steps": 4, "denoise": 0.5, "latent_image": latents(8, 8, 8, seed=3)}
    with caplog.at_level("INFO", "animatediff"):
        clip = clip_of(with_injections(sd15, (Injection(IMAGE, vae, 0.1),)), **words)
    assert torch.equal(clip, clip_of(sd15, **words)) and "0 image injections" in caplog.text


def test_anothers_vae_is_told(sd15, vae):
    class Eighth:
        decode = vae.decode

        @staticmethod
        def encode(pictures):
            return vae.encode(pictures)[..., ::2, ::2]

    with pytest.raises(ValueError, match="Connect the checkpoint's own VAE"):
        clip_of(with_injections(sd15, (Injection(IMAGE, Eighth()),)), steps=3)


def test_the_forms(vae):
    place = image_injection_options.execute(composite_x=16, composite_y=8).result[0]
    mask = torch.full((1, 4, 4), 0.25)
    first = image_injection.execute(image=IMAGE, vae=vae).result[0]
    words = {"img_inject_opts": place, "mask_opt": mask, "invert_mask": True, "strength_multival": 0.5}
    words |= {"resize_image": False, "guarantee_steps": 3}
    both = image_injection.execute(image=IMAGE, vae=vae, prev_image_inject=first, start_percent=0.4, **words).result[0]
    assert both[0] is first[0] and (both[0].mask, both[0].strength, both[0].stretch) == (None, 1.0, True)
    assert (both[1].place, both[1].strength, both[1].start_percent) == ((16, 8), 0.5, 0.4)
    assert (both[1].mask == 0.75).all() and (both[1].stretch, both[1].times) == (False, 3)
    nowhere = image_injection.execute(image=IMAGE, vae=vae, invert_mask=True).result[0]
    assert (nowhere[0].mask == 0).all()  # without a mask it counts everywhere
