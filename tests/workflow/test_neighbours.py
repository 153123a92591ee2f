"""Other packs with ids of ours in the same server: their nodes keep their ids, and both packs work in one session."""

import pytest
import seeded
from beside import beside, graph, ours
from comfy_server import ServerError

V1 = """
import os, folder_paths

here = os.path.join(os.path.dirname(__file__), "motion")
for key in ("animatediff_models", "animatediff_motion_lora"):
    folder_paths.add_model_folder_path(key, here)
    folder_paths.folder_names_and_paths[key][1].update({".safetensors"})

class Load:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model_name": (folder_paths.get_filename_list("animatediff_models"),)}}
    RETURN_TYPES, FUNCTION, CATEGORY = ("MOTION_MODEL_ADE",), "load", "test"
    def load(self, model_name):
        return (object(),)

class Mark:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",)}}
    RETURN_TYPES, FUNCTION, CATEGORY = ("MODEL",), "mark", "test"
    def mark(self, model):
        model = model.clone()
        model.set_attachments("ADE_params", object())
        return (model,)

NODE_CLASS_MAPPINGS = {"ADE_LoadAnimateDiffModel": Load, "ADE_UseEvolvedSampling": Mark}
"""
V3 = """
from comfy_api.latest import ComfyExtension, io

class Batch(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        inputs = [io.Int.Input(name, default=64) for name in ("width", "height", "batch_size")]
        return io.Schema("ADE_EmptyLatentImageLarge", inputs=inputs, outputs=[io.Latent.Output()])
    @classmethod
    def execute(cls, width, height, batch_size):
        import torch
        return io.NodeOutput({"samples": torch.zeros(batch_size, 4, height // 8, width // 8)})

class Extension(ComfyExtension):
    async def get_node_list(self):
        return [Batch]

async def comfy_entrypoint():
    return Extension()
"""
PACKS = {"v1_stand_in": V1, "v3_stand_in": V3}
THEIRS = {
    "ADE_LoadAnimateDiffModel": "v1_stand_in",
    "ADE_UseEvolvedSampling": "v1_stand_in",
    "ADE_EmptyLatentImageLarge": "v3_stand_in",
}


@pytest.fixture(scope="module", params=["v1 first, v3 last", "v3 first, v1 last"])
def crowded(request, comfyui, base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("neighbours")
    for name, code in PACKS.items():
        (folder / name / "motion").mkdir(parents=True)
        (folder / name / "__init__.py").write_text(code, encoding="utf-8")
    (folder / "v1_stand_in" / "motion" / "theirs.safetensors").touch()
    packs = [folder / name for name in PACKS]
    first, last = packs if request.param.startswith("v1") else packs[::-1]
    with beside(comfyui, base, folder, [first], [last]) as running:
        yield running


def test_their_nodes_keep_their_ids(crowded):
    info = crowded.get("/object_info")
    for node_id, pack in THEIRS.items():
        assert info[node_id]["python_module"] == f"custom_nodes.{pack}", node_id
    others = {info[node_id]["python_module"] for node_id in info if node_id.startswith(("ADE_", "ADN_"))}
    assert others == {*(f"custom_nodes.{pack}" for pack in PACKS), "custom_nodes.animatediff-native"}
    assert info["ADE_ApplyAnimateDiffModelSimple"]["python_module"] == "custom_nodes.animatediff-native"


def test_folders_of_both_packs_are_searched(crowded):
    for node_id, name, own in (
        ("ADN_LoadMotionModel", "model_name", seeded.MOTION_MODEL),
        ("ADN_LoadMotionLoRA", "lora_name", seeded.MOTION_LORA),
    ):
        kind, *options = crowded.get("/object_info")[node_id]["input"]["required"][name]
        assert {own, "theirs.safetensors"} <= set(kind if isinstance(kind, list) else options[0]["options"])


def test_both_packs_in_one_session(crowded):
    assert crowded.run(ours(graph(["ours", 0]), ["checkpoint", 0]))
    marked = graph(["theirs", 0])
    marked["theirs"] = {"class_type": "ADE_UseEvolvedSampling", "inputs": {"model": ["checkpoint", 0]}}
    assert crowded.run(marked)


@pytest.mark.parametrize("order", ["theirs first", "ours first"])
def test_both_on_one_model_is_an_error(crowded, order):
    last, before = ("ours", "theirs") if order == "theirs first" else ("theirs", "ours")
    links = {before: ["checkpoint", 0], last: [before, 0]}
    prompt = ours(graph([last, 0]), links["ours"])
    prompt["theirs"] = {"class_type": "ADE_UseEvolvedSampling", "inputs": {"model": links["theirs"]}}
    with pytest.raises(ServerError, match="are both applied to this MODEL, and only one of them can animate it"):
        crowded.run(prompt)


def test_their_motion_model_in_our_form_is_an_error(crowded):
    """A pack that has some ids only: its nodes and ours meet in one workflow."""
    prompt = {
        "load": {"class_type": "ADE_LoadAnimateDiffModel", "inputs": {"model_name": seeded.MOTION_MODEL}},
        "apply": {"class_type": "ADE_ApplyAnimateDiffModelSimple", "inputs": {"motion_model": ["load", 0]}},
        "look": {"class_type": "PreviewAny", "inputs": {"source": ["apply", 0]}},
    }
    with pytest.raises(ServerError, match="motion_model comes from a node of another pack"):
        crowded.run(prompt)
