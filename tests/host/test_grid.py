"""Lists and grids through the host's own list execution, and what is wrong with them before a run."""

import asyncio

import animatediff_native.nodes as nodes
import execution
import folder_paths
import pytest
import torch
from animatediff_native.nodes.grid import ClipGrid, CompareSettings, PromptList

FORMS = {node.GET_SCHEMA().node_id: node for node in nodes.NODES}


class HalvingVAE:
    """Decodes latents (frames, channels, height, width) to grey pictures; counts what it holds at once."""

    def __init__(self):
        self.largest = 0

    def decode(self, latents):
        self.largest = max(self.largest, latents.shape[0])
        return latents.mean(1, keepdim=True).movedim(1, -1).expand(*latents.shape[:1], *latents.shape[2:], 3)


def listed(node, **inputs) -> list:
    """As the host calls it: each input a list, and the outputs."""
    data = {name: value if isinstance(value, list) else [value] for name, value in inputs.items()}
    found = asyncio.run(execution._async_map_node_over_list("p", "1", node, data, "EXECUTE_NORMALIZED"))
    return execution.get_output_from_returns(found, node)[0]


def test_a_list_runs_what_is_behind_it_once_for_each():
    positive, negative = listed(PromptList, prompts="a fox\n\na cat\na dog", negative="blurry")
    assert (positive, negative) == (["a fox", "a cat", "a dog"], ["blurry"] * 3)


def test_pairs_of_settings_row_by_row():
    words = {"across_name": "motion scale", "down_name": "seed"}
    across, down, above, beside = listed(CompareSettings, across="0.8\n1.2", down="1..3", **words)
    assert across == [0.8, 1.2] * 3 and down == [1, 1, 2, 2, 3, 3]
    assert (above, beside) == (["motion scale 0.8\nmotion scale 1.2"], ["seed 1\nseed 2\nseed 3"])


def test_a_grid_of_pictures_and_of_latents():
    vae = HalvingVAE()
    latents = [{"samples": torch.rand(frames, 4, 16, 16)} for frames in (2, 3, 3, 1)]
    words = {"columns": 2, "gap": 4, "shorter": "loop"}
    (found,) = listed(ClipGrid, samples=latents, vae=vae, **words)
    (other,) = listed(ClipGrid, images=[vae.decode(latent["samples"]) for latent in latents], **words)
    assert len(found) == 1 and found[0].shape == (3, 44, 44, 3) and torch.equal(found[0], other[0])
    assert vae.largest == 3
    with pytest.raises(ValueError, match="Clip Grid has no clips"):
        listed(ClipGrid, samples=latents, **words)


def test_captions_from_a_list_or_in_lines():
    clips = [torch.rand(2, 48, 64, 3) for _ in range(2)]
    words = {"images": clips, "columns": 0, "gap": 4, "shorter": "loop"}
    (of_list,), (of_lines,) = (
        listed(ClipGrid, captions=texts, **words) for texts in (["a fox", "a cat"], "a fox\na cat")
    )
    assert torch.equal(of_list[0], of_lines[0])
    with pytest.raises(ValueError, match="3 captions for 2 clips"):
        listed(ClipGrid, captions="a\nb\nc", **words)


def test_files_of_the_input_folder_and_none_outside(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "input_directory", str(tmp_path / "input"))
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "prompts.txt").write_text("\ufeffa fox\n一只猫\n", encoding="utf-8")
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    assert listed(PromptList, prompts="@prompts.txt", negative="")[0] == ["a fox", "一只猫"]
    before = PromptList.fingerprint_inputs(prompts="@prompts.txt", negative=None)
    (tmp_path / "input" / "prompts.txt").write_text("a dog", encoding="utf-8")
    assert PromptList.fingerprint_inputs(prompts="@prompts.txt", negative=None) >= before and len(before) == 1
    for name in ("../secret.txt", str(tmp_path / "secret.txt"), "absent.txt"):
        said = PromptList.validate_inputs(prompts=f"@{name}", negative="")
        assert said.startswith(f"There is no file '{name}'")


def test_mistakes_are_told_before_the_run():
    assert PromptList.validate_inputs(prompts="a fox", negative="") is True
    assert PromptList.validate_inputs(prompts=None, negative="") is True  # comes from another node
    assert PromptList.validate_inputs(prompts="", negative="").startswith("The list is empty")
    assert "3 negative ones" in PromptList.validate_inputs(prompts="a\nb", negative="c\nd\ne")
    assert CompareSettings.validate_inputs(across="1..3", down="0.5") is True
    assert "5000 values" in CompareSettings.validate_inputs(across="1..5000", down="0.5")
