"""PIA in shared workflows."""

import animatediff_native.nodes.compat.pia as pia
import folder_paths
import pytest
import torch
from animatediff_native.motion.attach import attach
from animatediff_native.motion.load import MOTION_MODELS, load_motion_model
from animatediff_native.motion.picture_channels import Movement
from animatediff_native.motion.strength import Moment
from animatediff_native.nodes.compat.strength import NODES as STRENGTHS
from animatediff_native.sampling.run import watch
from animatediff_native.sampling.values.schedules import FrameValues, parsed
from clips import latents, sample
from i2v import own, pictures, small_vae, started
from oracles import relative_error
from safetensors.torch import save_file
from unets import SD15_CHANNELS
from weights import motion_state

FORMS = {node.GET_SCHEMA().node_id.removeprefix("ADE_"): node for node in [*pia.NODES, *STRENGTHS]}
FILES = {"random_pia.safetensors": "pia", "random_v3.safetensors": "v3", "random_v2.safetensors": "v2"}


@pytest.fixture(scope="module")
def motion(tmp_path_factory):
    folder = tmp_path_factory.mktemp("motion")
    for name, family in FILES.items():
        save_file(motion_state(family, SD15_CHANNELS), folder / name)
    folder_paths.add_model_folder_path(MOTION_MODELS, str(folder))
    yield load_motion_model(str(folder / "random_pia.safetensors"))
    folder_paths.folder_names_and_paths[MOTION_MODELS][0].remove(str(folder))


def drawing(count=1):
    """Black and white, which no way of scaling rounds."""
    return (pictures(count, 64, 64) > 0.5).float()


def run(name, **inputs):
    return FORMS[name].execute(**inputs).result[0]


def preset(name="Animation (Small Motion)", batch_index=0, **words):
    return run("InputPIA_PaperPresets", preset=name, batch_index=batch_index, **words)


def applied(model, motion, image=None, **words):
    """The MODEL that Apply AnimateDiff-PIA Model and Use Evolved Sampling give."""
    inputs = {"image": pictures(1, 64, 64) if image is None else image, "vae": small_vae()}
    inputs |= {"start_percent": 0.0, "end_percent": 1.0}
    ((motion, settings),) = run("ApplyAnimateDiffModelWithPIA", motion_model=motion, **(inputs | words))
    return watch(attach(model, motion, settings))


def clip(model, frames=8, **words):
    return sample(model, frames, **({"steps": 1, "latent_image": latents(frames, 8, 8)} | words))


def ours(model, motion, image, **words):
    started_motion = started(motion, image, latent_image={"samples": latents(8, 8, 8)}, **words)
    return own(model, started_motion, norms="as ADE")


def test_the_same_clip_as_our_own_node(sd15, motion):
    found = clip(applied(sd15, motion, drawing(), pia_input=preset("Loop (Large Motion)", -2)))
    own_clip = clip(ours(sd15, motion, drawing(), movement="large loop", at_frame=6))
    assert relative_error(found, own_clip) < 1e-5


def test_presets_are_the_other_packs():
    """Of loops it mirrors the first half, also where the official table is another."""
    for name, movement in pia.PRESETS.items():
        assert preset(name, -2) == Movement(movement, -2, mirrored=True)
    loop = preset("Loop (Medium Motion)")(Moment(16)).flatten().tolist()
    half = [1.0, 0.8, 0.8, 0.8, 0.79, 0.78, 0.75, 0.75]
    assert loop == pytest.approx(half + half[::-1])
    large = preset("Animation (Large Motion)", 2, mult_multival=0.5)(Moment(5)).flatten().tolist()
    assert large == pytest.approx([0.35, 0.4, 0.5, 0.4, 0.35])


def test_without_a_pia_input_every_frame_shows_the_whole_picture(sd15, motion):
    found = clip(applied(sd15, motion))
    assert torch.equal(found, clip(applied(sd15, motion, pia_input=run("InputPIA_Multival", multival=1.0))))
    assert relative_error(clip(applied(sd15, motion, pia_input=preset())), found) > 1e-3


def test_of_several_pictures_each_frame_has_its_own_and_the_last_holds_on(sd15, motion):
    two = drawing(2)
    found = clip(applied(sd15, motion, two, pia_input=preset()))
    assert relative_error(found, clip(ours(sd15, motion, two[[0, 1, 1, 1, 1, 1, 1, 1]]))) < 1e-5


def test_the_picture_is_encoded_once_a_run_at_the_size_of_the_clip(sd15, motion):
    vae, seen = small_vae(), []
    encode = vae.encode
    vae.encode = lambda pixels: seen.append(tuple(pixels.shape)) or encode(pixels)
    model = applied(sd15, motion, pictures(1, 96, 160), vae=vae)
    clip(model, 24, steps=3)
    assert seen == [(1, 64, 64, 3)]
    clip(model, latent_image=latents(8, 8, 12))
    assert seen == [(1, 64, 64, 3), (1, 64, 96, 3)]


def test_a_keyframe_multiplies_what_the_frames_show(sd15, motion):
    """And is inherited by later ones, unless these say otherwise."""

    def keyed(*keyframes):
        found = ()
        for words in keyframes:
            found = run("PIA_AnimateDiffKeyframe", **({"start_percent": 0.0, "prev_ad_keyframes": found} | words))
        return clip(applied(sd15, motion, pia_input=preset(), ad_keyframes=found), steps=4)

    half = clip(applied(sd15, motion, pia_input=preset(mult_multival=0.5)), steps=4)
    full = clip(applied(sd15, motion, pia_input=preset()), steps=4)
    assert torch.equal(keyed({"pia_input": 0.5}), half) and torch.equal(keyed({}), full)
    assert torch.equal(keyed({"pia_input": 0.5}, {"start_percent": 0.5}), half)
    late = keyed({"pia_input": 0.5}, {"start_percent": 0.5, "inherit_missing": False})
    assert all(relative_error(late, other) > 1e-5 for other in (half, full))


def test_a_plain_keyframe_keeps_the_picture(sd15, motion):
    keys = run("AnimateDiffKeyframe", start_percent=0.0)
    found = clip(applied(sd15, motion, pia_input=preset(), ad_keyframes=keys))
    assert torch.equal(found, clip(applied(sd15, motion, pia_input=preset())))


def test_injected_into_another_motion_model(sd15, motion):
    """With PIA's channels and norms, and its own motion modules: v3's are here the same weights."""
    injected = run("InjectPIAIntoAnimateDiffModel", model_name="random_v3.safetensors", motion_model=motion)
    found, expected = (clip(applied(sd15, each, pia_input=preset())) for each in (injected, motion))
    assert torch.equal(found, expected)
    v2 = run("InjectPIAIntoAnimateDiffModel", model_name="random_v2.safetensors", motion_model=motion)
    assert v2.model.format.norms("as ADE").spatial_transformers
    assert clip(applied(sd15, v2)).isfinite().all()
    factory, arguments = injected.cached_patcher_init
    assert factory(*arguments, disable_dynamic=True).model.format == injected.model.format


def test_where_the_motion_does_not_run_there_is_no_picture(sd15, motion):
    """Only norms over frames stay, as in that pack."""
    image = pictures(1, 64, 64)
    found = [clip(applied(sd15, motion, each, effect_multival=0.0)) for each in (image, 1 - image)]
    assert torch.equal(*found) and not torch.equal(found[0], clip(applied(sd15, motion, image)))


def test_a_share_of_the_frames(sd15, motion):
    shares = FrameValues(parsed("0: 1, 7: 0"))
    found = clip(applied(sd15, motion, pia_input=shares))
    line = torch.linspace(1, 0, 8).view(-1, 1, 1)
    assert relative_error(found, clip(applied(sd15, motion, pia_input=line))) < 1e-5


WRONG = {
    "another motion model": (
        lambda motion: applied(None, load("random_v3.safetensors")),
        "motion_model is AnimateDiff v3, and must be PIA. Choose pia.ckpt in Load AnimateDiff Model",
    ),
    "an injection from another": (
        lambda motion: run(
            "InjectPIAIntoAnimateDiffModel",
            model_name="random_v3.safetensors",
            motion_model=load("random_v2.safetensors"),
        ),
        "motion_model is AnimateDiff v2, and must be PIA",
    ),
    "no VAE": (lambda motion: applied(None, motion, vae=None), "There is no VAE in the checkpoint's file"),
    "a VAE of another kind": (lambda motion: applied(None, motion, vae=small_vae(16)), "The VAE makes latents of 16"),
    "no picture": (lambda motion: applied(None, motion, torch.zeros(0, 64, 64, 3)), "image has the shape"),
    "the other pack's input": (
        lambda motion: applied(None, motion, pia_input=object()),
        "pia_input comes from a node of another pack",
    ),
}


def load(name):
    return load_motion_model(folder_paths.get_full_path_or_raise(MOTION_MODELS, name))


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(motion, case):
    make, message = WRONG[case]
    with pytest.raises(ValueError, match=f"^{message}"):
        make(motion)
