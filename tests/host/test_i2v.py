"""AnimateLCM-I2V on the host: files, forms, and what a picture does to frames."""

import comfy.sd
import comfy.taesd.taesd
import folder_paths
import pytest
import torch
from animatediff_native.motion.adjust import Adjustments
from animatediff_native.motion.attach import MotionRun, attach
from animatediff_native.motion.load import MOTION_MODELS, load_motion_model, readjusted
from animatediff_native.motion.settings import BlockStrength, Keyframe, MotionSettings
from animatediff_native.nodes.compat.i2v import NODES
from animatediff_native.sampling.handler import with_windows
from animatediff_native.sampling.run import watch
from animatediff_native.sampling.schedules import FrameValues, parsed
from animatediff_native.sampling.windows import STANDARD_STATIC, WindowPlan
from clips import FRAMES, conditioning, latents, motion_model, sample
from oracles import relative_error
from safetensors.torch import save_file
from unets import SD15_CHANNELS, unet_model
from weights import filled, image_encoder_shapes, motion_state

import nodes

I2V, PLAIN, SDXL = "random_i2v.safetensors", "random_lcm.safetensors", "random_xl.safetensors"
FORMS = {node.GET_SCHEMA().node_id.removeprefix("ADE_"): node for node in NODES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("motion")
    for name, family in ((I2V, "animatelcm_i2v"), (PLAIN, "animatelcm"), (SDXL, "sdxl")):
        channels = SD15_CHANNELS[:3] if family == "sdxl" else SD15_CHANNELS
        save_file(motion_state(family, channels), folder / name)
    folder_paths.add_model_folder_path(MOTION_MODELS, str(folder))
    yield folder
    folder_paths.folder_names_and_paths[MOTION_MODELS][0].remove(str(folder))


@pytest.fixture(scope="module")
def loaded(folder):
    """(MOTION_MODEL, encoder_only)"""
    return FORMS["LoadAnimateLCMI2VModel"].execute(I2V).result


def applied(model, motion, reference=None, **words):
    """The MODEL that Apply AnimateLCM-I2V Model and Use Evolved Sampling give."""
    inputs = {"ref_drift": 0.8, "apply_ref_when_disabled": False, "start_percent": 0.0, "end_percent": 1.0}
    reference = latents(1, seed=21) if reference is None else reference
    apply = FORMS["ApplyAnimateLCMI2VModel"].execute
    (pair,) = apply(motion, {"samples": reference}, **(inputs | words)).result[0]
    return watch(attach(model, *pair))


def without_picture(model, motion, **settings):
    return watch(attach(model, motion, MotionSettings(norms="as ADE", **settings)))


class Fed:
    """What the image encoder of a MOTION_MODEL gives, and what its motion modules get and give, while it is open."""

    def __init__(self, motion):
        self.encoded, self.inputs, self.hooks = [], {}, []
        model = motion.model
        self.hooks.append(model.img_encoder.register_forward_hook(self.note_encoded, with_kwargs=False))
        for site, module in model.sites().items():
            hook = module.register_forward_hook(
                lambda _, inputs, output, site=site: self.inputs.setdefault(site, []).append((inputs[0], output))
            )
            self.hooks.append(hook)

    def note_encoded(self, _, inputs, output):
        self.encoded.append((inputs, output))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for hook in self.hooks:
            hook.remove()


def test_the_file_is_held_with_its_image_encoder(loaded):
    motion, encoder_only = loaded
    state = motion.model.state_dict()
    for key in image_encoder_shapes(SD15_CHANNELS):
        assert torch.equal(state[key], motion_state("animatelcm_i2v", SD15_CHANNELS)[key]), key
        assert torch.equal(encoder_only.model.state_dict()[key], state[key])
    assert set(encoder_only.model.state_dict()) == set(image_encoder_shapes(SD15_CHANNELS))
    assert motion.model.format.summary() == "AnimateLCM-I2V for SD1.5, up to 64 frames"
    assert "image encoder" in encoder_only.model.format.summary()
    assert motion.model_size() > sum(value.nbytes for key, value in state.items() if "img_encoder" not in key)


def test_the_host_can_make_both_anew(loaded):
    for patcher in loaded:
        factory, arguments = patcher.cached_patcher_init
        fresh = factory(*arguments, disable_dynamic=True)
        assert fresh.model is not patcher.model and fresh.model.format == patcher.model.format
        assert all(
            torch.equal(value, patcher.model.state_dict()[key]) for key, value in fresh.model.state_dict().items()
        )


def test_an_adjusted_motion_model_keeps_its_image_encoder(loaded):
    assert readjusted(loaded[0], Adjustments()).model.format.image_encoder
    assert readjusted(loaded[1], Adjustments()).model.format.encoder_only


def test_the_plain_loader_takes_the_file_and_warns_without_a_picture(folder, sd15, caplog):
    motion = load_motion_model(str(folder / I2V))
    assert sample(without_picture(sd15, motion), steps=1).isfinite().all()
    assert "AnimateLCM-I2V was trained with a picture" in caplog.text


def test_a_picture_changes_the_frames(sd15, loaded):
    motion, _ = loaded
    one, other = (sample(applied(sd15, motion, latents(1, seed=seed)), steps=1) for seed in (21, 22))
    none = sample(without_picture(sd15, motion), steps=1)
    assert relative_error(one, other) > 1e-2 and relative_error(one, none) > 1e-2


def test_each_level_is_added_before_the_second_motion_module(sd15, loaded):
    """The input of the second module of each down block, with the picture less without it, up to the first: there
    the hidden state is the same."""
    motion, _ = loaded
    first = "down_blocks.0.motion_modules.1"
    seen = {}
    for name, model in (("with", applied(sd15, motion)), ("without", without_picture(sd15, motion))):
        with Fed(motion) as fed:
            sample(model, steps=1)
        seen[name] = fed
    ((x, _),), ((plain, _),) = (seen[name].inputs[first] for name in ("with", "without"))
    (((scaled, frames, drift), features),) = seen["with"].encoded
    assert (frames, drift, len(scaled)) == (FRAMES, 0.8, FRAMES) and not seen["without"].encoded
    picture = latents(1, seed=21) * sd15.model.latent_format.scale_factor
    assert torch.allclose(scaled, picture.expand(FRAMES, -1, -1, -1))
    assert torch.allclose(x - plain, features[0].repeat(2, 1, 1, 1), atol=1e-5)


def test_the_encoder_alone_adds_the_features(sd15, loaded):
    _, alone = loaded
    with Fed(alone) as fed:
        model = applied(sd15, alone, effect_multival=0.5)
        after = []
        model.set_model_input_block_patch(
            lambda h, options: after.append(h.clone()) or h if options["block"] == ("input", 2) else h
        )
        sample(model, steps=1)
    feature = fed.encoded[0][1][0].repeat(2, 1, 1, 1)
    ((x, passed_on),) = fed.inputs["down_blocks.0.motion_modules.1"]
    assert passed_on is x  # the state with the feature; half of it with an effect of 0.5
    assert torch.allclose(after[0], x - 0.5 * feature, atol=1e-5)
    ((x, same),) = fed.inputs["down_blocks.0.motion_modules.0"]
    assert same is x


def test_the_encoder_alone_keeps_frames_apart(sd15, loaded):
    """Without drift and with one picture, frames of the same noise stay the same: nothing looks along time."""
    noise = latents(1, seed=5).expand(FRAMES, -1, -1, -1).clone()
    clip = sample(applied(sd15, loaded[1], ref_drift=0.0), noise=noise, steps=1)
    assert torch.allclose(clip, clip[:1].expand_as(clip), atol=1e-4)
    drifting = sample(applied(sd15, loaded[1], ref_drift=0.8), noise=noise, steps=1)
    assert not torch.allclose(drifting, drifting[:1].expand_as(drifting), atol=1e-2)


def test_drift_tells_the_frames_apart(sd15, loaded):
    still, drifting = (sample(applied(sd15, loaded[0], ref_drift=drift), steps=1) for drift in (0.0, 0.8))
    assert relative_error(still, drifting) > 1e-3


@pytest.mark.parametrize(
    "off",
    [
        {"effect_multival": 0.0},
        {"start_percent": 0.999},
        {"end_percent": 0.0},
        {"ad_keyframes": (Keyframe(effect=0.0),)},
        {"per_block": (BlockStrength(effect=0.0),)},
    ],
    ids=["effect 0", "before its start", "after its end", "a keyframe's effect 0", "each block's effect 0"],
)
def test_without_effect_the_picture_counts_only_if_asked(sd15, loaded, off):
    """With it, the motion model does what its encoder alone does."""
    motion, alone = loaded
    noise = {"steps": 1, "sampler_name": "euler"}
    assert torch.equal(sample(applied(sd15, motion, **off), **noise), sample(sd15, **noise))
    still_there = sample(applied(sd15, motion, apply_ref_when_disabled=True, **off), **noise)
    assert torch.allclose(still_there, sample(applied(sd15, alone), **noise), atol=1e-5)
    assert relative_error(still_there, sample(sd15, **noise)) > 1e-2


def test_an_effect_over_frames_is_the_pictures_too(sd15, loaded):
    half = FrameValues(parsed("0: 1, 4: 0 jump"))
    clip, plain = sample(applied(sd15, loaded[1], effect_multival=half), steps=1), sample(sd15, steps=1)
    assert torch.allclose(clip[4:], plain[4:], atol=1e-5) and not torch.allclose(clip[:4], plain[:4], atol=1e-2)


def test_a_motion_model_whose_picture_still_counts_stays_loaded(loaded):
    from animatediff_native.motion.strength import Moment

    moment = Moment(8, [3.0], 9.0, percent_to_sigma=lambda percent: 5.0)
    for when_disabled, released in ((False, 1), (True, 0)):
        run = MotionRun(8)
        words = {"ref_drift": 0.0, "apply_ref_when_disabled": when_disabled, "start_percent": 0.0, "end_percent": 0.5}
        reference = {"samples": latents(1)}
        ((_, settings),) = FORMS["ApplyAnimateLCMI2VModel"].execute(loaded[0], reference, **words).result[0]
        run.release([(loaded[0], settings)], moment)
        assert len(run.released) == released


@pytest.mark.parametrize("per_call", [1, 3])
def test_windows_give_each_frame_its_own_picture(sd15, loaded, per_call):
    """A picture for each frame of the clip; the frame embedding begins anew in each window."""
    motion, _ = loaded
    pictures = latents(16, seed=23)
    model = with_windows(applied(sd15, motion, pictures), WindowPlan(STANDARD_STATIC, 8, 4), windows_per_call=per_call)
    with Fed(motion) as fed:
        sample(model, frames=16, steps=1)
    indices = [frame for start in (0, 4, 8) for frame in range(start, start + 8)]
    scaled = torch.cat([inputs[0] for inputs, _ in fed.encoded])
    assert torch.allclose(scaled, pictures[indices] * sd15.model.latent_format.scale_factor)
    assert {inputs[1] for inputs, _ in fed.encoded} == {8} and len(fed.encoded) == 3 // per_call


def test_one_picture_is_encoded_once_for_all_windows_and_steps(sd15, loaded):
    motion, _ = loaded
    model = with_windows(applied(sd15, motion), WindowPlan(STANDARD_STATIC, 8, 4), windows_per_call=1)
    with Fed(motion) as fed:
        sample(model, frames=16, steps=3)
        assert len(fed.encoded) == 1
        sample(model, frames=16, steps=1)
    assert len(fed.encoded) == 2  # nothing is kept after a run


def test_fewer_pictures_than_frames_are_for_the_frames_in_turn(sd15, loaded):
    motion, _ = loaded
    pictures = latents(3, seed=24)
    in_turn = pictures[[frame % 3 for frame in range(FRAMES)]]
    assert torch.equal(sample(applied(sd15, motion, pictures)), sample(applied(sd15, motion, in_turn)))


def test_conds_together_or_apart(sd15, loaded):
    model = applied(sd15, loaded[0], latents(FRAMES, seed=25))
    positive, negative = conditioning(5), conditioning(6)
    together = sample(model, positive=positive, negative=negative, steps=1)
    model.model_options["model_function_wrapper"] = one_cond_at_a_time
    assert relative_error(sample(model, positive=positive, negative=negative, steps=1), together) < 1e-5


def one_cond_at_a_time(apply, words):
    conds, results = words["cond_or_uncond"], []
    count = len(words["input"]) // len(conds)
    for number, kind in enumerate(conds):
        own = slice(number * count, (number + 1) * count)
        c = dict(words["c"])
        c["c_crossattn"] = c["c_crossattn"][own]
        c["transformer_options"] = c["transformer_options"] | {"cond_or_uncond": [kind]}
        results.append(apply(words["input"][own], words["timestep"][own], **c))
    return torch.cat(results)


def test_odd_sizes_and_pictures_of_another_size(sd15, loaded):
    """The picture's middle, at the size of the latents."""
    motion, _ = loaded
    with Fed(motion) as fed:
        clip = sample(applied(sd15, motion, latents(1, 10, 30, seed=26)), latent_image=latents(8, 9, 13), steps=1)
    assert clip.shape == (8, 4, 9, 13) and clip.isfinite().all()
    (((scaled, *_), _),) = fed.encoded
    assert scaled.shape == (8, 4, 9, 13)


def test_views(sd15, loaded):
    plan = WindowPlan(STANDARD_STATIC, FRAMES, 0, use_on_equal_length=True, views=WindowPlan(STANDARD_STATIC, 4, 2))
    motion, _ = loaded
    with Fed(motion) as fed:
        clip = sample(with_windows(applied(sd15, motion), plan), steps=1)
    assert clip.isfinite().all() and [inputs[1] for inputs, _ in fed.encoded] == [FRAMES]


def test_an_area_has_the_whole_picture_in_it(sd15, loaded):
    """As in ComfyUI-AnimateDiff-Evolved: the picture is brought to the size of the region."""
    area = conditioning(7, area=(8, 8, 0, 8), strength=1.0)
    with Fed(loaded[0]) as fed:
        clip = sample(applied(sd15, loaded[0]), positive=conditioning(5) + area, steps=2)
    assert clip.isfinite().all()
    sizes = sorted(inputs[0].shape[-2:] for inputs, _ in fed.encoded)
    assert sizes == [(8, 8), (16, 16)]  # each once for both steps


def test_clones_do_not_disturb_each_other(sd15, loaded):
    motion, _ = loaded
    one = applied(sd15, motion, latents(1, seed=21))
    expected = sample(one, steps=1)
    two = applied(one, motion, latents(1, seed=22), ref_drift=0.0)
    both = sample(two, steps=1)
    assert not torch.allclose(both, expected, atol=1e-2)
    assert torch.equal(sample(one, steps=1), expected) and torch.equal(sample(one.clone(), steps=1), expected)
    with Fed(motion) as fed:
        assert torch.equal(sample(two, steps=1), both)
    assert len(fed.encoded) == 2  # each picture once


def test_the_plain_model_is_bit_equal_afterwards(loaded):
    model = unet_model()
    before = sample(model)
    sample(applied(model, loaded[0]))
    assert torch.equal(sample(model), before)


def test_an_injected_image_encoder(sd15, folder, loaded):
    motion, _ = loaded
    injected = FORMS["InjectI2VIntoAnimateDiffModel"].execute(PLAIN, motion).result[0]
    assert injected.model.format.family.name == "AnimateLCM" and injected.model.format.image_encoder
    again = FORMS["InjectI2VIntoAnimateDiffModel"].execute(PLAIN, injected).result[0]
    expected = sample(applied(sd15, motion), steps=1)  # the files' motion modules are the same
    for patcher in (injected, again):
        assert torch.equal(sample(applied(sd15, patcher), steps=1), expected)
    factory, arguments = injected.cached_patcher_init
    assert factory(*arguments, disable_dynamic=True).model.format == injected.model.format


@pytest.mark.parametrize("crop", ["center", "disabled"])
def test_a_picture_is_brought_to_the_size_of_the_clip(crop):
    """The same as the host's Upscale Image and VAE Encode."""
    weights = filled({key: tuple(value.shape) for key, value in comfy.taesd.taesd.TAESD().state_dict().items()})
    vae = comfy.sd.VAE(sd=weights)
    image = torch.rand(2, 40, 100, 4, generator=torch.Generator().manual_seed(8))
    inputs = {"latent_size": {"samples": latents(4, 5, 7)}, "scale_method": "bicubic", "crop": crop}
    found = FORMS["UpscaleAndVAEEncode"].execute(image, vae, **inputs).result[0]["samples"]
    (scaled,) = nodes.ImageScale().upscale(image, "bicubic", 56, 40, crop)
    (expected,) = nodes.VAEEncode().encode(vae, scaled[..., :3])
    assert found.shape == (2, 4, 5, 7) and found.isfinite().all() and torch.equal(found, expected["samples"])


NONSENSE = {
    "a plain AnimateLCM in the I2V loader": (
        lambda w: FORMS["LoadAnimateLCMI2VModel"].execute(PLAIN),
        "'random_lcm.safetensors' .AnimateLCM. has no image encoder.* load this file with Load AnimateDiff Model",
    ),
    "a motion model without image encoder": (
        lambda w: applied(w.model, motion_model()),
        "This motion model .AnimateDiff v3. has no image encoder, so it cannot start from ref_latent",
    ),
    "latents of 16 channels": (
        lambda w: applied(w.model, w.motion, torch.zeros(1, 16, 8, 8)),
        r"ref_latent has the shape \[1, 16, 8, 8\], and must hold pictures of 4 channels",
    ),
    "latents of a video": (
        lambda w: applied(w.model, w.motion, torch.zeros(1, 4, 3, 8, 8)),
        r"ref_latent has the shape \[1, 4, 3, 8, 8\]",
    ),
    "no latents": (lambda w: applied(w.model, w.motion, torch.zeros(0, 4, 8, 8)), "ref_latent has the shape"),
    "latents of NaN": (
        lambda w: applied(w.model, w.motion, torch.full((1, 4, 8, 8), float("nan"))),
        "ref_latent holds NaN or infinity",
    ),
    "a drift of NaN": (lambda w: applied(w.model, w.motion, ref_drift=float("nan")), "ref_drift is nan, and must be"),
    "a drift below 0": (lambda w: applied(w.model, w.motion, ref_drift=-1.0), "ref_drift is -1, and must be from 0"),
    "a range turned round": (
        lambda w: applied(w.model, w.motion, start_percent=0.8, end_percent=0.2),
        "the motion would never run",
    ),
    "SDXL": (lambda w: applied(unet_model("sdxl"), w.motion), "motion model for SD1.5 .* connected model is SDXL"),
    "the encoder alone without a picture": (
        lambda w: without_picture(w.model, w.alone),
        "does nothing but add a picture, and there is none. Use Apply AnimateLCM-I2V Model",
    ),
    "an injection from a motion model without image encoder": (
        lambda w: FORMS["InjectI2VIntoAnimateDiffModel"].execute(PLAIN, motion_model()),
        "motion_model .AnimateDiff v3. has no image encoder. Connect one from Load AnimateLCM-I2V Model",
    ),
    "an injection into SDXL": (
        lambda w: FORMS["InjectI2VIntoAnimateDiffModel"].execute(SDXL, w.motion),
        "'random_xl.safetensors' is a motion model for SDXL, and the image encoder of 'random_i2v.safetensors' is for",
    ),
}


class World:
    def __init__(self, model, loaded):
        self.model, (self.motion, self.alone) = model, loaded


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense(sd15, loaded, case):
    act, message = NONSENSE[case]
    with pytest.raises(ValueError, match=message):
        act(World(sd15, loaded))
