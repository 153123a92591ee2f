"""SparseCtrl on the host's UNet, with the host's way of merging ControlNets, against the official code."""

import pytest
import torch
from animatediff_native.motion.attach import attach
from animatediff_native.motion.settings import MotionSettings
from animatediff_native.motion.sparse_net import sparse_net
from animatediff_native.sampling.sparse_control import SparseControl, SparseSettings
from animatediff_native.sampling.values.places import places
from official_i2v import predicted_noise, unet_of, weights
from oracles import data, relative_error
from weights import diffusers_name

SCALE = 0.18215
NETS = {"sparsectrl_wide": 9100, "sparsectrl_wide_10x14": 9200}


class Prepared:
    """Latents in an image's place, as RGB SparseCtrl makes them."""

    def __init__(self, latents):
        self.condhint = latents


@pytest.fixture(scope="module", params=NETS)
def case(request):
    """(name, tensors, MODEL with motion, {kind: network})"""
    seed = NETS[request.param]
    model, motion = unet_of(weights("unet", seed))
    nets = {
        kind: sparse_net(weights(f"sparsectrl_{kind}", seed + 1 + index))
        for index, kind in enumerate(("rgb", "scribble"))
    }
    return request.param, data(request.param), attach(model, motion, MotionSettings()), nets


def control_of(text: str, tensors: dict, nets: dict) -> SparseControl:
    """text: as the cases are named, 'rgb.frames_0_3_5.scale_0.6'."""
    kind, frames, scale = text.replace(".scale", " scale").replace(".frames", " frames").split()
    where = places(frames.removeprefix("frames_").replace("_", ","))
    if kind == "rgb":
        pictures = Prepared(tensors["rgb.latents"][: len(where.frames)] / SCALE)
    else:
        pictures = tensors["scribble.images"][: len(where.frames)] / 255
    control = SparseControl(nets[kind], SparseSettings(where))
    return control.set_cond_hint(pictures, float(scale.removeprefix("scale_")))


def controls_of(name: str, tensors: dict, nets: dict) -> SparseControl | None:
    control = None
    for text in name.removeprefix("y.").split("+"):
        if text != "no_control":
            control = control_of(text, tensors, nets).set_previous_controlnet(control)
    return control


def test_pictures(case):
    name, tensors, model, nets = case
    cases = [key for key in tensors if key.startswith("y.")]
    assert len(cases) == 3
    for key in cases:
        found = predicted_noise(model, tensors, controls_of(key, tensors, nets))
        assert relative_error(found, tensors[key]) < 1e-5, key


def test_residuals(case):
    """What goes to the skips and the middle of the second video, of the host's two conds."""
    _, tensors, model, nets = case
    cases = [key.removeprefix("residual.") for key in tensors if key.startswith("residual.")]
    for text in sorted({key.removesuffix(".video1").rsplit(".", 1)[0] for key in cases}):
        control = control_of(text, tensors, nets)
        seen = {}
        merge = control.control_merge
        control.control_merge = lambda *found, merge=merge, **words: seen.update(merge(*found, **words))  # noqa: B023
        predicted_noise(model, tensors, control)
        for place in (key.split(".")[-2] for key in cases if key.startswith(text)):
            found = seen["middle"][0] if place == "mid" else seen["output"][int(place)]
            found = found[len(found) // 2 :].movedim(0, 1)
            assert relative_error(found, tensors[f"residual.{text}.{place}.video1"]) < 1e-5, (text, place)


def test_the_cases_could_fail(case):
    """A picture on another frame, and another strength, are far away."""
    name, tensors, model, nets = case
    if name != "sparsectrl_wide_10x14":
        return
    key = "y.scribble.frames_1.scale_1"
    for wrong in ("scribble.frames_2.scale_1", "scribble.frames_1.scale_0.9"):
        found = predicted_noise(model, tensors, controls_of(wrong, tensors, nets))
        assert relative_error(found, tensors[key]) > 1e-3


def test_the_layout_of_diffusers_is_the_same_network():
    state = weights("sparsectrl_rgb", 9101)
    theirs = sparse_net({diffusers_name(key): value for key, value in state.items()})
    ours = sparse_net(state).model.state_dict()
    found = theirs.model.state_dict()
    assert found.keys() == ours.keys() and all(torch.equal(found[key], ours[key]) for key in ours)
