import shutil

import fake_comfy
import pytest


@pytest.fixture
def stand_in(tmp_path):
    """A folder that starts as a ComfyUI does, in no time."""
    folder = tmp_path / "ComfyUI"
    folder.mkdir()
    shutil.copy(fake_comfy.__file__, folder / "main.py")
    return folder
