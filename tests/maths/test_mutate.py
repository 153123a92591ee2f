"""dev.py mutate: each mutant is the file with one thing changed, and the file stays what it is."""

import ast

import mutate
import pytest
from host import ROOT

SOURCE = '''
def clipped(value, most=10):
    """A text with 3 numbers: 1 + 2."""
    if value > most and not value == 7:
        return f"{value + 1} is too much"
    return -value * 2
'''


def test_every_mutant_is_another_program():
    found = list(mutate.mutants(SOURCE))
    sources = [source for _, _, source in found]
    assert len(set(sources)) == len(sources) > 7
    assert all(ast.dump(ast.parse(source)) != ast.dump(ast.parse(SOURCE)) for source in sources)
    changed = {what for _, what, _ in found}
    assert {"value > most -> value >= most", "10 -> 11", "2 -> 3", "value == 7 -> value != 7"} <= changed
    assert not any("1 + 2" in what or "value + 1" in what for what in changed)  # texts stay


@pytest.mark.parametrize("file", mutate.TESTS)
def test_its_files_and_their_tests_are_there(file):
    assert (ROOT / file).is_file()
    assert all((ROOT / "tests" / "maths" / test).is_file() for test in mutate.TESTS[file])
