"""SECURITY.md names a test for each attack of whoever may push or reaches the console; the tests have
to be there.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "SECURITY.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("|") and line.count("|") == 4
    if not line.startswith(("| attack |", "|---"))
]


def _tests() -> set[str]:
    names = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                names.add(node.name)
    return names


def test_every_attack_names_tests_that_exist() -> None:
    there = _tests()
    named = {attack: re.findall(r"`(\w+)`", tests) for attack, _, tests in ROWS}

    assert len(named) == len(ROWS) >= 35
    assert {attack for attack, tests in named.items() if not tests} == set()
    assert {test for tests in named.values() for test in tests} - there == set()
