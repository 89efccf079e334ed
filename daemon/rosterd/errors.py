"""Why a thing cannot go on, told by who has to act.

The class of an error decides what happens next, so no caller ever guesses from a text:

    RosterdError
    ├── InputError      an author mends a file; carries every problem found, each with its place
    ├── UnsafePlan      a person approves, or the candidate waits
    └── TemporaryError  nobody acts; the loop tries again later
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong at one place.

    `line` and `column` count from 1; 0 means that the whole file (or the whole line) is meant.
    `code` is a short stable word for machines, such as `unknown-field`.
    """

    path: str
    line: int
    column: int
    message: str
    code: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.line, self.column) if part)
        where = f"{self.path}:{place}" if place else self.path
        prefix = "warning: " if self.severity == "warning" else ""
        return f"{where}: {prefix}{self.message}"

    def as_json(self) -> dict[str, str | int]:
        """The same as a flat object for `--json`."""
        return {
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
        }


class RosterdError(Exception):
    """Everything rosterd raises on purpose."""


class InputError(RosterdError):
    """An author has to mend the input; `problems` holds all that was found, sorted by place."""

    def __init__(self, message: str, problems: Iterable[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(sorted(problems))

    def __str__(self) -> str:
        message = super().__str__()
        return "\n".join([message, *(f"  {problem}" for problem in self.problems)])


class UnsafePlan(RosterdError):
    """A person has to approve before this goes on; what is served stays."""


class TemporaryError(RosterdError):
    """Nobody has to act: the same attempt may succeed later.

    `retry_after` is the pause in seconds before it makes sense, when it is known.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
