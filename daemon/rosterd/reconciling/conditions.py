"""What a pass found, as conditions: for `rosterd status`, the console and metrics.

Each condition is a step of the pass with its answer: yes, no, or not known since an earlier step
failed. The reason is a word for machines; the message says what is wrong and who has to act.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from rosterd import errors, plans, statements

STEPS: Final = ("Fetched", "Descends", "Valid", "Vouched", "Applied")


@dataclass(frozen=True, slots=True)
class Condition:
    """One step; `fine` is None while it is not known. `since` is when its answer last changed."""

    type: str
    fine: bool | None
    reason: str
    message: str
    since: datetime

    def as_json(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "status": {True: "yes", False: "no", None: "unknown"}[self.fine],
            "reason": self.reason,
            "message": self.message,
            "since": moment(self.since),
        }


@dataclass(frozen=True, slots=True)
class Status:
    """Where reconciling stands; replaced whole after each pass."""

    reason: str
    """Applied when the newest commit is served; otherwise what stands in its way."""
    message: str
    since: datetime
    conditions: tuple[Condition, ...]
    candidate: str | None = None
    """The newest commit of the branch."""
    accepted: str | None = None
    """The commit that is served."""
    fetched: datetime | None = None
    """The last time that the repository could be asked."""
    applied: datetime | None = None
    proven: str = ""
    """What keys can say about the commit that is served."""
    people: tuple[str, ...] = ()
    plan: plans.Plan | None = None
    """Of the candidate while it waits, otherwise of the last change applied by this process."""
    problems: tuple[errors.Problem, ...] = ()
    """Of the candidate's documents; warnings of the served ones."""
    missing: tuple[statements.PathVerdict, ...] = ()
    """Paths that not enough people vouch for, and who does so far."""
    ignored: tuple[str, ...] = ()
    """Statements about these paths that count nothing, and why."""

    @property
    def current(self) -> bool:
        """Whether the newest commit is what is served."""
        return self.reason == "Applied"

    def as_json(self) -> dict[str, Any]:
        """JSON values for the control socket; counts of people below 10 are not told."""
        return {
            "reason": self.reason,
            "message": self.message,
            "since": moment(self.since),
            "candidate": self.candidate,
            "accepted": self.accepted,
            "fetched": moment(self.fetched),
            "applied": moment(self.applied),
            "proven": self.proven,
            "people": list(self.people),
            "conditions": [condition.as_json() for condition in self.conditions],
            "problems": [problem.as_json() for problem in self.problems],
            "missing": [
                {
                    "path": verdict.path,
                    "needed": verdict.needed,
                    "have": verdict.have,
                    "people": list(verdict.people),
                    "message": str(verdict),
                }
                for verdict in self.missing
            ],
            "ignored": list(self.ignored),
            "plan": None
            if self.plan is None
            else {"digest": self.plan.digest, **plans.as_json(self.plan)},
        }


class Stop(Exception):
    """A pass ends at `step`; whatever is served stays."""

    def __init__(
        self,
        step: str,
        reason: str,
        message: str,
        *,
        problems: tuple[errors.Problem, ...] = (),
        missing: tuple[statements.PathVerdict, ...] = (),
        ignored: tuple[str, ...] = (),
        plan: plans.Plan | None = None,
    ) -> None:
        super().__init__(message)
        self.step = step
        self.reason = reason
        self.message = message
        self.problems = problems
        self.missing = missing
        self.ignored = ignored
        self.plan = plan


def beginning(now: datetime) -> Status:
    """Before the first pass."""
    conditions = tuple(Condition(step, None, "Starting", "", now) for step in STEPS)
    return Status("Starting", "the repository has not been looked at yet", now, conditions)


def judged(status: Status, step: str, fine: bool | None, now: datetime) -> Status:  # noqa: FBT001 - the answer of a step
    """The status with the answer of one step, and of those before and after it that follow.

    Steps before it are fine, those after it are not known, unless it is the last and fine.
    """
    place = STEPS.index(step)
    conditions = []
    for old, name in zip(status.conditions, STEPS, strict=True):
        if STEPS.index(name) < place:
            new = replace(old, fine=True, reason=name, message="")
        elif name == step:
            new = replace(old, fine=fine, reason=status.reason, message=status.message)
        else:
            new = replace(old, fine=None, reason="Unknown", message="an earlier step failed")
        since = old.since if (old.fine, old.reason) == (new.fine, new.reason) else now
        conditions.append(replace(new, since=since))
    return replace(status, conditions=tuple(conditions))


def moment(time: datetime | None) -> str | None:
    """A moment as text: UTC, seconds."""
    return None if time is None else time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
