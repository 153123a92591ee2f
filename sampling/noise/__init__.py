"""The noise that each frame starts from: plain mathematics on tensors, nothing of the host."""
