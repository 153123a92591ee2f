import os
import subprocess
import sys

import pytest
import seeded
from comfy_server import ComfyServer


@pytest.fixture(scope="session")
def base(tmp_path_factory, comfyui):
    """A base directory with small models of random weights."""
    folder = tmp_path_factory.mktemp("comfyui")
    environment = os.environ | {"COMFYUI_DIR": str(comfyui)}
    subprocess.run([sys.executable, seeded.__file__, str(folder)], check=True, env=environment)
    return folder


@pytest.fixture(scope="session")
def server(comfyui, base):
    with ComfyServer(comfyui, base) as running:
        yield running
