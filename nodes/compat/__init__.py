"""The node ids of shared workflows (ComfyUI-AnimateDiff-Evolved's): thin forms over what our own nodes call.

A node is a function under the decorator `form` of form.py, which holds the node's id, name, inputs, outputs and what
replaces it, and refuses objects of other packs:

    @form("ADE_ADBlockCombo", "AD Block", [effect(), scale()], Block.Output(display_name="AD_BLOCK"), "Block Weights")
    def block(effect=1.0, scale=1.0):
        return BlockStrength(effect=effect, scales=(scale,))

The function's parameters are the inputs' names; what is optional has a default. A node of a new id is such a function
in NODES of its file; a new kind of object is a socket in types.py, with its class. Names, types, ranges, defaults and
their order are the other pack's for ever (tests/host/test_compat.py): saved workflows have values by position only.
"""

from ..host_names import working

FORMS = [
    *("gen2", "gen1", "i2v", "extras", "lora", "adjust", "strength", "context", "context_extras", "extra_keyframes"),
    *("preview", "noise", "iterations", "inject", "combine", "guidance", "sigmas", "prompts", "sparse", "camera"),
    *("cameractrl", "pia"),
]
NODES = [node for form in working(FORMS, __name__) for node in form.NODES]
