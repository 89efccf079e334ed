"""What was wrong with the last delivery is told by file and line, below the list of imports."""

from typing import Any

import pytest

from rosterd.cli import faults


def _import(number: int, source: str, problems: list[dict[str, Any]], **more: int) -> Any:
    counts = {"errors": 0, "warnings": 0, **more}
    return {"number": number, "source": source, "report": {"problems": problems}, **counts}


def _problem(path: str, line: int = 0, column: int = 0, message: str = "odd") -> dict[str, Any]:
    said = {"path": path, "line": line, "column": column, "message": message}
    return {**said, "severity": "error", "code": "x"}


def test_only_the_newest_import_of_each_source_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    faults.show(
        [
            _import(3, "sis", []),
            _import(2, "hr", [_problem("users.csv", 4, 2, "no\x1b[2J role")]),
            _import(1, "sis", [_problem("orgs.csv")]),
        ]
    )

    told = capsys.readouterr().out
    assert "import 2, of hr" in told
    assert "users.csv:4:2  error     no\ufffd[2J role" in told
    assert "orgs.csv" not in told


def test_many_problems_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    problems = [_problem("users.csv", line) for line in range(1, 31)]
    faults.show([_import(1, "sis", problems, errors=1_200, warnings=34)])

    told = capsys.readouterr().out
    assert told.count("users.csv:") == 20
    assert "and 1,214 more" in told


def test_an_import_that_never_ran_has_nothing_to_tell(capsys: pytest.CaptureFixture[str]) -> None:
    faults.show([{"number": 1, "source": "sis", "report": {}, "errors": 0, "warnings": 0}])

    assert not capsys.readouterr().out
