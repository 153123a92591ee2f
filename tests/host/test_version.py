"""An older host gets one sentence that names both versions and what to do."""

import animatediff_native
import pytest


@pytest.mark.parametrize("version", ["0.18.2", "0.16.3", "0.3.75", "0.20.0"])
def test_an_older_host(version):
    with pytest.raises(ImportError) as raised:
        animatediff_native._check_host(version)
    sentence = str(raised.value)
    assert version in sentence and animatediff_native.MINIMUM_HOST in sentence and "update ComfyUI" in sentence


@pytest.mark.parametrize("version", ["0.20.1", "0.20.2", "0.30.0", "0.100.0", "1.0.0", "0.45.2.dev0"])
def test_a_new_enough_host(version):
    animatediff_native._check_host(version)


def test_one_entry_point():
    """A module with both would lose its V3 nodes: the host takes the mappings and looks no further."""
    assert not hasattr(animatediff_native, "NODE_CLASS_MAPPINGS")
    assert callable(animatediff_native.comfy_entrypoint)
