import pytest


@pytest.fixture(scope="session")
def unet():
    """(MODEL, weights): the oracles' whole UNet."""
    from tiny_unet import unet_and_weights

    return unet_and_weights()
