"""SparseCtrl and Apply Advanced ControlNet in workflows made for Advanced-ControlNet."""

import folder_paths
import pytest
import torch
from animatediff_native.nodes.compat.sparse import NODES
from animatediff_native.nodes.sparse import LoadSparseCtrl
from animatediff_native.sampling.values.places import Places
from clips import animated, conditioning, controlnet, latents, motion_model, sample
from i2v import pictures, small_vae
from safetensors.torch import save_file
from sparse import sparse_state
from unets import SD15_CHANNELS

import nodes

FORMS = {node.GET_SCHEMA().node_id.removeprefix("ACN_"): node for node in NODES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("controlnet")
    for kind in ("rgb", "scribble"):
        save_file(sparse_state(kind, SD15_CHANNELS), folder / f"form_{kind}.safetensors")
    folder_paths.add_model_folder_path("controlnet", str(folder))
    yield folder
    folder_paths.folder_names_and_paths["controlnet"][0].remove(str(folder))


@pytest.fixture(scope="module")
def model(sd15):
    return animated(sd15, motion_model())


def run(name, **inputs):
    return FORMS[name].execute(**inputs).result


def loaded(kind="scribble", **inputs):
    words = {"use_motion": True, "motion_strength": 1.0, "motion_scale": 1.0}
    return run("SparseCtrlLoaderAdvanced", sparsectrl_name=f"form_{kind}.safetensors", **(words | inputs))[0]


def clip(model, conds):
    return sample(model, steps=1, positive=conds[0], negative=conds[1], latent_image=latents(8, 8, 8))


def applied(control, image, name="AdvancedControlNetApply_v2", **inputs):
    words = {"strength": 0.8, "start_percent": 0.0, "end_percent": 1.0}
    words |= {"positive": conditioning(5), "negative": conditioning(6)}
    return run(name, control_net=control, image=image, **(words | inputs))


def by_the_host(control, image, vae=None):
    apply = nodes.ControlNetApplyAdvanced().apply_controlnet
    return apply(conditioning(5), conditioning(6), control, image, 0.8, 0.0, 1.0, vae=vae)


def test_the_same_clip_as_our_own_node_and_the_hosts(model, folder):
    own = LoadSparseCtrl.execute("form_rgb.safetensors", "0, -1", "nothing", 1.2, 0.5).result[0]
    image, vae = pictures(2, 64, 64), small_vae()
    expected = clip(model, by_the_host(own, image, vae))
    method = run("SparseCtrlIndexMethodNode", indexes="0,-1")[0]
    words = {"motion_scale": 1.2, "motion_strength": 0.5, "context_aware": "off", "sparse_method": method}
    prepared = run("SparseCtrlRGBPreprocessor", image=image, vae=vae, latent_size={"samples": latents(8, 8, 8)})[0]
    assert torch.equal(clip(model, applied(loaded("rgb", **words), prepared)), expected)
    assert torch.equal(clip(model, by_the_host(loaded("rgb", **words), prepared)), expected)
    assert torch.equal(clip(model, applied(loaded("rgb", **words), image, vae_optional=vae)), expected)


def test_the_old_form_passes_a_model_on(model, folder):
    image = pictures(1, 64, 64)
    *conds, passed = applied(loaded(), image, "AdvancedControlNetApply", model_optional=model)
    assert passed is model
    assert torch.equal(clip(model, conds), clip(model, applied(loaded(), image)))


def test_other_controlnets_are_applied_as_the_host_does(model):
    hint = pictures(8, 64, 64)
    assert torch.equal(clip(model, applied(controlnet(), hint)), clip(model, by_the_host(controlnet(), hint)))
    conds = conditioning(5), conditioning(6)
    assert applied(controlnet(), hint, strength=0.0, positive=conds[0], negative=conds[1])[0] is conds[0]


def test_spreads():
    spreads = {name: run("SparseCtrlSpreadMethodNode", spread=name)[0] for name in ("uniform", "center")}
    assert spreads == {"uniform": Places(), "center": Places(spread="middle")}


def test_multipliers(model, folder):
    """Of frames with and without a picture, and of the mask."""
    image = pictures(1, 64, 64)
    plain = clip(model, (conditioning(5), conditioning(6)))
    full = clip(model, applied(loaded(), image))
    none = clip(model, applied(loaded(sparse_hint_mult=0.0, sparse_nonhint_mult=0.0), image))
    assert torch.allclose(none, plain, atol=1e-5) and not torch.allclose(full, plain, atol=1e-2)
    for words in ({"sparse_hint_mult": 0.5}, {"sparse_nonhint_mult": 0.5}, {"sparse_mask_mult": 0.5}):
        assert not torch.allclose(clip(model, applied(loaded(**words), image)), full, atol=1e-3), words
    assert not torch.allclose(clip(model, applied(loaded(use_motion=False), image)), full, atol=1e-3)


def test_a_mask(sd15, folder):
    """One per frame: frames do not meet without motion."""
    mask = torch.ones(8, 8, 8)
    mask[4:] = 0
    still = {"use_motion": False, "sparse_method": Places(tuple(range(8)))}
    image, plain = pictures(8, 64, 64), clip(sd15, (conditioning(5), conditioning(6)))
    full = clip(sd15, applied(loaded(**still), image))
    found = clip(sd15, applied(loaded(**still), image, mask_optional=mask))
    assert torch.allclose(found[:4], full[:4], atol=1e-5) and torch.allclose(found[4:], plain[4:], atol=1e-5)
    assert not torch.allclose(full, plain, atol=1e-2)


@pytest.mark.parametrize("name", ["timestep_kf", "latent_kf_override", "weights_override"])
def test_what_only_the_other_pack_knows(folder, name):
    with pytest.raises(ValueError, match=f"^{name} is connected, and keyframes and weights of ControlNets are Adv"):
        applied(loaded(), pictures(1, 64, 64), **{name: object()})


def test_more_that_is_refused(folder):
    with pytest.raises(ValueError, match="^tk_optional is connected"):
        loaded(tk_optional=object())
    with pytest.raises(ValueError, match="^mask_optional is connected, and a mask for a ControlNet is Advanced-Contr"):
        applied(controlnet(), pictures(1, 64, 64), mask_optional=torch.ones(1, 8, 8))
    with pytest.raises(ValueError, match="^sparse_method comes from a node of another pack"):
        loaded(sparse_method=object())
    words = {"vae": small_vae(), "latent_size": {"samples": latents(8, 8, 8)}}
    prepared = run("SparseCtrlRGBPreprocessor", image=pictures(1, 64, 64), **words)[0]
    with pytest.raises(AttributeError, match="^What RGB SparseCtrl gives is no picture any more"):
        _ = prepared.shape
