"""Files on the disk -> MOTION_MODEL, through the host's own loader."""

import io
import pickle
import zipfile
from pathlib import Path

import comfy.cli_args
import folder_paths
import pytest
import safetensors.torch
import torch
from animatediff_native.motion.adjust import Adjustments, PositionAdjust, WeightAdjust
from animatediff_native.motion.formats import NotAMotionModel
from animatediff_native.motion.load import MOTION_LORAS, MOTION_MODELS, load_motion_model, readjusted, register_folders
from safetensors.torch import save_file
from unets import SD15_CHANNELS
from weights import motion_state, tensor_for

KEY = "mid_block.motion_modules.0.temporal_transformer.proj_in.weight"


@pytest.fixture(scope="module")
def v2():
    return motion_state("v2", SD15_CHANNELS)


@pytest.mark.parametrize("ending", [".safetensors", ".ckpt", ".pth"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_every_container_and_dtype(tmp_path, v2, ending, dtype):
    path = str(tmp_path / f"motion{ending}")
    state = {key: value.to(dtype) for key, value in v2.items()}
    save_file(state, path) if ending == ".safetensors" else torch.save({"state_dict": state, "epoch": 1}, path)
    patcher = load_motion_model(path)
    assert patcher.model.format.family.name == "AnimateDiff v2"
    assert torch.equal(patcher.model.state_dict()[KEY].float(), v2[KEY].to(dtype).float())


def file_at(address: int) -> str:
    """The file that is mapped into this process at an address."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        start, end = (int(text, 16) for text in line.split()[0].split("-"))
        if start <= address < end:
            return line.split()[-1]
    return ""


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="this system does not tell what is mapped")
def test_weights_of_the_right_type_stay_in_the_file(tmp_path, v2):
    """So that loading takes no longer than reading, and no memory twice."""
    path = str(tmp_path / "motion.safetensors")
    save_file(v2, path)
    patcher = load_motion_model(path)
    assert {file_at(weight.data_ptr()) for weight in patcher.model.parameters()} == {path}


@pytest.mark.parametrize("layout", ["guoyww", "diffusers"])
@pytest.mark.parametrize("prefix", ["", "module.", "unet."])
def test_layouts_and_prefixes(tmp_path, layout, prefix):
    path = str(tmp_path / "motion.safetensors")
    save_file({prefix + k: v.contiguous() for k, v in motion_state("v2", SD15_CHANNELS, layout=layout).items()}, path)
    assert torch.equal(load_motion_model(path).model.state_dict()[KEY], tensor_for(KEY, (128, 128), 1))


def test_a_trained_position_table_is_kept(tmp_path, v2):
    table = next(key for key in v2 if key.endswith(".pe"))
    path = str(tmp_path / "learnt.safetensors")
    save_file({key: (value + 0.1 if key == table else value.half()).contiguous() for key, value in v2.items()}, path)
    model = load_motion_model(path).model
    kept = [name for name, module in model.named_modules() if getattr(module, "position_table", None) is not None]
    assert kept == [table.removesuffix(".pos_encoder.pe")]
    assert torch.equal(model.get_submodule(kept[0]).position_table, v2[table][0] + 0.1)


def test_the_host_can_make_the_model_anew(tmp_path, v2):
    """Multi-GPU, hooks under dynamic VRAM and torch.compile build a fresh one from `cached_patcher_init`."""
    path = str(tmp_path / "motion.safetensors")
    save_file(v2, path)
    patcher = load_motion_model(path)
    factory, arguments = patcher.cached_patcher_init
    fresh = factory(*arguments, disable_dynamic=True)
    assert fresh.model is not patcher.model and not fresh.is_dynamic()
    assert torch.equal(fresh.model.state_dict()[KEY], patcher.model.state_dict()[KEY])


@pytest.mark.parametrize("option", ["fp8_e4m3fn_unet", "fp8_e5m2_unet"])
def test_motion_weights_are_never_held_in_one_byte(tmp_path, v2, monkeypatch, option):
    """--fp8_e4m3fn-unet is meant for the checkpoint's large weights; norms and biases do not survive it."""
    monkeypatch.setattr(comfy.cli_args.args, option, True)
    path = str(tmp_path / "motion.safetensors")
    save_file(v2, path)
    assert {value.dtype for value in load_motion_model(path).model.state_dict().values()} == {torch.float16}


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, bytes(100))
    return file.getvalue()


def damaged(folder, name, content):
    path = folder / name
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("page.ckpt", b"<!DOCTYPE html><html><body>Sign in</body></html>", ["web page", "Download it again"]),
        ("page.safetensors", b"\n<html>", ["web page"]),
        (
            "pointer.safetensors",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n",
            ["Git LFS", "git lfs pull"],
        ),
        ("empty.ckpt", b"", ["empty"]),
        ("cut.safetensors", (10**6).to_bytes(8, "little") + b'{"a":', ["cut short", "Download it again"]),
        ("cut.ckpt", b"PK\x03\x04" + bytes(200), ["cannot be read", "Download it again"]),
        (
            "named.ckpt",
            safetensors.torch.save({"a": torch.zeros(2)}),
            ["is a safetensors file", "Rename it"],
        ),
        ("gone.ckpt", b"Entry not found", ["the site's answer", '"Entry not found"', "logged in"]),
        ("gone.safetensors", b"Entry not found\n", ["the site's answer", '"Entry not found"']),
        ("login.safetensors", b"Invalid username or password.", ['"Invalid username or password."']),
        (
            "json.safetensors",
            b'{"error":"Access to model x is restricted"}',
            ['"{"error":"Access to'],
        ),
        ("long.pth", "页面 ".encode() * 400, ["is a text", "..."]),
        ("model.ckpt", zipped("model.ckpt", "readme.txt"), ["is an archive", "Unpack it"]),
        ("model.safetensors", zipped("model.safetensors"), ["is an archive", "Unpack it"]),
        ("model.pt", b"7z\xbc\xaf\x27\x1c" + bytes(90), ["is an archive"]),
        ("torch.safetensors", b"PK\x03\x04" + bytes(200), ["torch file", "Rename it to .ckpt"]),
    ],
)
def test_files_that_no_loader_can_read(tmp_path, name, content, words):
    with pytest.raises(NotAMotionModel) as raised:
        load_motion_model(damaged(tmp_path, name, content))
    assert str(raised.value).startswith(f"'{name}' ")
    for word in words:
        assert word in str(raised.value)


@pytest.mark.parametrize("ending", [".safetensors", ".ckpt"])
def test_a_download_that_stopped_half_way(tmp_path, v2, ending):
    path = tmp_path / f"half{ending}"
    save_file(v2, path) if ending == ".safetensors" else torch.save(v2, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(NotAMotionModel, match="Download it again"):
        load_motion_model(str(path))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_numbers_that_are_none(tmp_path, v2, dtype, number):
    key = next(key for key in v2 if key.endswith("proj_out.weight"))
    broken = {name: value.to(dtype, copy=True) for name, value in v2.items()}
    broken[key][-1, -1] = number
    save_file(broken, tmp_path / "broken.safetensors")
    with pytest.raises(NotAMotionModel, match=rf"'broken.safetensors' holds numbers that are none .*{key}"):
        load_motion_model(str(tmp_path / "broken.safetensors"))


class Program:
    def __reduce__(self):
        return print, ("this must not run",)


def test_a_pickle_that_could_run_a_program_is_refused(tmp_path, capsys):
    path = str(tmp_path / "evil.ckpt")
    torch.save({"state_dict": {"weight": torch.zeros(1)}, "animatediff_config": Program()}, path)
    with pytest.raises(NotAMotionModel, match="safetensors"):
        load_motion_model(path)
    (tmp_path / "plain.ckpt").write_bytes(pickle.dumps(Program()))
    with pytest.raises(NotAMotionModel):
        load_motion_model(str(tmp_path / "plain.ckpt"))
    assert "must not run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("container", "word"),
    [("controlnet", "SparseCtrl"), ("pose_encoder_state_dict", "CameraCtrl"), ("omcm_state_dict", "MotionCtrl")],
)
def test_add_ons_in_containers(tmp_path, container, word):
    path = str(tmp_path / "addon.ckpt")
    torch.save({container: {"weight": torch.zeros(1)}, "epoch": 1}, path)
    with pytest.raises(NotAMotionModel, match=word):
        load_motion_model(path)


def test_folders_are_there_from_the_start(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path / "models"))
    names = (MOTION_MODELS, MOTION_LORAS)
    before = {name: list(folder_paths.folder_names_and_paths[name][0]) for name in names}
    register_folders()
    register_folders()
    assert sorted(folder.name for folder in (tmp_path / "models").iterdir()) == sorted(names)
    for name in names:
        folder_paths.folder_names_and_paths[name][0][:] = before[name]
    (tmp_path / "models" / MOTION_LORAS).rmdir()
    monkeypatch.setattr(Path, "mkdir", read_only)
    register_folders()  # an installation that cannot be written to works, with folders from extra_model_paths.yaml
    for name in names:
        folder_paths.folder_names_and_paths[name][0][:] = before[name]


def read_only(*_, **__):
    raise PermissionError("read-only")


def test_folders_list_only_model_files(tmp_path):
    for key in (MOTION_MODELS, MOTION_LORAS):
        folder_paths.add_model_folder_path(key, str(tmp_path))
    (tmp_path / "mm.ckpt").touch()
    (tmp_path / "mm.safetensors").touch()
    (tmp_path / "readme.txt").touch()
    try:
        for key in (MOTION_MODELS, MOTION_LORAS):
            assert set(folder_paths.get_filename_list(key)) == {"mm.ckpt", "mm.safetensors"}
    finally:
        for key in (MOTION_MODELS, MOTION_LORAS):
            folder_paths.folder_names_and_paths[key][0].remove(str(tmp_path))


def test_adjustments_follow_one_another(tmp_path, v2):
    """The first 16 positions are spread over 24 frames; the other way round 16 would be left."""
    save_file(v2, tmp_path / "motion.safetensors")
    model = load_motion_model(str(tmp_path / "motion.safetensors"))
    for own in (PositionAdjust(cap=16), PositionAdjust(length=24)):
        model = readjusted(model, Adjustments((own,)))
    assert model.model.format.max_frames == 24
    for own in (WeightAdjust(add={"all": 1.0}), WeightAdjust(mult={"all": 0.5})):
        model = readjusted(model, Adjustments(weights=(own,)))
    assert model.model.format.max_frames == 24
    assert torch.allclose(model.model.state_dict()[KEY], (v2[KEY] + 1) / 2, atol=1e-6)
