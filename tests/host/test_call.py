"""Other packs in the same call of the UNet: what still runs, and what is an error."""

import pytest
import torch
from animatediff_native.motion.call import LAYER_PATCH
from clips import FRAMES, animated, conditioning, motion_model, sample
from comfy.ldm.modules.attention import SpatialTransformer
from comfy.patcher_extension import WrappersMP


def swallow(model, cls):
    """A pack that registers its entry before ours and never hands over (as a wrapper that runs inside ours)."""

    def wrapper(executor, x, t, c_concat, c_crossattn, control, transformer_options, **kwargs):
        entries = transformer_options["patches"][LAYER_PATCH]
        entries.insert(0, (cls, lambda layer, x, emb, context, options, *_: layer(x, context, options)))
        return executor(x, t, c_concat, c_crossattn, control, transformer_options, **kwargs)

    model = model.clone()
    model.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "other pack", wrapper)
    return model


def test_fewer_sites_than_expected_is_an_error_with_their_names(sd15):
    model = swallow(animated(sd15, motion_model()), SpatialTransformer)
    with pytest.raises(RuntimeError, match=r"15 of 20 motion modules did not run \(down_blocks.0.motion_modules.0, "):
        sample(model)


def test_motion_that_never_ran_is_an_error(sd15):
    model = animated(sd15, motion_model())
    model.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "a", lambda executor, x, *args, **kwargs: x)
    model.wrappers[WrappersMP.APPLY_MODEL] = dict(sorted(model.wrappers[WrappersMP.APPLY_MODEL].items()))
    with pytest.raises(RuntimeError, match="never ran"):
        sample(model)


def test_another_packs_layer_patch_still_runs(sd15, motion):
    seen = []

    def theirs(layer, x, emb, context, transformer_options, *_):
        seen.append(transformer_options["block"])
        transformer_options["transformer_index"] += 1
        return layer(x, context, transformer_options) * 1.01

    patched = sd15.clone()
    patched.set_model_patch((SpatialTransformer, theirs), LAYER_PATCH)
    moved = sample(animated(patched, motion.patcher), steps=1)
    assert motion.runs_of_every_site() == 1 and len(seen) == 16
    assert not torch.equal(moved, sample(animated(sd15, motion_model()), steps=1))


def test_ad_params_for_other_packs(sd15):
    seen = []

    def patch(q, k, v, extra_options):
        seen.append(extra_options["ad_params"])
        return q, k, v

    model = animated(sd15, motion_model())
    model.set_model_attn2_patch(patch)
    sample(model)
    assert seen[0] == {"full_length": FRAMES, "context_length": None, "sub_idxs": None}
    assert all(entry == seen[0] for entry in seen)


def test_cond_and_uncond_are_separate_videos(sd15):
    """With cfg 1 the host drops the uncond: the cond half must not have depended on it."""
    for family in ("v1", "v3", "v2"):
        model = animated(sd15, motion_model(family))
        alone = sample(model, cfg=1.0, steps=1)
        other = sample(model, cfg=1.0 + 1e-6, steps=1, negative=conditioning(77))
        assert torch.allclose(alone, other, atol=1e-3), family
