"""The node ids of shared workflows (ComfyUI-AnimateDiff-Evolved's): thin forms over what our own nodes call."""

from . import context, gen1, gen2, noise

NODES = [*gen2.NODES, *gen1.NODES, *context.NODES, *noise.NODES]
