"""Which small changes of a pure file no test sees: `python dev.py mutate sampling/windows/fuse.py --most 60`.

Every mutant is the file with one operator, comparison, number or condition changed. ComfyUI is loaded once; for each
mutant a child of this process loads the pack with it, and runs the file's tests until one fails.
"""

import argparse
import ast
import copy
import importlib.abc
import importlib.util
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import host

TESTS = {
    "motion/camera_poses.py": ["test_camera_poses.py", "test_properties_texts.py"],
    "motion/convert.py": ["test_formats.py", "test_properties.py"],
    "motion/low_rank.py": ["test_low_rank.py", "test_training_layouts.py", "test_properties.py"],
    "sampling/sigmas/tables.py": ["test_sigmas_tables.py", "test_properties.py"],
    "sampling/values/indexed.py": ["test_values_indexed.py", "test_properties_texts.py"],
    "sampling/values/keyframes.py": ["test_values_schedules.py", "test_properties.py"],
    "sampling/values/lists.py": ["test_grid.py", "test_properties_texts.py"],
    "sampling/values/prompts.py": ["test_values_prompts.py", "test_properties_texts.py", "test_properties.py"],
    "sampling/values/schedules.py": ["test_values_schedules.py", "test_properties_texts.py", "test_properties.py"],
    "sampling/windows/blend.py": ["test_windows_blend.py", "test_properties.py"],
    "sampling/windows/fuse.py": ["test_windows_fuse.py", "test_properties.py"],
    "sampling/windows/plan.py": ["test_windows_plan.py", "test_properties.py"],
}
"""Pure file -> the files of tests/maths that hold it."""
SECONDS = 60
"""A mutant that runs longer is killed, too: it has no end."""
SWAPPED = {
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div},
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq},
    **{ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And},
    **{ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.MatMult: ast.Mult},
}


def mutants(source: str) -> Iterator[tuple[int, str, str]]:
    """(line, what was changed, the whole file with it)."""
    tree = ast.parse(source)
    quoted = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    guards = {id(word.value) for word in ast.walk(tree) if isinstance(word, ast.keyword) and word.arg == "strict"}
    nodes = [node for node in ast.walk(tree) if id(node) not in quoted | guards]
    for node in nodes:
        for before, change in changes(node):
            saved = copy.copy(vars(node))
            change()
            mutant, after = ast.unparse(tree), ast.unparse(node)
            vars(node).update(saved)
            yield node.lineno, f"{before} -> {after}", mutant


def changes(node: ast.AST) -> Iterator[tuple[str, object]]:
    """(the code as it is, what changes it), once for each way of changing that node."""
    before = ast.unparse(node) if isinstance(node, ast.expr | ast.AugAssign) else ""
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in SWAPPED:
        yield before, lambda: setattr(node, "op", SWAPPED[type(node.op)]())
    elif isinstance(node, ast.Compare):
        for index, op in enumerate(node.ops):
            if type(op) in SWAPPED:
                other = [*node.ops[:index], SWAPPED[type(op)](), *node.ops[index + 1 :]]
                yield before, lambda other=other: setattr(node, "ops", other)
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield before, lambda: setattr(node, "value", node.value + 1)
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        yield before, lambda: setattr(node, "value", not node.value)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield before, lambda: setattr(node, "op", ast.UAdd() if isinstance(node.op, ast.USub) else ast.UAdd())


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Gives the pack another source for one of its files."""

    def __init__(self, name: str, path: Path, source: str):
        self.name, self.path, self.source = name, path, source

    def find_spec(self, name, path, target=None):
        return importlib.util.spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_filename(self, name) -> str:
        return str(self.path)

    def get_data(self, path) -> bytes:
        return self.source.encode()

    def path_stats(self, path):
        raise OSError  # so that nothing is taken from, or put into, the cache of compiled files


def is_killed(file: str, source: str) -> bool:
    """Whether a test fails with that source in place of the file's."""
    child = os.fork()
    if child == 0:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        name = f"{host.PACK}.{file.removesuffix('.py').replace('/', '.')}"
        sys.meta_path.insert(0, Mutated(name, host.ROOT / file, source))
        import pytest

        tests = [str(host.ROOT / "tests" / "maths" / test) for test in TESTS[file]]
        words = [
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(host.ROOT),
            "-c",
            str(host.ROOT / "pyproject.toml"),
        ]
        os._exit(int(pytest.main([*words, *tests])))
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) != 0
        time.sleep(0.05)
    os.killpg(child, 9)
    os.waitpid(child, 0)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.py mutate", description=__doc__)
    parser.add_argument("files", nargs="*", metavar="FILE", help=f"of {', '.join(TESTS)} (all)")
    parser.add_argument("--most", type=int, default=10_000, help="so many mutants of each file, chosen by chance")
    words = parser.parse_args()
    host.enter_host(Path(os.environ["COMFYUI_DIR"]))
    for file in words.files or TESTS:
        source = (host.ROOT / file).read_text(encoding="utf-8")
        found = list(mutants(source))
        chosen = random.Random(0).sample(found, min(words.most, len(found)))
        if is_killed(file, source):
            sys.stdout.write(f"{file}: its tests fail as it is\n")
            return 1
        survived = [(line, what) for line, what, mutant in chosen if not is_killed(file, mutant)]
        for line, what in sorted(survived):
            sys.stdout.write(f"{file}:{line} survived: {what}\n")
        share = 100 * (1 - len(survived) / len(chosen))
        sys.stdout.write(f"{file}: {len(chosen) - len(survived)} of {len(chosen)} mutants killed ({share:.0f} %)\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
