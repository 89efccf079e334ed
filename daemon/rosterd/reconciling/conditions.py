"""What a pass found, as conditions: for `rosterd status`, the console and metrics.

Each condition is a step of the pass with its answer: yes, no, or unknown, which means that this
pass ended before it asked. The reason is a word for machines; the message says what is wrong and
who has to act.

A pass asks in another order than people read: first whether the branch goes on from what was
accepted (told under Vouched: nobody vouched for a rewritten history), then Valid, then Vouched,
because how many people are needed depends on what the documents say. Ready is no step: it says
whether what is served is what the newest commit says.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

from rosterd import errors, plans, statements

STEPS: Final = ("Fetched", "Vouched", "Valid", "Planned", "Guarded", "Applied", "Ready")
KEPT: Final = 50
"""Ends of passes that are remembered."""

Trigger = Literal["start", "poll", "file event", "webhook", "operator", "earlier run"]
"""What woke the loop; `earlier run` stands for what was applied before this process began."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One step; `fine` is None while it is unknown. `since` is when its answer last changed."""

    type: str
    fine: bool | None
    reason: str
    message: str
    since: datetime
    seen: str | None = None
    """The newest commit of the branch when this was judged."""
    applied: str | None = None
    """The commit that was served then."""

    @property
    def status(self) -> str:
        """The answer as a word."""
        return {True: "yes", False: "no", None: "unknown"}[self.fine]

    def as_json(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "status": self.status,
            "reason": self.reason,
            "message": self.message,
            "since": moment(self.since),
            "seen": self.seen,
            "applied": self.applied,
        }


@dataclass(frozen=True, slots=True)
class Ended:
    """How a pass ended that ended differently from the one before it."""

    time: datetime
    candidate: str | None
    reason: str
    message: str
    trigger: Trigger

    def as_json(self) -> dict[str, Any]:
        return {
            "time": moment(self.time),
            "candidate": self.candidate,
            "reason": self.reason,
            "message": self.message,
            "trigger": self.trigger,
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
    behind: datetime | None = None
    """Since when the branch has been ahead of what is served; None when it is not."""
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

    def condition(self, step: str) -> Condition:
        """The condition of one step."""
        return self.conditions[STEPS.index(step)]

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


_Answer = tuple[bool | None, str, str]


def judged(
    status: Status,
    asked: Collection[str],
    stopped: str | None,
    now: datetime,
    *,
    roster: bool,
    config: bool = True,
    held: Collection[str] = (),
) -> Status:
    """The status with the answers of one pass.

    `asked` are the steps that it came to, `stopped` the one that ended it; None means that the
    newest commit is applied, and then every step is fine, today or when it was applied. `roster`
    and `config` say whether there is one to serve, `held` which applications are held.
    """
    new = []
    for old in status.conditions[:-1]:
        if old.type == stopped:
            answer: _Answer = (False, status.reason, status.message)
        elif stopped is None or old.type in asked:
            answer = (True, old.type, status.message if old.type == "Applied" else "")
        else:
            answer = (None, "NotAsked", f"not asked: {stopped} ended the pass")
        new.append(_answered(old, answer, status, now))
    status = replace(status, conditions=(*new, status.conditions[-1]))
    return readied(status, now, roster=roster, config=config, held=held)


def readied(
    status: Status,
    now: datetime,
    *,
    roster: bool,
    config: bool = True,
    held: Collection[str] = (),
) -> Status:
    """The status with what an import can change between two passes: the answer of Ready, and who is
    held. A commit may be applied although it is held for somebody: so Guarded stays a yes.
    """
    if status.accepted is None or not roster or not config:
        what = "no roster is imported yet"
        if status.accepted is None:
            what = "no commit is accepted yet"
        elif not config:
            what = f"{status.accepted[:12]} was accepted, but is not in the store as it was"
        answer: _Answer = (False, "NothingServed", f"nothing is served: {what}")
    elif status.current:
        answer = (True, "Ready", "the newest commit is served")
    elif status.candidate in (None, status.accepted):
        message = f"{status.accepted[:12]} is served; whether there is a newer one is not known"
        answer = (None, status.reason, message)
    else:
        answer = (False, status.reason, f"{status.accepted[:12]} is served, not the newest commit")
    *others, ready = status.conditions
    others = [
        replace(each, message=_holding(held)) if each.type == "Guarded" and each.fine else each
        for each in others
    ]
    return replace(status, conditions=(*others, _answered(ready, answer, status, now)))


def _holding(held: Collection[str]) -> str:
    if not held:
        return ""
    many = "1 application is" if len(held) == 1 else f"{len(held)} applications are"
    return f"{many} held: {', '.join(sorted(held))}"


def _answered(old: Condition, answer: _Answer, status: Status, now: datetime) -> Condition:
    fine, reason, message = answer
    since = old.since if (old.fine, old.reason) == (fine, reason) else now
    return Condition(old.type, fine, reason, message, since, status.candidate, status.accepted)


def moment(time: datetime | None) -> str | None:
    """A moment as text: UTC, seconds."""
    return None if time is None else time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
