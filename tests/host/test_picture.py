"""The picture that a motion model starts from: encoded once a run, for each device that runs it."""

import torch
from animatediff_native.motion.options import Call, MotionRun
from animatediff_native.motion.picture import features
from animatediff_native.motion.settings import ReferencePicture
from animatediff_native.motion.strength import Moment, Part
from clips import latents


def test_features_are_kept_for_each_device(i2v, sd15):
    """Two GPUs of one run. PyTorch's meta device stands for the second: no numbers, but tensors that know where."""
    encoder, picture, run = i2v[0].model.img_encoder, ReferencePicture(latents(1, seed=21)), MotionRun(4)

    def on(device: str) -> list[torch.Tensor]:
        call = Call(sd15.model, latents(4).to(device), 4, run, Part(range(4)), Moment(4))
        return features(encoder, picture, call)

    first = on("cpu")
    assert {feature.device.type for feature in on("meta")} == {"meta"}
    assert all(again is feature for again, feature in zip(on("cpu"), first, strict=True))
