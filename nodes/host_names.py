"""Which names of ComfyUI this pack uses, and what is off on a ComfyUI that lacks one.

host_names.txt lists all of them, a line each:

    comfy.lora.load_lora(2, log_missing)    called with up to two values by position, and with log_missing by name
    comfy.lora.load_lora(2, ...)            called with values that are only known when it runs, too
    comfy.lora                              used in another way
    ?comfy.lora                             used where it is there

What is called on an object that the host gives (a MODEL's `add_wrapper_with_key`) stands under its class in GIVEN.
"""

import ast
import inspect
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import comfyui_version

PACK = Path(__file__).resolve().parents[1]
LIST = Path(__file__).with_suffix(".txt")
HOST = {
    *("comfy", "comfy_api", "comfy_execution", "comfy_extras", "comfyui_version"),
    *("execution", "folder_paths", "latent_preview", "node_helpers", "nodes", "server"),
}
GIVEN = (
    *("comfy.model_patcher.ModelPatcher", "comfy.model_base.BaseModel", "comfy.samplers.CFGGuider"),
    *("comfy.samplers.KSAMPLER", "comfy.sd.CLIP", "comfy.sd.VAE", "comfy.controlnet.ControlBase"),
    *("comfy.context_windows.IndexListContextHandler", "comfy.context_windows.IndexListContextWindow"),
    *("comfy.model_sampling.ModelSamplingDiscrete", "comfy.utils.ProgressBar", "server.PromptServer"),
)
"""Classes of the host's objects that the pack is handed."""

NOT_MISSED = {"comfy.controlnet.ControlBase.deepclone_multigpu", "comfy.multigpu.create_multigpu_deepclones"}
"""What older hosts lack, which have one GPU."""

log = logging.getLogger("animatediff")


@dataclass
class Use:
    """How a name is used, over all places."""

    optional: bool = False
    """Whether the pack asks whether it is there."""
    values: int | None = None
    """The most that it is called with by position; None where it is not called."""
    by_name: frozenset[str] = frozenset()
    open: bool = False
    """Whether it is also called with `*` or `**`."""

    def add(self, optional: bool = False, values: int | None = None, by_name: Iterable[str] = (), open: bool = False):
        self.optional |= optional
        self.values = self.values if values is None else max(self.values or 0, values)
        self.by_name |= frozenset(by_name)
        self.open |= open

    def line(self, name: str) -> str:
        words = [str(self.values), *sorted(self.by_name), *["..."] * self.open]
        return "?" * self.optional + name + (f"({', '.join(words)})" if self.values is not None else "")


def listed() -> dict[str, Use]:
    uses = {}
    for line in LIST.read_text(encoding="utf-8").split("\n"):
        if found := re.fullmatch(r"(\??)([\w.]+)(?:\((.*)\))?", line):
            optional, name, call = found.groups()
            count, *words = call.split(", ") if call else [None]
            by_name = frozenset(words) - {"..."}
            uses[name] = Use(bool(optional), count and int(count), by_name, "..." in words)
    return uses


def lost(uses: dict[str, Use]) -> dict[str, str]:
    """{name: what this ComfyUI has instead, as words that follow "ComfyUI 0.30.0"}."""
    found = {name: mismatch(name, use) for name, use in uses.items() if not use.optional}
    return {name: reason for name, reason in found.items() if reason}


def mismatch(name: str, use: Use) -> str | None:
    try:
        thing = resolved(name)
    except (ImportError, AttributeError):
        return f"has no {name}"
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):  # nothing that is called, or written in C
        return None
    if use.values is None:
        return None
    places = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    kinds = {each.kind for each in parameters}
    unknown = use.by_name - {each.name for each in parameters}
    if unknown and inspect.Parameter.VAR_KEYWORD not in kinds:
        return f"has a {name} without {', '.join(sorted(unknown))}"
    if use.values > len(places) and inspect.Parameter.VAR_POSITIONAL not in kinds:
        return f"has a {name} of {len(places)} values, not {use.values}"
    needed = [each.name for each in places[use.values :] if each.default is each.empty] + [
        each.name for each in parameters if each.kind == each.KEYWORD_ONLY and each.default is each.empty
    ]
    asked = set(needed) - use.by_name
    return f"has a {name} that asks for {', '.join(sorted(asked))}" if asked and not use.open else None


def resolved(name: str) -> object:
    """What a dotted name means. Raises ImportError or AttributeError."""
    first, *parts = name.split(".")
    thing, path = import_module(first), first
    for part in parts:
        path += f".{part}"
        if not hasattr(thing, part) and inspect.ismodule(thing) and hasattr(thing, "__path__"):
            import_module(path)
        thing = getattr(thing, part)
    return thing


def used(path: Path, methods: dict[str, set[str]]) -> dict[str, Use]:
    """The host's names in a file of the pack. methods: {method: its full names} in the classes of GIVEN.

    A method that two of these classes have is only seen where a class of ours has its own.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = host_imports(tree)
    uses = {name: Use(optional=name in NOT_MISSED) for name in names.values() if name not in HOST}

    def add(name: str, **how) -> None:
        uses.setdefault(name, Use(optional=name in NOT_MISSED)).add(**how)

    inner = {child.value for child in ast.walk(tree) if isinstance(child, ast.Attribute)}
    calls = {node.func: node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("hasattr", "getattr"):
            owner, attribute = dotted(node.args[0], names), node.args[1]
            if owner and isinstance(attribute, ast.Constant) and attribute.value != "instance":
                add(f"{owner}.{attribute.value}", optional=True)
        elif isinstance(node, ast.ClassDef):
            for base in filter(None, (dotted(base, names) for base in node.bases)):
                for name, how in overridden(node, base, methods):
                    add(name, **how)
        elif isinstance(node, (ast.Attribute, ast.Name)) and (node not in inner or node in calls):
            if name := dotted(node, names):
                add(name, **values_of(calls.get(node)))
            elif isinstance(node, ast.Attribute) and len(methods.get(node.attr, ())) == 1:
                add(*methods[node.attr], **values_of(calls.get(node), bound=1))
    return uses


def values_of(call: ast.Call | None, bound: int = 0) -> dict:
    """How something is called, as words of Use.add."""
    if call is None:
        return {}
    stars = [each for each in call.args if isinstance(each, ast.Starred)]
    keywords = {each.arg for each in call.keywords}
    return {
        "values": bound + len(call.args) - len(stars),
        "by_name": keywords - {None},
        "open": bool(stars) or None in keywords,
    }


def overridden(kind: ast.ClassDef, base: str, methods: dict[str, set[str]]) -> list[tuple[str, dict]]:
    """The methods of a host's class that a class of ours has instead: ComfyUI calls them with its own values."""
    found = []
    for method in (each for each in kind.body if isinstance(each, ast.FunctionDef)):
        if (name := f"{base}.{method.name}") in methods.get(method.name, ()):
            open = method.args.vararg is not None or method.args.kwarg is not None
            found.append((name, {"values": len(method.args.args), "open": open}))
    for call in (each for each in ast.walk(kind) if isinstance(each, ast.Call)):
        if ast.unparse(call.func) == "super().__init__":
            found.append((base, values_of(call)))
    return found


def host_imports(tree: ast.AST) -> dict[str, str]:
    """{name in the file: the host's full name}."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                if each.name.split(".")[0] in HOST:
                    names[each.asname or each.name.split(".")[0]] = (
                        each.name if each.asname else each.name.split(".")[0]
                    )
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module.split(".")[0] in HOST:
            names |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
    return names


def dotted(node: ast.AST, names: dict[str, str]) -> str | None:
    """The host's name that an expression spells; None where it spells none. What is set while ComfyUI runs
    (PromptServer.instance) ends it."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute) and node.attr != "instance" and (owner := dotted(node.value, names)):
        return f"{owner}.{node.attr}"
    return None


def imported(path: Path) -> set[Path]:
    """A file of the pack, and those that it imports, by way of others, too."""
    found, open = set(), [path]
    while open:
        found.add(path := open.pop())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                folder = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
                files = [folder.with_suffix(".py"), *(folder / f"{each.name}.py" for each in node.names)]
                open += [file for file in files if file.is_file() and file not in found]
    return found


@cache
def lost_here() -> dict[str, str]:
    """`lost` of the ComfyUI that runs."""
    return lost(listed())


def lost_to(path: Path) -> list[str]:
    """What is lost to a file of the pack, as `lost` says it. Where all is there, no file is read."""
    if not lost_here():
        return []
    methods: dict[str, set[str]] = {}
    for owner, _, method in (name.rpartition(".") for name in lost_here()):
        if owner in GIVEN:
            methods.setdefault(method, set()).add(f"{owner}.{method}")
    names = {name for file in imported(path) for name in used(file, methods)}
    return [reason for name, reason in lost_here().items() if name in names]


def working(names: Iterable[str], package: str) -> list[ModuleType]:
    """The modules of `package` that this ComfyUI has everything for. The others are named in the log."""
    modules, off, reasons = [], [], {}
    for name in names:
        path = PACK.joinpath(*package.split(".")[1:], *name.split(".")).with_suffix(".py")
        if reason := lost_to(path):
            off += re.findall(r'(?:node_id=|form\(\s*)"(\w+)"', path.read_text(encoding="utf-8")) or [name]
            reasons |= dict.fromkeys(reason)
        else:
            modules.append(import_module(f".{name}", package))
    if off:
        log.error("%s So these are off, and all others work: %s.", sentence(reasons), ", ".join(off))
    return modules


def sentence(reasons: Iterable[str]) -> str:
    return (
        f"AnimateDiff Native was made for another ComfyUI: {comfyui_version.__version__} {', and '.join(reasons)}. "
        "Update AnimateDiff Native; where it is the newest, open an issue with this line."
    )


def refuse(path: Path) -> None:
    """Raises ImportError where a name is lost to a file without which nothing works."""
    if reasons := lost_to(path):
        raise ImportError(sentence(reasons))
