"""A function as a node of shared workflows."""

from collections.abc import Callable

from comfy_api.latest import io

from .types import OURS

CATEGORY = "animatediff/compatibility"
HOOKS = ("validate_inputs", "fingerprint_inputs", "check_lazy_status")
"""What the host asks a node besides; each is a function whose first argument is the node's class."""


def form(
    node_id: str,
    display_name: str,
    inputs: list[io.Input | Callable[[], io.Input]],
    outputs: io.Output | list[io.Output],
    replaced_by: str,
    **words,
) -> Callable[[Callable], type[io.ComfyNode]]:
    """A decorator: makes the io.ComfyNode that runs the function. It is hidden in the page's list of nodes.

    inputs: one that lists files or samplers is given as the function that makes it, since they change while the host
        runs.
    outputs: for one output the function gives the value, for several a tuple of them; or else an io.NodeOutput.
    replaced_by: the display name of the node of ours, or the host's, that does the same.
    words: of io.Schema, or HOOKS. What `hidden` lists comes to the function as its keyword `hidden`.
    The node raises ValueError where another pack's object comes in, before the function runs.
    """
    several = isinstance(outputs, list)
    hooks = {name: classmethod(words.pop(name)) for name in HOOKS if name in words}
    sockets = {each.id: OURS[each.io_type] for each in inputs if not callable(each) and each.io_type in OURS}

    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id=node_id,
            display_name=display_name,
            category=CATEGORY,
            description=f"For shared workflows. In new ones use {replaced_by}.",
            inputs=[each() if callable(each) else each for each in inputs],
            outputs=outputs if several else [outputs],
            is_deprecated=True,
            **words,
        )

    def node(function: Callable) -> type[io.ComfyNode]:
        def execute(cls, **values) -> io.NodeOutput:
            refuse_foreign(values, sockets)
            if "hidden" in words:
                values["hidden"] = cls.hidden
            result = function(**values)
            if isinstance(result, io.NodeOutput):
                return result
            return io.NodeOutput(*result) if several else io.NodeOutput(result)

        methods = {"define_schema": classmethod(define_schema), "execute": classmethod(execute)}
        return type(function.__name__, (io.ComfyNode,), {"__module__": function.__module__, **methods, **hooks})

    return node


def refuse_foreign(values: dict, sockets: dict[str, Callable[[object], bool]]) -> None:
    """Sockets carry names, not classes, and packs may share ids. sockets: input -> whether a value is ours."""
    for name, is_ours in sockets.items():
        if values.get(name) is not None and not is_ours(values[name]):
            raise ValueError(
                f"{name} comes from a node of another pack, and this node is AnimateDiff Native's. "
                "If ComfyUI-AnimateDiff-Evolved is installed, update it, so that all nodes of this workflow are "
                "its own; if not, replace the node that is connected here."
            )
