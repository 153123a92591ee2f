"""An older host gets one sentence that names both versions and what to do; and which names of the host are used."""

import asyncio

import animatediff_native
import host_uses
import pytest
from animatediff_native.nodes import host_names
from server import PromptServer

import nodes


@pytest.mark.parametrize("version", ["0.18.2", "0.16.3", "0.3.75", "0.20.0"])
def test_an_older_host(version):
    with pytest.raises(ImportError) as raised:
        animatediff_native._check_host(version)
    sentence = str(raised.value)
    assert version in sentence and animatediff_native.MINIMUM_HOST in sentence and "update ComfyUI" in sentence


@pytest.mark.parametrize("version", ["0.20.1", "0.20.2", "0.30.0", "0.100.0", "1.0.0", "0.45.2.dev0"])
def test_a_new_enough_host_is_not_refused(version):
    assert animatediff_native._check_host(version) is None


def registered() -> set[str]:
    """As the host loads a pack."""
    extension = asyncio.run(animatediff_native.comfy_entrypoint())
    asyncio.run(extension.on_load())
    return {node.GET_SCHEMA().node_id for node in asyncio.run(extension.get_node_list())}


def test_another_packs_ids_stay_its_own(monkeypatch):
    """With ComfyUI-AnimateDiff-Evolved installed, its own nodes answer to their ids."""
    before = registered()
    assert {"ADN_ApplyMotionModel", "ADE_UseEvolvedSampling"} <= before
    monkeypatch.setitem(nodes.NODE_CLASS_MAPPINGS, "ADE_UseEvolvedSampling", object)
    assert registered() == before - {"ADE_UseEvolvedSampling"}


def test_a_program_without_a_server_has_the_nodes():
    """One that turns a workflow into Python, say."""
    assert not hasattr(PromptServer, "instance")
    assert registered()


def test_one_entry_point():
    """A module with both would lose its V3 nodes: the host takes the mappings and looks no further."""
    assert not hasattr(animatediff_native, "NODE_CLASS_MAPPINGS")
    assert callable(animatediff_native.comfy_entrypoint)


def test_the_list_of_the_hosts_names_is_whole():
    there, used = host_names.LIST.read_text(encoding="utf-8").splitlines(), host_uses.lines()
    hint = "COMFYUI_DIR=... python tests/support/host_uses.py writes nodes/host_names.txt anew"
    assert there == used, f"{hint}: add {set(used) - set(there)}, delete {set(there) - set(used)}"


def test_this_host_has_them_all():
    assert len(host_names.listed()) > 150 and host_names.lost(host_names.listed()) == {}
