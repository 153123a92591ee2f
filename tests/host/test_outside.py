"""No name of a file leads out of the folders that are meant, whoever wrote it; and nothing that is read is run."""

import ast
import re

import brought
import folder_paths
import pytest
from animatediff_native.motion.load import MOTION_LORAS, MOTION_MODELS
from animatediff_native.nodes.grid import input_file
from animatediff_native.nodes.training_inputs import folder_named
from animatediff_native.training.clips import Taking
from animatediff_native.training.export import export_path
from animatediff_native.training.folder import FolderSettings, clips_in
from animatediff_native.training.plan import TrainingPlan
from host import ROOT

LEADING_OUT = [
    "../secret",
    "a/../../secret",
    "{root}/secret",
    "..\\secret",
    "/etc",
    "C:\\secret",
    "\\\\host\\secret",
    "~/../../secret",
]
NO_NAMES = [
    *LEADING_OUT,
    "",
    " ",
    ".",
    "..",
    ".hidden",
    "a/b",
    "a\\b",
    "a\0b",
    "a\nb",
    "con",
    "NUL",
    "aux.txt",
    "x" * 5000,
]


@pytest.fixture
def folders(tmp_path, monkeypatch):
    for name in ("input/clips", "output", "models", "secret"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "secret" / "words.txt").write_text("secret words")
    (tmp_path / "secret.txt").write_text("secret words")
    monkeypatch.setattr(folder_paths, "input_directory", str(tmp_path / "input"))
    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path / "output"))
    for kind in (MOTION_MODELS, MOTION_LORAS):
        monkeypatch.setitem(folder_paths.folder_names_and_paths, kind, ([str(tmp_path / "models")], {".safetensors"}))
    return tmp_path


@pytest.mark.parametrize("name", LEADING_OUT)
def test_a_folder_of_clips_is_in_the_input(folders, name):
    assert folder_named("clips") == folders / "input" / "clips"
    with pytest.raises(ValueError, match="There is no folder"):
        folder_named(name.format(root=folders))


@pytest.mark.parametrize(
    "name", ["../secret.txt", "a/../../secret.txt", "{root}/secret.txt", "/etc/passwd", "\\\\x\\y"]
)
def test_a_list_of_prompts_is_in_the_input(folders, name):
    with pytest.raises(ValueError, match="There is no file"):
        input_file(name.format(root=folders))


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_training_writes_stays_in_its_folders(folders, name):
    name = name.format(root=folders)
    refused = "must be a file's name without folders|is too long for a file"
    with pytest.raises(ValueError, match=refused):
        TrainingPlan("motion LoRA", name)
    with pytest.raises(ValueError, match=refused):
        export_path(MOTION_MODELS, name)


@pytest.mark.parametrize("name", ["../secret/a", "{root}/secret/a", "x/../../../secret/a"])
def test_a_list_of_clips_names_none_elsewhere(folders, name):
    (folders / "secret" / "a.mp4").write_bytes(b"no video")
    (folders / "input" / "clips" / "list.csv").write_text(f"videoid,name\n{name.format(root=folders)},b\n")
    with pytest.raises(ValueError, match="lists 1 videos, and none of them is in"):
        clips_in(folders / "input" / "clips", FolderSettings(Taking(16), 64, 64, csv="list.csv"))


def test_a_link_in_the_input_that_leads_out_is_no_list_of_prompts(folders):
    (folders / "input" / "link.txt").symlink_to(folders / "secret.txt")
    with pytest.raises(ValueError, match="There is no file"):
        input_file("link.txt")


@pytest.mark.parametrize("name", ["../secret.safetensors", "/secret.safetensors", "a/../../secret.safetensors"])
def test_the_hosts_folders_keep_names_within_them(folders, name):
    assert folder_paths.get_full_path(MOTION_MODELS, name) is None


DANGEROUS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "pickle.load",
    "pickle.loads",
    "torch.load",
    "np.load",
    "os.system",
}
DANGEROUS |= {"marshal.loads", "yaml.load", "shelve.open", "os.popen"}


def test_nothing_that_is_read_is_run():
    for room in ("nodes", "motion", "sampling", "training", "workflow_files"):
        for path in (ROOT / room).rglob("*.py"):
            calls = {
                ast.unparse(node.func)
                for node in ast.walk(ast.parse(path.read_text("utf-8")))
                if isinstance(node, ast.Call)
            }
            assert not calls & DANGEROUS, path
    load = (ROOT / "motion" / "load.py").read_text("utf-8")
    assert re.findall(r"load_torch_file\((.*)\)", load) == ["path, safe_load=True"]


def test_ci_runs_nothing_that_may_change():
    """Its actions are named by what they are, not by a tag that moves."""
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        used = re.findall(r"uses: (\S+)", path.read_text(encoding="utf-8"))
        assert used and all(name.startswith("./") or re.search(r"@[0-9a-f]{40}$", name) for name in used), used
    assert all(len(each[-1]) == 64 for each in brought.ARCHIVES.values())
    assert all(len(each) == 64 for each in brought.PAGES.values())
