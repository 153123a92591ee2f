"""Context Options and View Options of shared workflows: the plans that they stand for."""

from dataclasses import replace

import animatediff_native.nodes.compat.context as context
import pytest
from animatediff_native.nodes.compat.context_extras import SetContextExtras
from animatediff_native.sampling.extras import Extras, Reuse
from animatediff_native.sampling.windows import (
    BATCHED,
    LOOPED_UNIFORM,
    STANDARD_STATIC,
    STANDARD_UNIFORM,
    WHOLE_CLIP,
    WindowPlan,
)

FORMS = {node.GET_SCHEMA().node_id.removeprefix("ADE_").removesuffix("Options"): node.execute for node in context.NODES}
STATIC = {"context_length": 9, "context_overlap": 3}
UNIFORM = STATIC | {"context_stride": 2}
LOOPED = UNIFORM | {"closed_loop": True}
PLANS = {
    "StandardStaticContext": (STATIC, WindowPlan(STANDARD_STATIC, 9, 3)),
    "StandardUniformContext": (UNIFORM, WindowPlan(STANDARD_UNIFORM, 9, 3, 2)),
    "LoopedUniformContext": (LOOPED, WindowPlan(LOOPED_UNIFORM, 9, 3, 2, True, "flat")),
    "AnimateDiffUniformContext": (
        LOOPED | {"context_schedule": "uniform"},
        WindowPlan(LOOPED_UNIFORM, 9, 3, 2, True, "flat"),
    ),
    "BatchedContext": ({"context_length": 9}, WindowPlan(BATCHED, 9, 0, fuse_method="flat")),
    "ViewsOnlyContext": ({}, WindowPlan(WHOLE_CLIP, 1, 0, fuse_method="flat")),
}
"""Form -> (what it must be given, the plan then)."""
VIEW = WindowPlan(STANDARD_STATIC, 4, 2, fuse_method="flat")
TURN = {"start_percent": 0.3, "guarantee_steps": 2}


@pytest.mark.parametrize("name", PLANS)
def test_a_plan(name):
    """A prompt that leaves out what may be left out; the experimental fuse methods without their sign."""
    words, plan = PLANS[name]
    if name == "ViewsOnlyContext":
        words, plan = {"view_opts_req": VIEW}, replace(plan, views=VIEW)
    assert FORMS[name](**words).result[0] == context.Group((plan,))
    more = {} if name in ("BatchedContext", "ViewsOnlyContext") else {"use_on_equal_length": True}
    if more:
        plan = replace(plan, fuse_method="random", views=VIEW, **more)
        more |= {"fuse_method": "🔬random", "view_opts": VIEW}
    assert FORMS[name](**words, **more, **TURN).result[0].plans == (replace(plan, **TURN),)


@pytest.mark.parametrize("name", PLANS)
def test_plans_take_turns_and_keep_the_groups_extras(name):
    before = FORMS["BatchedContext"](context_length=5).result[0]
    before = SetContextExtras.execute(before, Extras(reuse=Reuse())).result[0]
    words, _ = PLANS[name]
    words = words | ({"view_opts_req": VIEW} if name == "ViewsOnlyContext" else {})
    (alone,) = FORMS[name](**words).result[0].plans
    assert FORMS[name](prev_context=before, **words).result[0] == replace(before, plans=(*before.plans, alone))


@pytest.mark.parametrize(
    ("name", "words", "plan"),
    [
        ("StandardStaticView", {}, WindowPlan(STANDARD_STATIC, 8, 3, fuse_method="flat")),
        ("StandardUniformView", {"view_stride": 2}, WindowPlan(STANDARD_UNIFORM, 8, 3, 2, fuse_method="flat")),
        (
            "LoopedUniformView",
            {"view_stride": 2, "closed_loop": True, "use_on_equal_length": True},
            WindowPlan(LOOPED_UNIFORM, 8, 3, 2, True, "flat", True),
        ),
    ],
)
def test_views(name, words, plan):
    words = words | {"view_length": 8, "view_overlap": 3}
    assert FORMS[name](**words).result[0] == plan
    assert FORMS[name](fuse_method="🔬gauss-sigma", **words).result[0] == replace(plan, fuse_method="gauss-sigma")
