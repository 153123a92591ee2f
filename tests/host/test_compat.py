"""The forms of shared workflows have the incumbent's inputs, types, defaults, ranges and outputs, in its order."""

import gzip
import json

import animatediff_native.nodes.compat as compat
import comfy.samplers
import pytest
import torch
from animatediff_native.nodes.compat.gen1 import scaled
from animatediff_native.nodes.compat.renamed import RENAMED, with_new_names
from animatediff_native.sampling.windows.drawing import CELL, GAP
from oracles import DATA

THEIRS = {
    node_id: node
    for pack in ("ade", "acn")
    for node_id, node in json.loads(gzip.decompress((DATA / f"{pack}_nodes.json.gz").read_bytes())).items()
}
OURS = {node.GET_SCHEMA().node_id: node for node in compat.NODES}
HOST_LISTS = {"sampler_name": comfy.samplers.KSampler.SAMPLERS, "scheduler": comfy.samplers.KSampler.SCHEDULERS}
"""Choices that each host has its own of."""
LISTS_OF_FILES = {("ADE_AnimateDiffCombine", "format")}
"""Choices that depend on the machine; theirs come first."""


def test_every_form_is_one_of_theirs():
    assert len(OURS) == len(compat.NODES) > 55
    assert set(OURS) <= set(THEIRS)


@pytest.mark.parametrize("node_id", OURS)
def test_inputs(node_id):
    found = OURS[node_id].INPUT_TYPES()
    for group in ("required", "optional"):
        theirs = THEIRS[node_id][group]
        ours = found.get(group, {})
        assert list(ours) == [name for name, _ in theirs], group
        for name, facts in theirs:
            kind, options = ours[name][0], ours[name][1]
            if facts["type"] == "COMBO":
                choices = kind if isinstance(kind, list) else options["options"]
                if name in HOST_LISTS:
                    assert choices == HOST_LISTS[name], name
                elif "<file list" not in facts["options"][0]:
                    own = choices[: len(facts["options"])] if (node_id, name) in LISTS_OF_FILES else choices
                    assert own == facts["options"], name
                    assert options.get("default", choices[0]) == facts["default"], name
                continue
            assert kind == facts["type"], name
            for key in ("default", "min", "max", "step"):
                if key in facts and facts["type"] in ("INT", "FLOAT", "BOOLEAN"):
                    own = options.get(key, 1 if (facts["type"], key) == ("INT", "step") else None)
                    assert own == facts[key], (name, key)
            assert bool(options.get("forceInput")) == bool(facts.get("forceInput")), name


@pytest.mark.parametrize("node_id", OURS)
def test_outputs(node_id):
    schema = OURS[node_id].GET_SCHEMA()
    assert [[output.display_name, output.io_type] for output in schema.outputs] == THEIRS[node_id]["outputs"]
    assert schema.is_deprecated and "In new ones use" in schema.description


def test_old_motion_model_settings():
    """A mask's darkest is the smaller motion scale, its lightest the larger; without a mask both are without effect."""
    form = OURS["ADE_AnimateDiffModelSettings_Release"]
    assert form.execute(min_motion_scale=0.8, max_motion_scale=1.2).result[0].motion_scale == 1.0
    mask = torch.tensor([0.1, 0.3, 0.5]).view(1, 1, 3)
    settings = form.execute(min_motion_scale=0.8, max_motion_scale=1.2, mask_motion_scale=mask).result[0]
    assert settings.motion_scale.flatten().tolist() == pytest.approx([0.8, 1.0, 1.2])
    assert scaled(settings, 2.0).flatten().tolist() == pytest.approx([1.6, 2.0, 2.4]) and scaled(None, 2.0) == 2.0
    strengths = {"pe_strength": 1.0, "attn_strength": 1.5, "other_strength": 1.0, "motion_pe_stretch": 4}
    manual = dict.fromkeys(("cap_initial_pe_length", "interpolate_pe_to_length", "initial_pe_idx_offset"), 0)
    settings = OURS["ADE_AnimateDiffModelSettings"].execute(**strengths, **manual, final_pe_idx_offset=1).result[0]
    (position,), (weight,) = settings.adjustments.positions, settings.adjustments.weights
    assert (position.stretch, position.drop_after, weight.mult["attn"]) == (4, 1, 1.5)


def test_old_names_of_inputs():
    loader, settings = "ADE_AnimateDiffLoaderWithContext", ["2", 0]

    def renamed(class_type, **inputs):
        return with_new_names({"prompt": {"1": {"class_type": class_type, "inputs": inputs}}})["prompt"]["1"]["inputs"]

    assert renamed(loader, motion_model_settings=settings, motion_scale=1.0) == {
        "ad_settings": settings,
        "motion_scale": 1.0,
    }
    assert renamed(loader, motion_model_settings=settings, ad_settings=["3", 0]) == {"ad_settings": ["3", 0]}
    assert renamed("Other", motion_model_settings=settings) == {"motion_model_settings": settings}
    for posted in ({}, {"prompt": None}, {"prompt": {"1": None, "2": {"class_type": loader}}}):
        assert with_new_names(json.loads(json.dumps(posted))) == posted
    for node_id, names in RENAMED.items():
        inputs = OURS[node_id].INPUT_TYPES()
        known = inputs["required"].keys() | inputs["optional"].keys()
        assert set(names.values()) <= known and not names.keys() & known


def test_pictures_of_context_options(sd15):
    """The windows of each step that a sampler takes; plans take turns."""
    options = OURS["ADE_BatchedContextOptions"].execute(context_length=8).result[0]
    words = {"start_percent": 0.5, "prev_context": options}
    options = OURS["ADE_BatchedContextOptions"].execute(context_length=4, **words).result[0]
    sampler = {"model": sd15, "sampler_name": "euler", "scheduler": "normal", "visual_width": 640, "latents_length": 24}

    def height(name, **inputs):
        image = OURS[f"ADE_VisualizeContextOptions{name}"].execute(**inputs).result[0]
        assert image.shape[0] == 1 and image.shape[2:] == (640, 3)
        return image.shape[1]

    steps = [height("K", context_opts=options, steps=each, **sampler) for each in (3, 4)]
    assert len(set(steps)) == 2
    late = height("KAdv", context_opts=options, steps=4, start_step=3, end_step=20, **sampler)
    assert late == 2 * GAP + 6 * CELL + GAP  # six windows of 4 frames
    first = height("KAdv", context_opts=options, steps=4, start_step=0, end_step=1, **sampler)
    assert first == 2 * GAP + 3 * CELL + GAP  # one step: three windows of 8 frames
    sigmas = torch.tensor([14.0, 10.0, 0.0])
    own = {key: sampler[key] for key in ("model", "visual_width", "latents_length")}
    assert height("SCustom", sigmas=sigmas, context_opts=options, **own) == 2 * GAP + 2 * (3 * CELL + GAP)
    assert height("SCustom", sigmas=sigmas, **own) == 2 * GAP + 2 * (CELL + GAP)
    with pytest.raises(ValueError, match="no step"):
        height("K", context_opts=options, steps=4, denoise=0.0, **sampler)


def test_a_keyframe_holds_what_its_form_says():
    (keyframe,) = (
        OURS["ADE_AnimateDiffKeyframe"]
        .execute(start_percent=0.3, scale_multival=1.1, effect_multival=0.9, inherit_missing=False, guarantee_steps=4)
        .result[0]
    )
    assert (keyframe.start_percent, keyframe.motion_scale, keyframe.effect) == (0.3, 1.1, 0.9)
    assert (keyframe.inherit_missing, keyframe.guarantee_steps, keyframe.share) == (False, 4, None)
