"""What the pack's files use of ComfyUI, as lines of nodes/host_names.txt.

`python tests/support/host_uses.py` writes that file anew, where COMFYUI_DIR names a ComfyUI.
"""

import ast
import os
from pathlib import Path

import torch
from host import ROOT, enter_host, import_pack

LIST = ROOT / "nodes" / "host_names.txt"

FILES = [
    ROOT / "__init__.py",
    *(path for room in ("nodes", "motion", "sampling", "training") for path in (ROOT / room).rglob("*.py")),
]
EVERYWHERE = {name for kind in (dict, list, str, bytes, set, tuple, Path) for name in dir(kind)}


def methods(host_names) -> dict[str, set[str]]:
    """{method: its full names} of the classes that objects of the host have, as far as no other object has it."""
    others = EVERYWHERE | set(dir(torch.Tensor)) | set(dir(torch.nn.Module)) | set(dir(torch)) | own_names(host_names)
    found = {}
    for kind in host_names.GIVEN:
        for name in dir(host_names.resolved(kind)):
            if not name.startswith("__") and name not in others:
                found.setdefault(name, set()).add(f"{kind}.{name}")
    return found


def own_names(host_names) -> set[str]:
    """What classes of the pack define that are no classes of the host's."""
    names = set()
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        hosts = host_names.host_imports(tree)
        for kind in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
            if not any(host_names.dotted(base, hosts) for base in kind.bases):
                names |= {each.name for each in kind.body if isinstance(each, ast.FunctionDef)}
                names |= {each.target.id for each in kind.body if isinstance(each, ast.AnnAssign)}
    return names


def lines() -> list[str]:
    from animatediff_native.nodes import host_names  # which conftest, or main, has imported

    found: dict[str, host_names.Use] = {}
    given = methods(host_names)
    for path in FILES:
        for name, use in host_names.used(path, given).items():
            found.setdefault(name, host_names.Use()).add(**vars(use))
    return sorted(use.line(name) for name, use in found.items())


def main() -> None:
    enter_host(Path(os.environ["COMFYUI_DIR"]))
    LIST.write_text("", encoding="utf-8")
    import_pack()
    LIST.write_text("\n".join(lines()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
