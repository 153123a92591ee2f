"""What ControlNets add is brought to the sizes that hidden states turn out to have."""

import torch
from animatediff_native.motion.control import FittedControl


def test_sizes():
    """Full size at blocks 0 and 1, and half of it from there on: Deep Shrink behind block 1."""
    control = {"input": [], "middle": [torch.ones(1, 4, 4, 4)], "output": [torch.ones(1, 2, 8, 8), None]}
    control["output"].append(torch.arange(64.0).view(1, 1, 8, 8))
    first, _, last = control["output"]
    fit = FittedControl(control)
    for index, size in enumerate((8, 8, 4)):
        h = torch.zeros(1, 2, size, size)
        assert fit.before_skip(h, {"block": ("input", index)}) is h
        behind = torch.zeros(1, 2, 2, 2) if index == 2 else h
        assert fit.behind_skip(behind, {"block": ("input", index)}) is behind
    assert control["output"][0] is first and control["output"][1] is None
    assert control["output"][2].shape == (1, 1, 4, 4) and control["output"][2].mean() == last.mean()
    assert torch.equal(control["middle"][0], torch.ones(1, 4, 2, 2))


def test_a_t2i_adapter_adds_to_neither():
    control = {"input": [torch.ones(1, 1, 8, 8)]}
    fit = FittedControl(control)
    h = torch.zeros(1, 1, 4, 4)
    assert fit.before_skip(h, {"block": ("input", 0)}) is h and fit.behind_skip(h, {"block": ("input", 0)}) is h
