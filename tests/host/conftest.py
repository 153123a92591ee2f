from collections import Counter

import pytest
from clips import motion_model
from unets import unet_model


class Watched:
    """A MOTION_MODEL whose modules count how often they ran."""

    def __init__(self, family: str = "v3", **words):
        self.patcher = motion_model(family, **words)
        self.runs = Counter()
        for site, module in self.patcher.model.sites().items():
            module.register_forward_hook(lambda *_, site=site: self.runs.update([site]))

    def runs_of_every_site(self) -> int:
        """How often each site ran; the same number everywhere, or the test fails."""
        counts = {self.runs[site] for site in self.patcher.model.sites()}
        assert len(counts) == 1, dict(self.runs)
        return counts.pop()


@pytest.fixture
def motion():
    return Watched()


@pytest.fixture(scope="session")
def sd15():
    return unet_model("sd15")


@pytest.fixture(scope="session")
def sdxl():
    return unet_model("sdxl")
