"""One node, run as the host runs it in a prompt: on a clone of its class that knows the hidden values."""

import asyncio

import execution
from comfy_execution.graph import DynamicPrompt

NODE = "1"


def executed(node: type, prompt: dict | None = None, extra_pnginfo: dict | None = None, **inputs):
    """The io.NodeOutput of `node`, as the node NODE of `prompt`, with objects for its links."""
    hidden = {"dynprompt": DynamicPrompt(prompt or {}), "extra_data": {"extra_pnginfo": extra_pnginfo}}
    values, _, v3_data = execution.get_input_data(inputs, node, NODE, **hidden)
    run = execution._async_map_node_over_list("prompt", NODE, node, values, node.FUNCTION, v3_data=v3_data)
    (output,) = asyncio.run(run)
    return output
