"""Layers of the UNet and motion modules that get a large clip in chunks give what they give at once."""

import pytest
import torch
from animatediff_native.motion import chunks
from clips import animated, latents, motion_model, sample
from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock
from memory import PeakMemory


def clip(model, **words):
    return sample(model, latent_image=latents(8, 16, 16), steps=1, **words)


@pytest.fixture
def small_chunks(monkeypatch):
    """Every layer of the small UNets in chunks."""
    monkeypatch.setattr(chunks, "CPU_ELEMENTS", 0)
    monkeypatch.setattr(chunks, "CPU_TOKENS", 128)


@pytest.mark.parametrize(("base", "family"), [("sd15", "v2"), ("sd15", "v1"), ("sdxl", "sdxl"), ("sdxl", "hotshot")])
def test_chunks_are_the_whole(request, monkeypatch, base, family):
    model = animated(request.getfixturevalue(base), motion_model(family))
    whole = clip(model)
    monkeypatch.setattr(chunks, "CPU_ELEMENTS", 0)
    monkeypatch.setattr(chunks, "CPU_TOKENS", 128)
    assert (clip(model) - whole).norm() / whole.norm() < 1e-5


def seen_by_attention(model) -> tuple[list[int], list[int]]:
    """(pictures in each call of the self-attentions, the UNet's indices of them), as another node's patch sees them."""
    pictures, indices = [], []

    def patch(q, k, v, options):
        pictures.append(len(q))
        indices.append(options["transformer_index"])
        return q, k, v

    model = model.clone()
    model.set_model_attn1_patch(patch)
    clip(model)
    return pictures, indices


def test_a_patch_of_the_attention_sees_every_picture_at_once(sd15, small_chunks):
    pictures, indices = seen_by_attention(animated(sd15, motion_model()))
    assert set(pictures) == {16}
    assert indices == list(range(16))


def test_layers_are_counted_once(sd15, small_chunks):
    """The host numbers its transformers while it runs: chunks of one layer are one number."""
    counts = []

    def output_patch(h, skip, options):
        counts.append(options["transformer_index"])
        return h, skip

    model = animated(sd15, motion_model())
    model.set_model_output_block_patch(output_patch)
    clip(model)
    assert counts[0] == 7
    assert counts == sorted(counts)


def test_another_nodes_layer_patch_sees_every_picture_at_once(sd15, small_chunks):
    seen = []

    def layer(block, x, emb, *others):
        seen.append(len(x))
        return block(x, emb)

    model = animated(sd15, motion_model())
    model.set_model_patch((ResBlock, layer), "forward_timestep_embed_patch")
    clip(model)
    assert seen
    assert set(seen) == {16}


def test_chunks_hold_less_memory(sd15, monkeypatch):
    model = animated(sd15, motion_model())
    clip(model)
    peaks = []
    for elements in (2**30, 0):
        monkeypatch.setattr(chunks, "CPU_ELEMENTS", elements)
        monkeypatch.setattr(chunks, "CPU_TOKENS", 256)
        with PeakMemory() as memory, torch.inference_mode():
            clip(model)
        peaks.append(memory.peak)
    assert peaks[1] < 0.7 * peaks[0]
