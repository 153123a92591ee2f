"""How the two prompt scheduling nodes of shared workflows mix prompts, through the host's CLIP."""

import animatediff_native.nodes.compat as compat
import comfy.sd
import pytest
import torch
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
