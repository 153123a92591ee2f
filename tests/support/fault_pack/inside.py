"""Faults where no wrapper of the host's reaches: as a file's weights become modules, and in a text encoder."""

import math

from comfy_api.latest import io
from torch.nn.modules.module import register_module_parameter_registration_hook

LATER = 20
"""So many layers, or parameters, before the fault: in the middle of the work."""


class Once:
    """Breaks at its call number `left`, and takes its hooks off."""

    def __init__(self, fail, left: int):
        self.fail, self.left, self.hooks = fail, left, []

    def __call__(self, *_) -> None:
        self.left -= 1
        if self.left == 0:
            for hook in self.hooks:
                hook.remove()
            self.fail()


def breaking(value, fail):
    """`value`, a CLIP, which breaks once; or the name of a file, whose load does."""
    if isinstance(value, str):
        once = Once(fail, LATER)
        once.hooks.append(register_module_parameter_registration_hook(once))
    else:
        once = Once(fail, LATER)
        layers = [layer for layer in value.cond_stage_model.modules() if not any(True for _ in layer.children())]
        once.hooks += [layer.register_forward_pre_hook(once) for layer in layers]
    return value


def node(broken) -> type[io.ComfyNode]:
    """broken: raises the fault of a kind."""

    class FaultInside(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            kinds = io.Combo.Input("kind", options=["exception", "interrupt", "out of memory"])
            return io.Schema(
                node_id="TEST_FaultInside", inputs=[io.AnyType.Input("of"), kinds], outputs=[io.AnyType.Output()]
            )

        @classmethod
        def fingerprint_inputs(cls, **inputs) -> float:
            return math.nan

        @classmethod
        def execute(cls, of, kind: str) -> io.NodeOutput:
            return io.NodeOutput(breaking(of, lambda: broken(kind)))

    return FaultInside
