"""The node ids of shared workflows (ComfyUI-AnimateDiff-Evolved's): thin forms over what our own nodes call."""

from . import context, gen2

NODES = [*gen2.NODES, *context.NODES]
