"""The node ids of shared workflows (ComfyUI-AnimateDiff-Evolved's), as thin forms over the functions of our own nodes."""

from . import gen2

NODES = [*gen2.NODES]
