"""Every node id of shared workflows runs in a real server, in the smallest graph that it can stand in."""

import animatediff_native.nodes.compat as compat
import pytest
from graphs import Graph, graph_of, optional_sockets
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


@pytest.fixture(scope="module")
def object_info(server):
    return server.get("/object_info")


@pytest.mark.parametrize("node_id", IDS)
def test_with_what_it_needs(server, object_info, node_id):
    outputs_of(server, graph_of(object_info, node_id))


@pytest.mark.parametrize("node_id", IDS)
def test_with_everything_it_takes(server, object_info, node_id):
    if not optional_sockets(object_info[node_id]):
        pytest.skip("it has no optional sockets")
    outputs_of(server, graph_of(object_info, node_id, with_optional=True))


def test_a_new_socket_says_what_to_add(object_info):
    new = {"input": {"required": {"x": ["NEW"]}}, "output": ["NEW"], "output_node": False}
    with pytest.raises(AssertionError, match="No node is known to make a NEW. Add one to MAKERS"):
        graph_of(object_info | {"New": new}, "New")
    with pytest.raises(AssertionError, match="Nothing is known to take a NEW. Add it to USES"):
        graph_of(object_info | {"New": new | {"input": {}}}, "New")
