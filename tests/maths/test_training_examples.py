"""What a training run learns from."""

import pytest
import torch
from animatediff_native.training.examples import Example, Examples


def test_an_example_needs_every_axis():
    with pytest.raises(ValueError, match=r"'run.mp4' has latents of the shape \[16, 4, 8, 8\]; training needs"):
        Example("run.mp4", torch.zeros(16, 4, 8, 8), [])


def test_an_example_counts_at_least_once():
    with pytest.raises(ValueError, match="'run.mp4' has 0 repeats"):
        Example("run.mp4", torch.zeros(1, 16, 4, 8, 8), [], repeats=0)


def test_examples_are_not_nothing():
    with pytest.raises(ValueError, match="no clips to train on"):
        Examples((), [], "")


def test_frames_of_the_longest_clip():
    clips = (Example("a", torch.zeros(1, 8, 4, 8, 8), []), Example("b", torch.zeros(2, 12, 4, 8, 8), []))
    assert Examples(clips, [], "").frames == 12
