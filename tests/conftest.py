"""Puts the real ComfyUI on `sys.path` and imports the pack, once, under one name."""

import host
import pytest

COMFYUI = host.find_host()
LONGEST_FIRST = ("browser", "farm", "workflow", "host", "oracle", "maths")
"""Folders, by how long their files take: the last file should not keep one worker while the others have nothing."""
if COMFYUI is None:
    pytest.exit(
        "There is no ComfyUI to test on: run 'python dev.py test', or set COMFYUI_DIR to a ComfyUI.", returncode=2
    )
host.enter(COMFYUI)


@pytest.fixture(scope="session")
def comfyui():
    return COMFYUI


def pytest_collection_modifyitems(items):
    import torch

    items.sort(key=lambda item: LONGEST_FIRST.index(item.path.relative_to(host.ROOT / "tests").parts[0]))
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no NVIDIA GPU on this machine"))
