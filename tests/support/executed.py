"""One node, run as the host runs it in a prompt: on a clone of its class that knows the hidden values."""

import asyncio

import execution
from comfy_execution.graph import DynamicPrompt

import nodes

NODE = "1"


def executed(node: type, prompt: dict | None = None, extra_pnginfo: dict | None = None, **inputs):
    """The io.NodeOutput of `node`, as the node NODE of `prompt`, with objects for its links."""
    hidden = {"dynprompt": DynamicPrompt(prompt or {}), "extra_data": {"extra_pnginfo": extra_pnginfo}}
    values, _, v3_data = execution.get_input_data(inputs, node, NODE, **hidden)
    run = execution._async_map_node_over_list("prompt", NODE, node, values, node.FUNCTION, v3_data=v3_data)
    (output,) = asyncio.run(run)
    return output


def mistakes(node: type, **inputs) -> list[str]:
    """What the host says of the values of `node` in a prompt before it runs anything; what is missing is no mistake."""
    prompt = {NODE: {"class_type": "Tried", "inputs": inputs}}
    known = nodes.NODE_CLASS_MAPPINGS
    known["Tried"] = node
    try:
        _, errors, _ = asyncio.run(execution.validate_inputs("prompt", prompt, NODE, {}))
    finally:
        del known["Tried"]
    return [error["details"] for error in errors if error["type"] != "required_input_missing"]
