"""The loss of a training step against guoyww's own UNet: what train.py there takes the mean square of."""

import pytest
import torch
from animatediff_native.training.examples import Example, Examples
from animatediff_native.training.step import Drawn, Learning
from animatediff_native.training.subject import subject_of
from einops import rearrange
from oracles import data
from small_training import plan
from tiny_unet import motion_of

TIMESTEP = 601


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
def test_the_same_noise_gives_the_same_loss(unet, version):
    tensors = data("tiny_unet.io")
    assert int(tensors["t"]) == TIMESTEP
    settings = plan(rank=4, caption_dropout=0.0)
    subject = subject_of(unet[0], motion_of(unet[1], version), settings)
    subject.load()
    each = Drawn(step=0, slot=0, index=0, variant=0, level=(TIMESTEP + 0.5) / 1000, anchor=0)
    noisy, predicted = (rearrange(tensors[name][0], "c f h w -> f c h w") for name in ("x", f"y.{version}"))
    noise = Learning(subject, None, settings).noise(each, noisy.shape)
    sigma = subject.model.model.model_sampling.sigmas[TIMESTEP]
    clean = subject.model.model.process_latent_out(noisy * (sigma**2 + 1).sqrt() - sigma * noise)
    caption = [[tensors["ctx"][:1], {}]]
    clips = Examples((Example("clip", clean[None], caption),), caption, hash="0")
    (loss,) = Learning(subject, clips, settings).losses([each])
    subject.release()
    torch.testing.assert_close(loss.detach(), (predicted - noise).square().mean(), rtol=1e-5, atol=0)
