"""How the two prompt scheduling nodes of shared workflows mix prompts, through the host's CLIP."""

import animatediff_native.nodes.compat as compat
import comfy.hooks
import comfy.sd
import pytest
import torch
from comfy_extras.nodes_hooks import SetClipHooks
from weights import clip_l_shapes, filled

FORMS = {form.GET_SCHEMA().node_id: form for form in compat.NODES}
LAST = 8
TEXT = f'0 = "a lake at dawn", {LAST} = "a forest in snow"'
SHARES = [0, 0.125, 0.344, 0.590, 0.795, 0.923, 0.981, 0.998, 1]
"""Of the second prompt, in a run of ComfyUI-AnimateDiff-Evolved with lerp."""


@pytest.fixture(scope="module")
def clip():
    return comfy.sd.load_text_encoder_state_dicts([filled(clip_l_shapes("text_model."), 4)])


def encoded(clip, text: str) -> torch.Tensor:
    """(1, tokens, channels), in double precision."""
    return clip.encode_from_tokens(clip.tokenize(text)).double()


def along_the_arc(a, b, share: float):
    angle = torch.acos((a / a.norm() * (b / b.norm())).sum())
    return (((1 - share) * angle).sin() * a + (share * angle).sin() * b) / angle.sin()


def travel(node_id: str, clip, **words):
    """(conditioning rows, pooled rows)"""
    latent = {"samples": torch.zeros(LAST + 1, 4, 8, 8)}
    length = {"latent": latent} if node_id.endswith("Latents") else {"max_length": LAST + 1}
    output = FORMS[node_id].execute(prompts=TEXT, clip=clip, **length, **words)
    assert len(output.args) == 1 or output.args[1] is latent
    ((rows, more),) = output.args[0]
    return rows.double(), more["pooled_output"]


BOTH = pytest.mark.parametrize("node_id", ["ADE_PromptScheduling", "ADE_PromptSchedulingLatents"])


@BOTH
@pytest.mark.parametrize("chosen", [{}, {"tensor_interp": "lerp"}])
def test_lerp(clip, node_id, chosen):
    rows, _ = travel(node_id, clip, **chosen)
    first, second = encoded(clip, "a lake at dawn"), encoded(clip, "a forest in snow")
    assert rows.shape == (LAST + 1, *first.shape[1:])
    for row, share in zip(rows, SHARES, strict=True):
        assert torch.allclose(
            row, (first + share * (second - first))[0], atol=1e-3 * float((second - first).abs().max())
        )


@BOTH
def test_slerp(clip, node_id):
    """Each frame lies on the arc from the frame before it to the second prompt."""
    rows, _ = travel(node_id, clip, tensor_interp="slerp")
    row, second = encoded(clip, "a lake at dawn"), encoded(clip, "a forest in snow")
    for frame in range(LAST + 1):
        row = along_the_arc(row, second, frame / LAST) if frame else row
        assert torch.allclose(rows[frame], row[0], atol=1e-4), frame
    assert not torch.allclose(rows, travel(node_id, clip, tensor_interp="lerp")[0], atol=1e-2)


@BOTH
def test_pooled_output_is_the_next_prompts(clip, node_id):
    _, pooled = travel(node_id, clip, tensor_interp="slerp")
    first, second = (
        clip.encode_from_tokens(clip.tokenize(text), return_pooled=True)[1]
        for text in ("a lake at dawn", "a forest in snow")
    )
    assert torch.equal(pooled, torch.cat([first, *[second] * LAST]))


@BOTH
def test_choices_are_those_of_shared_workflows(node_id):
    (mix,) = (each for each in FORMS[node_id].GET_SCHEMA().inputs if each.id == "tensor_interp")
    assert mix.options == ["lerp", "slerp"]


def scheduled(clip, text: str, length: int = 3, **words) -> list:
    return FORMS["ADE_PromptScheduling"].execute(prompts=text, clip=clip, max_length=length, **words).args[0]


class Told:
    """A CLIP that notes what it is given."""

    def __init__(self, clip):
        self.clip, self.texts = clip, []

    def tokenize(self, text):
        self.texts.append(text)
        return self.clip.tokenize(text)

    def encode_from_tokens_scheduled(self, tokens):
        return self.clip.encode_from_tokens_scheduled(tokens)


@pytest.mark.parametrize(
    ("prompt", "before", "after", "whole"),
    [
        ("a lake,", "", "", "a lake,"),
        (" , a lake ", "", "", ", a lake"),
        ("a lake", "best,, ", ",  still", "best, a lake, still"),
        ("a lake,", "best", "still", "best, a lake, still"),
        (", a lake", "best", "", "best, a lake"),
        ("", "best", "still", "best, , still"),
    ],
)
def test_commas_between_the_texts(clip, prompt, before, after, whole):
    """As ComfyUI-AnimateDiff-Evolved joins them: each is a token."""
    told = Told(clip)
    scheduled(told, f'0 = "{prompt}"', prepend_text=before, append_text=after)
    assert set(told.texts) == {whole}


def test_values_in_a_prompt_keep_their_point(clip):
    told = Told(clip)
    floats = FORMS["ADE_ValueScheduling"].execute(values="0 = 20, 2 = 21").args[1]
    values = FORMS["ADE_ValuesReplace"].execute(value_key="size", floats=floats).args[0]
    scheduled(told, '0 = "a lake of `size`"', values_replace=values)
    assert sorted(set(told.texts)) == ["a lake of 20.0", "a lake of 20.5", "a lake of 21.0"]
    values = FORMS["ADE_ValuesReplace"].execute(value_key="size", floats=[20, 21]).args[0]
    scheduled(told, '0 = "a lake of `size`"', values_replace=values)
    assert told.texts[-1] == "a lake of 21"  # whole numbers of another pack's list


def test_an_index_beyond_the_clip_is_led_towards(clip):
    (whole,), (part,) = scheduled(clip, '0 = "a", 8 = "b"', 9), scheduled(clip, '0 = "a", 8 = "b"', 4)
    assert torch.equal(part[0], whole[0][:4])


def hooks() -> comfy.hooks.HookGroup:
    """A LoRA on the text encoder."""
    layer = "text_encoders.clip_l.transformer.text_model.encoder.layers.0.self_attn.q_proj"
    weights = {f"{layer}.lora_{end}.weight": torch.ones(shape) for end, shape in (("down", (1, 768)), ("up", (768, 1)))}
    return comfy.hooks.create_hook_lora(lora=weights, strength_model=1.0, strength_clip=1.0)


def test_a_clip_keeps_its_hooks(clip):
    (own,) = SetClipHooks().apply_hooks(clip, False, True, hooks())
    ((rows, words),) = scheduled(own, '0 = "a", 2 = "b"')
    assert words["hooks"] is own.apply_hooks_to_conds and words["pooled_output"].shape[0] == 3
    assert torch.equal(rows[:1], own.encode_from_tokens(own.tokenize("a")))
    assert not torch.equal(rows[:1], clip.encode_from_tokens(clip.tokenize("a")))


def test_hooks_that_change_the_text_encoder_over_the_sampling(clip):
    """A part of the sampling each, as the host's own text encoding gives."""
    group, frames = hooks(), comfy.hooks.HookKeyframeGroup()
    for start, strength in ((0.0, 1.0), (0.5, 0.5)):
        frames.add(comfy.hooks.HookKeyframe(strength=strength, start_percent=start))
    group.set_keyframes_on_hooks(frames)
    (own,) = SetClipHooks().apply_hooks(clip, True, True, group)
    found, expected = scheduled(own, '0 = "a"'), own.encode_from_tokens_scheduled(own.tokenize("a"))
    assert [(words["clip_start_percent"], words["clip_end_percent"]) for _, words in found] == [(0.0, 0.5), (0.5, 1.0)]
    for (rows, _), (row, _) in zip(found, expected, strict=True):
        assert torch.equal(rows[2], row[0])
    assert not torch.equal(found[0][0], found[1][0])
