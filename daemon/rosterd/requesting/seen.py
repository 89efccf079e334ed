"""What is known of one open request, for status, the console and the forge."""

from dataclasses import dataclass
from typing import Any, Literal

from rosterd import errors, plans

State = Literal["valid", "invalid", "conflict", "unreadable", "accepted", "unknown"]
"""`unreadable`: its files are such that no commit of them would be taken; `unknown`: it could not be
looked at this time, and nobody is told anything of it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One open request, judged against what is accepted."""

    number: int
    ref: str
    head: str
    state: State
    message: str = ""
    """Why there is no plan, or why it does without the roster."""
    people: tuple[str, ...] = ()
    """Listed people who vouch for its documents; with any of them it is planned on the roster."""
    plan: plans.Plan | None = None
    structure: plans.Plan | None = None
    """The plan of the documents alone, for everybody."""
    problems: tuple[errors.Problem, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For status and console; no counts, only names of warnings."""
        return {
            "number": self.number,
            "ref": self.ref,
            "head": self.head,
            "state": self.state,
            "message": self.message,
            "people": list(self.people),
            "live": self.plan is not None and self.plan.exposure is not None,
            "digest": self.plan.digest if self.plan is not None else None,
            "warnings": sorted({each.name for each in self.plan.warnings}) if self.plan else [],
            "problems": [str(problem) for problem in self.problems],
        }
