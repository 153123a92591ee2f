from collections import Counter

import folder_paths
import i2v
import pytest
from animatediff_native.motion.load import MOTION_MODELS, load_motion_model
from clips import motion_model
from safetensors.torch import save_file
from unets import SD15_CHANNELS, SDXL_CHANNELS, unet_model
from weights import motion_state


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


@pytest.fixture
def motion_from_file(tmp_path):
    """A MOTION_MODEL that the host can make anew, as those of users are."""
    path = tmp_path / "motion.safetensors"
    save_file(motion_state("v3", SD15_CHANNELS), path)
    return load_motion_model(str(path))


@pytest.fixture
def sd15_from_file(sd15):
    """A MODEL that the host can make anew, as its loaders' are."""
    model = sd15.clone()
    model.cached_patcher_init = (lambda disable_dynamic=False: unet_model(), ())
    return model


@pytest.fixture(scope="module")
def i2v_folder(tmp_path_factory):
    """A folder of motion models that the host's lists have: AnimateLCM-I2V, AnimateLCM, and one for SDXL."""
    folder = tmp_path_factory.mktemp("motion")
    for name, family in ((i2v.I2V, "animatelcm_i2v"), (i2v.PLAIN, "animatelcm"), (i2v.SDXL, "sdxl")):
        save_file(motion_state(family, SDXL_CHANNELS if family == "sdxl" else SD15_CHANNELS), folder / name)
    folder_paths.add_model_folder_path(MOTION_MODELS, str(folder))
    yield folder
    folder_paths.folder_names_and_paths[MOTION_MODELS][0].remove(str(folder))


@pytest.fixture(scope="module", name="i2v")
def i2v_models(i2v_folder):
    """(MOTION_MODEL, encoder_only)"""
    return i2v.FORMS["LoadAnimateLCMI2VModel"].execute(model_name=i2v.I2V).result
