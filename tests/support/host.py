"""The real ComfyUI in this process: first on `sys.path`, on the CPU where there is no GPU, in a temporary folder."""

import atexit
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
PACK = "animatediff_native"


def find_host() -> Path | None:
    """The ComfyUI that dev.py names, or the one that this pack lies in, or the newest that dev.py fetched."""
    if named := os.environ.get("COMFYUI_DIR"):
        return Path(named)
    if ROOT.parent.name == "custom_nodes" and (ROOT.parent.parent / "main.py").is_file():
        return ROOT.parent.parent
    fetched = sorted(ROOT.glob(".dev/comfyui-*/main.py"))
    return fetched[-1].parent if fetched else None


def enter(host: Path) -> ModuleType:
    """Makes the host importable and imports the pack once, as `animatediff_native`."""
    enter_host(host)
    return import_pack()


def enter_host(host: Path, fast: bool = False) -> None:
    """Makes the host importable, with the host's own settings for this process. fast: with its --fast."""
    # `nodes/` of the pack would hide the host's nodes.py.
    sys.path[:] = [str(host)] + [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]
    import comfy.cli_args
    import torch

    comfy.cli_args.args.cpu = not torch.cuda.is_available()
    base = tempfile.TemporaryDirectory(prefix="animatediff-tests-")
    atexit.register(base.cleanup)
    comfy.cli_args.args.base_directory = base.name
    comfy.cli_args.args.disable_api_nodes = True
    if fast:
        comfy.cli_args.args.fast = set(comfy.cli_args.PerformanceFeature)
    import utils.extra_config  # noqa: F401  (before nodes.py puts comfy/, which has a utils.py, first on the path)

    import nodes  # noqa: F401  isort: skip
    import server  # noqa: F401


def import_pack() -> ModuleType:
    spec = importlib.util.spec_from_file_location(PACK, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    module = importlib.util.module_from_spec(spec)
    sys.modules[PACK] = module
    spec.loader.exec_module(module)
    return module
