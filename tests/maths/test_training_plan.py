"""What a training run shall do, as a value."""

from dataclasses import replace

import pytest
from animatediff_native.training.plan import KINDS, PRESETS, TrainingOptions, TrainingPlan, lora_plan, plan_of

PLAN = TrainingPlan("motion LoRA", "zoom")


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_is_read_as_it_was_written(kind):
    plan = TrainingPlan(kind, "zoom", steps=7, options=TrainingOptions(noise_offset=0.05, schedule="cosine"))
    assert plan_of(plan.text()) == plan


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_holds_where_nothing_else_is_given(preset):
    assert lora_plan("a", preset, steps=0, rank=0, loss=None).steps == PRESETS[preset].steps
    assert lora_plan("a", preset, steps=5).steps == 5
    assert lora_plan("a", preset, sample_every=0).sample_every == 0


def test_what_makes_other_steps_is_named():
    changed = replace(PLAN, learning_rate=5e-4, steps=10, keep=1, options=TrainingOptions(ema=0.5))
    assert PLAN.differences(changed) == ["learning_rate 0.0001, now 0.0005", "ema 0.0, now 0.5"]
    cosine = replace(PLAN, options=TrainingOptions(schedule="cosine"))
    assert cosine.differences(replace(cosine, steps=10)) == ["steps 2000, now 10"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"kind": "dance"}, "kind is 'dance'. Choose one of: motion LoRA, motion model, domain adapter."),
        ({"steps": 0}, "steps is 0, and must be 1 or more."),
        ({"batch": 0}, "batch is 0, and must be 1 or more."),
        ({"rank": 0}, "rank is 0, and must be 1 or more."),
        ({"keep": 0}, "keep is 0, and must be 1 or more."),
        ({"sample_every": -1}, "sample_every is -1, and must be 0 or more."),
        ({"learning_rate": 0.0}, "learning_rate is 0, and must be above 0 and at most 1"),
        ({"learning_rate": float("nan")}, "learning_rate is nan, and must be above 0 and at most 1"),
        ({"name": "a/b"}, "name is 'a/b', and must be a file's name without folders, as my_motion."),
        ({"name": " "}, "name is ' ', and must be a file's name"),
        ({"name": "a" * 101}, "name is too long for a file: it may have 100 letters, or 66 Chinese ones."),
        ({"name": "运" * 67}, "name is too long for a file"),
        ({"loss": "hinge"}, "loss is 'hinge'. Choose one of: plain, motion only, motion and appearance."),
        ({"layers": "some"}, "layers is 'some'. Choose one of: attention, attention and feed-forward."),
    ],
)
def test_plans_that_cannot_be(change, sentence):
    with pytest.raises(ValueError, match=f"^{sentence.replace('(', '.').replace(')', '.')}"):
        replace(PLAN, **change)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"optimizer": "sgd"}, "optimizer is 'sgd'. Choose one of: adamw, adamw 8 bit, prodigy."),
        ({"caption_dropout": 1.5}, "caption_dropout is 1.5, and must be from 0 to 1."),
        ({"ema": 1.0}, "ema is 1, and must be below 1"),
        ({"start_percent": 0.5, "end_percent": 0.5}, "start_percent is 0.5 and end_percent 0.5: no noise level"),
        ({"warmup": -1}, "warmup is -1, and must be 0 or more."),
        ({"noise_offset": float("nan")}, "noise_offset is nan, and must be 0 or more."),
    ],
)
def test_options_that_cannot_be(change, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        TrainingOptions(**change)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "This is not a training plan"),
        ("[]", "This is not a training plan"),
        ('{"steps": ' + "1" * 5000 + "}", "This is not a training plan"),
        ('{"kind": "motion LoRA", "name": "a", "speed": 3}', "something unknown in it, or lacks something: speed"),
        (
            '{"kind": "motion LoRA", "name": "a", "batch": 1.5}',
            "batch in the training plan is 1.5, and must be a whole n",
        ),
        (
            '{"kind": "motion LoRA", "name": "a", "steps": "2"}',
            'steps in the training plan is "2", and must be a whole',
        ),
        (
            '{"kind": "motion LoRA", "name": "a", "options": {"ema": true}}',
            "ema in the training plan is true, and must ",
        ),
        ('{"kind": "motion LoRA"}', "something unknown in it, or lacks something: name"),
    ],
)
def test_texts_that_are_no_plan(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        plan_of(text)
