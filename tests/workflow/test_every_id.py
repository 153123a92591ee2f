"""Every node id of shared workflows runs in a real server, in the smallest graph that it can stand in."""

import animatediff_native.nodes.compat as compat
import pytest
from comfy_server import ServerError
from graphs import FILES, Graph, graph_of, optional_sockets
from safetensors.torch import load_file

IDS = [node.GET_SCHEMA().node_id for node in compat.NODES]


def outputs_of(server, graph: Graph) -> dict:
    """Runs the graph: every node that saves or shows has something, and latents are whole numbers of frames."""
    outputs = server.run(graph.prompt)
    assert graph.sinks and set(graph.sinks) <= set(outputs)
    for key in graph.sinks:
        for file in outputs[key].get("latents", ()):
            latents = load_file(server.output / file["subfolder"] / file["filename"])["latent_tensor"]
            assert latents.isfinite().all() and latents.shape[1:] == (4, 8, 8)
    return outputs


@pytest.mark.parametrize("node_id", IDS)
def test_with_what_it_needs(server, object_info, node_id):
    assert outputs_of(server, graph_of(object_info, node_id))


@pytest.mark.parametrize("node_id", IDS)
def test_with_everything_it_takes(server, object_info, node_id):
    if not optional_sockets(object_info[node_id]):
        pytest.skip("it has no optional sockets")
    assert outputs_of(server, graph_of(object_info, node_id, with_optional=True))


def test_a_new_socket_says_what_to_add(object_info):
    new = {"input": {"required": {"x": ["NEW"]}}, "output": ["NEW"], "output_node": False}
    with pytest.raises(AssertionError, match="No node is known to make a NEW. Add one to MAKERS"):
        graph_of(object_info | {"New": new}, "New")
    with pytest.raises(AssertionError, match="Nothing is known to take a NEW. Add it to USES"):
        graph_of(object_info | {"New": new | {"input": {}}}, "New")


def test_no_node_takes_a_file_outside_its_folder(server, object_info):
    """A file that is not in the folder's list is refused before anything runs, paths above all."""
    asked = 0
    for node_id, node in object_info.items():
        for name in file_inputs(node) if node_id in IDS else ():
            graph = graph_of(object_info, node_id)
            for path in ("../../../etc/passwd", "/etc/passwd", "..\\secret.ckpt"):
                graph.prompt["it"]["inputs"][name] = path
                with pytest.raises(ServerError, match="Value not in list"):
                    server.run(graph.prompt)
                asked += 1
    assert asked >= 12


def file_inputs(node: dict) -> list[str]:
    """The inputs that choose one of a folder's files."""
    found = []
    for name, (kind, *rest) in node["input"].get("required", {}).items():
        choices = kind if isinstance(kind, list) else rest[0].get("options", ()) if rest else ()
        if FILES.intersection(choices):
            found.append(name)
    return found
