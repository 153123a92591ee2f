"""Commands for users: `python custom_nodes/animatediff-native workflows FILE.json`.

Each is a `main(words) -> exit code` in a file of the pack, loaded when it is asked for. ComfyUI never reads this file.
"""

import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

ROOT = Path(__file__).resolve().parent
PACK = "animatediff_native"
COMMANDS = {
    "workflows": ("workflow_files.report", "why nodes of a workflow are red, and which files it needs"),
    "farm": ("farm.command", "many clips of one workflow, on every GPU there is"),
    "train": ("training.headless", "a training run that a Train node wrote down, on one GPU or on many"),
}
"""{command: (its file, what it does)}"""


def main(words: list[str]) -> int:
    if words[:1] in ([], ["-h"], ["--help"]):
        print(usage())
        return 0 if words else 2
    command, *rest = words
    if command not in COMMANDS:
        print(f"'{command}' is no command of this pack.\n\n{usage()}", file=sys.stderr)
        return 2
    enter_pack()
    return importlib.import_module(f"{PACK}.{COMMANDS[command][0]}").main(rest)


def usage() -> str:
    lines = [f"usage: python {Path(sys.argv[0])} COMMAND ...   (COMMAND --help says more)", ""]
    return "\n".join([*lines, *(f"    {name:12}{what}" for name, (_, what) in COMMANDS.items())])


def enter_pack() -> None:
    """Makes the pack a package without running its `__init__.py`, which needs ComfyUI around it.

    Its folder leaves `sys.path`, where Python has put it: `nodes/` would hide ComfyUI's nodes.py.
    """
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]
    spec = ModuleSpec(PACK, None, is_package=True)
    spec.submodule_search_locations = [str(ROOT)]
    sys.modules[PACK] = importlib.util.module_from_spec(spec)


if __name__ == "__main__":
    if sys.version_info < (3, 10):  # noqa: UP036  (an older one gets this sentence)
        sys.exit(
            f"Python 3.10 or newer is needed, and this is {sys.version.split()[0]}: take the one that runs ComfyUI."
        )
    sys.exit(main(sys.argv[1:]))
