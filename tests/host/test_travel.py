"""Prompt Travel as people write it, through the host's CLIP."""

import comfy.sd
import pytest
import torch
from animatediff_native.nodes.prompts import PromptTravel
from weights import clip_l_shapes, filled

WORDS = {"easing": "linear", "mix": "lerp"}


@pytest.fixture(scope="module")
def clip():
    return comfy.sd.load_text_encoder_state_dicts([filled(clip_l_shapes("text_model."), 4)])


def rows(clip, text: str, frames: int = 9, **words) -> torch.Tensor:
    (((found, _),),) = PromptTravel.execute(clip, text, frames, **WORDS | words).result
    return found


def test_head_and_tail_are_in_every_prompt(clip):
    found = rows(clip, "a river,\n0: in summer\n8: in snow\n\nfilm")
    assert torch.equal(found, rows(clip, "0: a river, in summer, film\n8: a river, in snow, film"))
    around = {"prepend_text": "a river", "append_text": "film"}
    assert torch.equal(found, rows(clip, "0: in summer\n8: in snow", **around))


def test_a_loop_comes_back_to_the_first_prompt(clip):
    text = "0: a river\n4: a road"
    found, twice = rows(clip, text, 8, loop=True), rows(clip, f"{text}\n8: a river", 8)
    assert torch.equal(found, twice) and not torch.equal(found, rows(clip, text, 8))


def test_frames_of_the_latents(clip):
    latent = {"samples": torch.zeros(5, 4, 8, 8)}
    text = "0: a river\n-1: a road"
    assert torch.equal(rows(clip, text, 64, latent=latent), rows(clip, text, 5))


def test_a_prompt_beyond_the_clip_leads_there_and_the_node_says_so(clip):
    text = "0: a river\n16: a road"
    assert torch.equal(rows(clip, text, 9), rows(clip, text, 17)[:9])
    for frames, said in (
        (9, "16: outside of this clip (frames 0 to 8), which goes a part of the way there."),
        (17, ""),
    ):
        assert PromptTravel.execute(clip, text, frames, **WORDS).ui["animatediff_text"] == [said]


def test_mistakes_are_told_before_the_run():
    assert PromptTravel.validate_inputs(prompts="a river\n0: in summer") is True
    assert PromptTravel.validate_inputs(prompts="a river").startswith("Line 1, column 1: 'a river' has no frame")
