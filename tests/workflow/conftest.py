import json
import os
import subprocess
import sys

import pytest
import seeded
from comfy_server import ComfyServer
from small_graphs import small
from workflows import example, to_prompt


@pytest.fixture(scope="session")
def base(tmp_path_factory, comfyui):
    """A base directory with small models of random weights."""
    folder = tmp_path_factory.mktemp("comfyui")
    make(comfyui, folder, "all")
    return folder


@pytest.fixture(scope="session")
def sdxl(comfyui, base):
    """SDXL files besides."""
    make(comfyui, base, "sdxl")


def make(comfyui, base, *more):
    environment = os.environ | {"COMFYUI_DIR": str(comfyui)}
    subprocess.run([sys.executable, seeded.__file__, str(base), *more], check=True, env=environment)


@pytest.fixture(scope="session")
def server(comfyui, base):
    with ComfyServer(comfyui, base) as running:
        yield running


@pytest.fixture(scope="session")
def object_info(server):
    return server.get("/object_info")


@pytest.fixture
def prompt(server, object_info):
    """Text to Animation, small."""
    return small(to_prompt(example("Text to Animation"), object_info))


@pytest.fixture
def saved(tmp_path):
    """Keeps a file of that name: a text, or what becomes JSON."""

    def save(name, content):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return save
