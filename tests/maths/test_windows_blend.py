import torch
from animatediff_native.sampling.windows.blend import Blend


def test_the_weighted_mean_where_windows_overlap():
    clip = torch.zeros(5, 1, 1, 1)
    blend = Blend(clip, 2)
    one, other = torch.full((3, 1, 1, 1), 2.0), torch.full((3, 1, 1, 1), 5.0)
    blend.add([0, 1, 2], [1.0, 2.0, 1.0], [one, -one])
    blend.add([2, 3, 4], [2.0, 1.0, 4.0], [other, -other])
    first, second = blend.clips()
    assert first.flatten().tolist() == [2, 2, 4, 5, 5]
    assert torch.equal(second, -first)


def test_a_window_that_goes_round_the_end():
    blend = Blend(torch.zeros(4, 2, 1, 1), 1)
    blend.add([3, 0, 2, 1], [1.0] * 4, [torch.arange(8.0).view(4, 2, 1, 1)])
    assert blend.clips()[0].flatten().tolist() == [2, 3, 6, 7, 4, 5, 0, 1]
