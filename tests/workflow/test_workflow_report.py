"""The command `workflows`: whose nodes a workflow has, and which files it names."""

import gzip
import json
import zipfile
from collections import Counter

import comfyui_version
import pytest
from animatediff_native.nodes import NODES
from animatediff_native.workflow_files.known_nodes import (
    folder_of,
    host_nodes,
    instead_of,
    is_animatediff,
    own_nodes,
    pack_of,
)
from animatediff_native.workflow_files.read import nodes_in, read_workflow
from animatediff_native.workflow_files.report import FOR_SHARED, HOST, NOT_SERVED, OURS, UNKNOWN, report
from comfy_server import ROOT
from workflow_command import API, command, door
from workflows import SHARED, shared_workflows


def test_the_list_of_own_nodes_is_what_is_registered():
    words = {node.GET_SCHEMA().node_id: node.GET_SCHEMA().description for node in NODES}
    marker = "In new ones use "
    registered = {
        node_id: text.split(marker)[1].rstrip(".") if marker in text else None for node_id, text in words.items()
    }
    differing = dict(registered.items() ^ own_nodes().items()).keys()
    assert not differing, (
        f"correct workflow_files/own_nodes.json: {[(name, registered.get(name)) for name in differing]}"
    )


def test_the_list_of_the_hosts_nodes(server):
    ids = server.get("/object_info").keys() - own_nodes().keys()
    if comfyui_version.__version__ == "0.30.0":
        assert not ids ^ (host_nodes() - {"", "Note", "MarkdownNote", "PrimitiveNode", "Reroute"})
    known = [node_id for workflow in shared_workflows().values() for node_id in {n.type for n in nodes_in(workflow)}]
    assert not [node_id for node_id in known if node_id in ids and node_id not in host_nodes()]


def test_what_to_do_is_said_for_every_node_of_the_incumbent_that_has_no_form():
    theirs = json.loads(gzip.decompress((ROOT / "tests" / "data" / "ade_nodes.json.gz").read_bytes())).keys()
    others = theirs - own_nodes().keys()
    assert (
        others
        and all(map(is_animatediff, theirs))
        and not [node_id for node_id in others if instead_of(node_id) == "nothing here does the same"]
    )


def test_the_door_says_what_there_is():
    for words, code in (((), 2), (("--help",), 0), (("workflow",), 2)):
        result = door(*words)
        assert (
            result.returncode == code and "workflows   why nodes of a workflow are red" in result.stdout + result.stderr
        )
    assert "'workflow' is no command of this pack." in result.stderr


def test_the_report(saved):
    result = command(saved("api.json", API))
    assert (result.returncode, result.stderr) == (0, "")
    for line in (
        "API prompt",
        "1 x ADN_ApplyMotionModel",
        "1 x ADE_AnimateDiffLoaderGen1  (in new workflows: Load Motion Model and Apply Motion Model)",
        "1 x ADE_LoraHookCombine  (use ComfyUI's own hook nodes (Create Hook LoRA and others))",
        "ComfyUI-VideoHelperSuite: 1 x VHS_VideoCombine",
        "1 x Somebody's node",
        "1 x CheckpointLoaderSimple",
        "ComfyUI/models/animatediff_models: mm.ckpt",
        "ComfyUI/models/checkpoints: a.safetensors",
    ):
        assert line in [found.strip() for found in result.stdout.splitlines()], line


def test_what_is_posted_and_the_pack_that_a_graph_notes(saved):
    node = {"id": 1, "type": "X", "properties": {"cnr_id": "somebodys-pack"}}
    same = {"id": 2, "type": "VHS_LoadVideo", "properties": {"aux_id": "a/comfyui-videohelpersuite"}}
    core = {"id": 3, "type": "New", "properties": {"cnr_id": "comfy-core"}}
    found = report(saved("graph.json", {"nodes": [node, same, core], "links": []}))
    assert {pack: dict(ids) for pack, ids in found.packs.items()} == {
        "somebodys-pack": {"X": 1},
        "ComfyUI-VideoHelperSuite": {"VHS_LoadVideo": 1},
    }
    assert found.ids[HOST] == {"New": 1}
    assert report(saved("posted.json", {"prompt": API, "client_id": "x"})).ids[OURS] == {"ADN_ApplyMotionModel": 1}
    assert "graph without AnimateDiff nodes" in command(saved("graph.json", {"nodes": [core]})).stdout


def test_group_nodes_and_subgraphs(saved):
    """Group nodes lie in extra.groupNodes, subgraphs in definitions.subgraphs, and their links are dicts."""
    frame = "0d033df8-8901-4044-8084-331fbaa30c57"
    link = {"id": 1, "origin_id": 5, "origin_slot": 0, "target_id": 6, "target_slot": 0, "type": "M_MODELS"}
    inputs = [{"name": "m_models", "type": "M_MODELS", "link": 1}]
    inner = [
        {"id": 5, "type": "ADE_LoadAnimateDiffModel"},
        {"id": 6, "type": "ADE_UseEvolvedSampling", "inputs": inputs},
    ]
    group = {"nodes": [{"index": 0, "type": "ADE_MultivalDynamic"}], "links": [[0, 0, 1, 0, 4]]}
    graph = {
        "nodes": [{"id": 1, "type": frame}, {"id": 2, "type": "workflow>two"}],
        "links": [None],
        "extra": {"groupNodes": {"two": group}},
        "definitions": {"subgraphs": [{"id": frame, "nodes": inner, "links": [link]}]},
    }
    nodes = {node.type: node for node in nodes_in(read_workflow(saved("nested.json", graph)))}
    assert nodes.keys() == {"ADE_LoadAnimateDiffModel", "ADE_UseEvolvedSampling", "ADE_MultivalDynamic"}
    assert nodes["ADE_UseEvolvedSampling"].links["m_models"].source == "5"


def grouped(*files, shown=()):
    """A graph with one frame for each tuple of `shown`, around two loaders with ids as the page stores them: -1."""
    loaders = ("ADE_LoadAnimateDiffModel", "CheckpointLoaderSimple")
    inside = [
        {"id": -1, "index": index, "type": kind, "widgets_values": [file]}
        for index, (kind, file) in enumerate(zip(loaders, files, strict=True))
    ]
    frames = [
        {"id": 7 + number, "type": "workflow>two", "widgets_values": [*names, 20]} for number, names in enumerate(shown)
    ]
    return {"nodes": frames, "links": [], "extra": {"groupNodes": {"two": {"nodes": inside, "links": [[0, 0, 1, 0]]}}}}


def test_a_group_has_all_its_nodes_and_the_files_that_are_set_on_it(saved):
    found = report(saved("group.json", grouped("old.ckpt", "old.safetensors", shown=[("mm.ckpt", "a.safetensors")])))
    assert found.ids[FOR_SHARED] == {"ADE_LoadAnimateDiffModel": 1} and found.ids[HOST] == {"CheckpointLoaderSimple": 1}
    motion, checkpoints = "ComfyUI/models/animatediff_models", "ComfyUI/models/checkpoints"
    assert found.files == {motion: {"mm.ckpt"}, checkpoints: {"a.safetensors"}}
    twice = [("mm.ckpt", "a.safetensors"), ("mm.ckpt", "b.safetensors")]
    found = report(saved("group.json", grouped("old.ckpt", "old.safetensors", shown=twice)))
    assert found.ids[HOST] == {"CheckpointLoaderSimple": 2} and found.files[checkpoints] == {
        "a.safetensors",
        "b.safetensors",
    }
    found = report(saved("group.json", grouped("old.ckpt", "old.safetensors", shown=[("new.safetensors",)])))
    rest = [names for place, names in found.files.items() if "set on a group" in place]
    assert found.files[motion] == {"old.ckpt"} and rest == [{"new.safetensors"}]


def test_a_bad_file_does_not_stop_the_others(saved, tmp_path):
    saved("a.json", "no"), saved("b.json", API), saved("c.txt", "not looked at")
    result = command(tmp_path, tmp_path / "missing.json")
    assert result.returncode == 1 and "b.json" in result.stdout and "c.txt" not in result.stdout + result.stderr
    assert len(result.stderr.split("\n\n")) == 3 and "Traceback" not in result.stderr


def test_shared_workflows(tmp_path):
    """Every node is counted once, and few are of unknown packs."""
    with zipfile.ZipFile(SHARED) as archive:
        archive.extractall(tmp_path)
    counted, unknown = 0, Counter()
    for name in shared_workflows():
        found = report(tmp_path / name)
        assert found.ids[FOR_SHARED] or found.ids[NOT_SERVED], name
        counted += sum(sum(ids.values()) for ids in (*found.ids.values(), *found.packs.values()))
        unknown += found.ids[UNKNOWN]
    assert counted == 3408 - 8  # group nodes and subgraphs
    assert unknown.total() < 0.03 * counted and not any("AnimateDiff" in node_id for node_id in unknown)


@pytest.mark.parametrize(
    ("node_id", "place", "folder"),
    [
        ("ADE_AnimateDiffLoRALoader", 0, "animatediff_motion_lora"),
        ("ADN_LoadMotionLoRA", "lora_name", "animatediff_motion_lora"),
        ("ADE_AnimateDiffLoaderWithContext", 0, "animatediff_models"),
        ("ADN_LoadMotionModel", "model_name", "animatediff_models"),
        ("CheckpointLoaderSimpleWithNoiseSelect", 0, "checkpoints"),
        ("ACN_SparseCtrlLoaderAdvanced", 0, "controlnet"),
        ("ControlNetLoader", 0, "controlnet"),
        ("LoraLoader", 0, "loras"),
        ("LoRA Stacker", 7, "loras"),
        ("VAELoader", 0, "vae"),
        ("Efficient Loader", 0, "checkpoints"),
        ("Efficient Loader", 1, "vae"),
        ("Efficient Loader", "vae_name", "vae"),
        ("Unheard of", "ckpt_name", "checkpoints"),
        ("RIFE VFI", "ckpt_name", None),
        ("Unheard of", 0, None),
    ],
)
def test_folders(node_id, place, folder):
    assert folder_of(node_id, place) == folder


def test_packs_by_the_beginning_of_an_id():
    assert pack_of("IPAdapterAdvanced") == "ComfyUI_IPAdapter_plus" and pack_of("IntegerOfSomebody") is None
    assert pack_of("GetImageSize+") == "ComfyUI_essentials" and pack_of("RIFE VFI") == "ComfyUI-Frame-Interpolation"
