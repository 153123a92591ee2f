"""Mistakes that can be known before a run: an error where nothing useful would come, else a line on the sampler."""

from uuid import uuid4

import pytest
import torch
from animatediff_native.motion.options import PROMPT_FRAMES
from animatediff_native.sampling.pieces import sample_piece
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.presets import preset
from clips import animated, conditioning, latents, motion_model, sample
from comfy_execution.utils import CurrentNodeContext
from pages import Page
from server import PromptServer


@pytest.fixture
def page(monkeypatch):
    page = Page()
    monkeypatch.setattr(PromptServer, "instance", page, raising=False)
    prompt_id = str(uuid4())
    page.begin(prompt_id, {"7": {"class_type": "KSampler", "inputs": {}}})
    with CurrentNodeContext(prompt_id, "7"):
        yield page


def run(model, frames=8, **words):
    return sample(model, latent_image=latents(frames, 8, 8), **({"steps": 1} | words))


@pytest.mark.parametrize("frames", [2, 3])
def test_so_few_frames_that_only_noise_would_come(sd15, frames):
    with pytest.raises(ValueError, match=rf"{frames} frames are too few: .* Set the batch_size of the latents to 16"):
        run(animated(sd15, motion_model()), frames)
    assert run(sd15, frames).isfinite().all()


@pytest.mark.parametrize(
    ("family", "frames", "words", "line"),
    [
        ("v3", 1, {}, "One frame: sampled without motion"),
        ("v3", 5, {}, "5 frames are few"),
        ("v3", 8, {"steps": 4, "cfg": 1.5}, "4 steps at a cfg of 1.5 are for AnimateLCM and AnimateDiff-Lightning"),
        ("animatelcm", 8, {"cfg": 7.0}, "this sampler has 7: colours burn"),
    ],
)
def test_a_line_on_the_sampler(sd15, page, family, frames, words, line):
    run(animated(sd15, motion_model(family)), frames, **words)
    (told,) = page.told
    assert (told["node"], told["kind"]) == ("7", "KSampler")
    assert line in page.text


def test_how_long_windows_are_that_depend_on_memory(sd15, page):
    run(with_windows(animated(sd15, motion_model()), preset("long", 4)), 12)
    assert page.text == "12 frames in one window of 12 with views of 4 (standard_even, overlap 1, pyramid)."


def test_nothing_is_said_where_all_is_well(sd15, page):
    run(animated(sd15, motion_model()), steps=1, cfg=7.0)
    assert page.text == ""


def test_a_node_that_samples_twice_says_both(sd15, page):
    for frames in (5, 6):
        run(animated(sd15, motion_model()), frames)
    assert [line.split()[0] for line in page.text.splitlines()] == ["5", "6"]


def test_prompts_for_another_number_of_frames(sd15):
    prompts = conditioning(5, **{PROMPT_FRAMES: 48})
    model = animated(sd15, motion_model())
    with pytest.raises(ValueError, match=r"for 48 frames, and this clip has 8\. Set frames of Prompt Travel to 8, or"):
        run(model, positive=prompts)
    assert run(model, positive=conditioning(5, **{PROMPT_FRAMES: 8})).isfinite().all()
    words = {"steps": 1, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal"}
    with torch.inference_mode():  # the first of several pieces has prompts for all of them
        sample_piece(model, {"samples": latents(8, 8, 8)}, None, 1, prompts, conditioning(6), **words)
