"""Long windows with views inside: what they cost, and when short ones take their place."""

import comfy.model_management
import pytest
import torch
from animatediff_native.sampling.run import FIRST_FRAME
from animatediff_native.sampling.windows.handler import WindowHandler, in_memory, with_windows
from animatediff_native.sampling.windows.long import ANY_LENGTH, frames_in, of_length
from animatediff_native.sampling.windows.plan import BATCHED, WHOLE_CLIP, WindowPlan, windows
from animatediff_native.sampling.windows.presets import preset
from clips import animated, compiled, conditioning, controlnet, latents, motion_model, sample
from comfy.patcher_extension import WrappersMP
from comfy_extras.nodes_pag import PerturbedAttentionGuidance


def pictures_of_each_call(model, frames: int, **words) -> list[int]:
    """How many pictures the UNet got, call by call."""
    counts = []

    def count(executor, x, *others, **kwargs):
        counts.append(len(x))
        return executor(x, *others, **kwargs)

    model = model.clone()
    model.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "count", count)
    sample(model, latent_image=latents(frames, 8, 8), **({"steps": 1} | words))
    return counts


LONG = [2 * 50, 2 * 50]
"""96 frames in two windows that share 4, for two conds."""
SHORT = [2 * 16] * 8


def test_each_frame_goes_once_through_the_unet(sd15, motion):
    model = with_windows(animated(sd15, motion.patcher), preset("long", 16))
    views = []
    block = motion.patcher.model.sites()["down_blocks.0.motion_modules.0"].transformer_blocks[0]
    block.attention_blocks[0].register_forward_hook(lambda _, inputs, output: views.append(inputs[0].shape[1]))
    assert pictures_of_each_call(model, 96) == LONG
    assert set(views) == {16}
    assert motion.runs_of_every_site() == 2


def test_it_is_what_a_long_clip_gets_by_itself(sd15):
    assert pictures_of_each_call(animated(sd15, motion_model()), 96) == LONG
    assert pictures_of_each_call(animated(sd15, motion_model()), 40) == [80]


def test_a_clip_of_one_long_window_is_one_with_views_alone(sd15):
    model = animated(sd15, motion_model())
    views = WindowPlan(WHOLE_CLIP, 1, 0, views=preset("stable", 16))
    clip = latents(40, 8, 8)
    long = sample(with_windows(model, preset("long", 16)), latent_image=clip)
    assert torch.equal(long, sample(with_windows(model, views), latent_image=clip))


def another_nodes_attention(model):
    model = model.clone()
    model.set_model_attn1_patch(lambda q, k, v, options: (q, k, v))
    return model


def calls_of_its_own(model):
    return PerturbedAttentionGuidance.execute(model, 3.0).args[0]


def goes_on(model):
    model = model.clone()
    model.model_options["transformer_options"][FIRST_FRAME] = 16
    return model


@pytest.mark.parametrize("change", [another_nodes_attention, calls_of_its_own, goes_on])
def test_short_windows_where_all_frames_are_asked_for_at_once(sd15, change):
    calls = pictures_of_each_call(change(animated(sd15, motion_model())), 96)
    assert calls[:8] == SHORT
    assert max(calls) == 32


def test_short_windows_with_a_controlnet(sd15):
    hint = torch.rand(96, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    control = controlnet().set_cond_hint(hint, 1.0, (0.0, 1.0))
    entries = {"control": control, "control_apply_to_uncond": False}
    positive, negative = conditioning(5, **entries), conditioning(6, **entries)
    model = animated(sd15, motion_model())
    assert pictures_of_each_call(model, 96, positive=positive, negative=negative) == SHORT


def test_short_windows_where_norms_average_over_frames(sd15):
    assert pictures_of_each_call(animated(sd15, motion_model("v1")), 96) == SHORT


def test_windows_are_as_long_as_memory_allows():
    plan = preset("long", 16)
    assert of_length(plan, ANY_LENGTH) == plan
    found = [of_length(plan, most).context_length for most in (48, 63, 64, 88, 87, 96, 127, 128, 500, 511, 512)]
    assert found == [48, 48, 64, 64, 64, 96, 96, 128, 384, 384, 512]
    assert of_length(plan, 47) == preset("stable", 16)
    other = preset("loop", 16)
    assert of_length(other, 20) == other


def test_weights_leave_at_least_half_of_the_memory_to_frames():
    assert frames_in(free=1000, weights=400, a_frame=4) == 100
    assert frames_in(free=1000, weights=900, a_frame=4) == 83


def test_a_little_more_or_less_memory_is_the_same_clip():
    """Of all free memories that a GPU of one size may have, few give other windows."""
    plan = preset("long", 16)
    lengths = [of_length(plan, most).context_length for most in range(48, 769)]
    assert len(set(lengths)) == 9 and lengths == sorted(lengths)
    assert all(length <= most < 1.5 * length for length, most in zip(lengths, range(48, 769), strict=True))


@pytest.mark.parametrize("frames", [17, 40, 73, 96, 150, 333])
def test_sweep_no_step_has_a_longer_window_than_the_host_is_told_of(frames):
    for plan in (preset("long", 16), *(preset(name, 16) for name in ("stable", "loop", "fast")), WindowPlan(BATCHED)):
        handler = WindowHandler((plan,))
        for step in range(40):
            most = max(len(window) for window in windows(plan, frames, step))
            assert in_memory(plan, most) <= handler.frames_in_call(frames)


class Told(Exception):
    """What the host was told of."""


@pytest.mark.parametrize(
    ("change", "frames", "reckoned"),
    [(lambda model: model, 96, 36), (lambda model: model, 72, 36), (compiled, 72, 72), (compiled, 96, 16)],
    ids=["chunks", "chunks of one window", "compiled", "compiled, in short windows"],
)
def test_the_host_reckons_with_chunks(sd15, change, frames, reckoned):
    """But not of a compiled UNet, which takes its frames whole, and gets one long window or short ones."""

    def spy(executor, model, noise_shape, *others, **kwargs):
        raise Told(list(noise_shape))

    model = change(animated(sd15, motion_model()))
    model.add_wrapper_with_key(WrappersMP.PREPARE_SAMPLING, "spy", spy)
    with pytest.raises(Told) as told:
        sample(model, latent_image=latents(frames, 8, 8), steps=1)
    assert told.value.args == ([reckoned, 4, 8, 8],)


def test_an_interrupt_stops_at_the_next_operation(sd15, motion_from_file):
    """A call of a long window can take minutes. The host looks for interrupts at each of its operations, and all of
    ours are the host's: here none comes after the one in whose course somebody pressed Cancel."""
    model = with_windows(animated(sd15, motion_from_file), preset("long", 16))
    clip = latents(40, 8, 8)
    whole = sample(model, latent_image=clip)
    ran = []

    def cancel(operation, *_):
        ran.append(operation)
        if len(ran) == 40:
            comfy.model_management.interrupt_current_processing()

    operations = [each for each in motion_from_file.model.modules() if getattr(each, "weight", None) is not None]
    hooks = [each.register_forward_hook(cancel) for each in operations]
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        sample(model, latent_image=clip)
    for hook in hooks:
        hook.remove()
    assert len(ran) == 40 < len(operations)
    assert torch.equal(sample(model, latent_image=clip), whole)
