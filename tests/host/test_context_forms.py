"""Context options, view options and context extras of shared workflows: what they stand for."""

from dataclasses import replace

import animatediff_native.nodes.compat as compat
import pytest
from animatediff_native.nodes.compat.types import Group
from animatediff_native.sampling.references.attention import SLIDING, Mode, Tune
from animatediff_native.sampling.references.settings import Links, Reuse
from animatediff_native.sampling.windows.plan import (
    BATCHED,
    LOOPED_UNIFORM,
    STANDARD_STATIC,
    STANDARD_UNIFORM,
    WHOLE_CLIP,
    WindowPlan,
)

FORMS = {node.GET_SCHEMA().node_id.removeprefix("ADE_"): node.execute for node in compat.NODES}
VIEW = WindowPlan(STANDARD_STATIC, 4, 2, fuse_method="flat")
TURN = {"start_percent": 0.3, "guarantee_steps": 2}
STATIC = {"context_length": 9, "context_overlap": 3}
UNIFORM = STATIC | {"context_stride": 2}
LOOPED = UNIFORM | {"closed_loop": True}
PLANS = {
    "StandardStaticContextOptions": (STATIC, WindowPlan(STANDARD_STATIC, 9, 3)),
    "StandardUniformContextOptions": (UNIFORM, WindowPlan(STANDARD_UNIFORM, 9, 3, 2)),
    "LoopedUniformContextOptions": (LOOPED, WindowPlan(LOOPED_UNIFORM, 9, 3, 2, True, "flat", repeats=True)),
    "AnimateDiffUniformContextOptions": (
        LOOPED | {"context_schedule": "uniform"},
        WindowPlan(LOOPED_UNIFORM, 9, 3, 2, True, "flat", repeats=True),
    ),
    "BatchedContextOptions": ({"context_length": 9}, WindowPlan(BATCHED, 9, 0, fuse_method="flat")),
    "ViewsOnlyContextOptions": ({"view_opts_req": VIEW}, WindowPlan(WHOLE_CLIP, 1, 0, fuse_method="flat", views=VIEW)),
}
"""Form -> (what it must be given, the plan then)."""


def of(name, **inputs):
    return FORMS[name](**inputs).result[0]


@pytest.mark.parametrize("name", PLANS)
def test_a_plan(name):
    """A prompt that leaves out what may be left out; the experimental fuse methods without their sign."""
    words, plan = PLANS[name]
    assert of(name, **words) == Group((plan,))
    if name not in ("BatchedContextOptions", "ViewsOnlyContextOptions"):
        words = words | {"fuse_method": "🔬random", "use_on_equal_length": True, "view_opts": VIEW}
        plan = replace(plan, fuse_method="random", use_on_equal_length=True, views=VIEW)
    assert of(name, **words, **TURN).plans == (replace(plan, **TURN),)


@pytest.mark.parametrize("name", PLANS)
def test_plans_take_turns_and_keep_the_groups_extras(name):
    before = of("BatchedContextOptions", context_length=5)
    before = of("ContextExtras_Set", context_opts=before, context_extras=Links(reuse=Reuse()))
    words, _ = PLANS[name]
    (alone,) = of(name, **words).plans
    assert of(name, prev_context=before, **words) == replace(before, plans=(*before.plans, alone))


@pytest.mark.parametrize(
    ("name", "words", "plan"),
    [
        ("StandardStaticViewOptions", {}, WindowPlan(STANDARD_STATIC, 8, 3, fuse_method="flat")),
        ("StandardUniformViewOptions", {"view_stride": 2}, WindowPlan(STANDARD_UNIFORM, 8, 3, 2, fuse_method="flat")),
        (
            "LoopedUniformViewOptions",
            {"view_stride": 2, "closed_loop": True, "use_on_equal_length": True},
            WindowPlan(LOOPED_UNIFORM, 8, 3, 2, True, "flat", True, repeats=True),
        ),
    ],
)
def test_views(name, words, plan):
    words = words | {"view_length": 8, "view_overlap": 3}
    assert of(name, **words) == plan
    assert of(name, fuse_method="🔬gauss-sigma", **words) == replace(plan, fuse_method="gauss-sigma")


def test_extras_of_shared_workflows(sd15):
    ref, naive = "ContextExtras_ContextRef", "ContextExtras_NaiveReuse"
    keys = of(f"{ref}_Keyframe", mult=0.5, start_percent=0.0, mode_replace=of(f"{ref}_ModeSliding"))
    keys = of(f"{ref}_Keyframe", prev_kf=keys, tune_replace=of(f"{ref}_TuneAttnAdain"))
    assert [key.start_percent for key in keys] == [0.0, 1.0]
    assert keys[0].mode == Mode(SLIDING, 2) and keys[1].tune == Tune(1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    extras = of(ref, contextref_kf=keys, contextref_mode=of(f"{ref}_ModeIndexes", switch_on_idxs="8, 16"))
    assert extras.reference.mode.indexes == {0, 8, 16} and extras.reference.end_percent == 0.1
    span = {"start_percent": 0.2, "end_percent": 0.6, "inherit_missing": True, "print_keyframes": False}
    ramp = {"mult_start": 0.0, "mult_end": 1.0, "interpolation": "linear", "intervals": 3}
    spaced = of(f"{naive}_KeyframeInterpolation", **span, **ramp)
    assert spaced == of(f"{naive}_KeyframeFromList", mults_float=[0.0, 0.5, 1.0], **span)
    found = [(key.start_percent, key.mult, key.guarantee_steps) for key in spaced]
    assert found == [(0.2, 0.0, 1), (pytest.approx(0.4), 0.5, 0), (pytest.approx(0.6), 1.0, 0)]
    extras = of(naive, prev_extras=extras, naivereuse_kf=spaced, weighted_mean=0.5)
    assert extras.reference is not None and extras.reuse.keyframes == spaced
    assert of(ref, prev_extras=extras).reuse == extras.reuse
    options = of("BatchedContextOptions", context_length=8)
    options = of("ContextExtras_Set", context_opts=options, context_extras=extras)
    options = of("BatchedContextOptions", context_length=4, start_percent=0.9, prev_context=options)
    model = of("UseEvolvedSampling", model=sd15, beta_schedule="use existing", context_options=options)
    handler = model.model_options["context_handler"]
    assert handler.links == extras and [plan.context_length for plan in handler.plans] == [8, 4]
    with pytest.raises(ValueError, match="switch_on_idxs has '-3', which is no frame"):
        of(f"{ref}_ModeIndexes", switch_on_idxs="1, -3")
