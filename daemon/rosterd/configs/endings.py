"""Which grants end soon, so that nobody is surprised at midnight.

A permission and an agreement each have a last day. Nobody has to commit anything for them to end,
which is why somebody has to be told before.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from rosterd.configs import grants

SOON: Final = 30
"""Days before its end from which on a grant is told of."""
URGENT: Final = 7
"""Days before its end from which on that is urgent."""


@dataclass(frozen=True, slots=True)
class Ending:
    """One last day of one application that lies ahead."""

    application: str
    what: Literal["permission", "agreement"]
    last: date
    days: int
    """Until that day; 0 is today."""

    @property
    def urgent(self) -> bool:
        """Whether a week or less is left."""
        return self.days <= URGENT

    def __str__(self) -> str:
        when = {0: "today", 1: "tomorrow"}.get(self.days, f"in {self.days} days")
        return (
            f"{self.application}: its {self.what} ends {when}, its last day is {self.last}; then"
            " it is refused"
        )


def endings(granted: Iterable[grants.Grant], today: date) -> tuple[Ending, ...]:
    """Those within a month, the nearest first. What is refused already ends no more."""
    found = []
    for grant in granted:
        if grant.refusal(today) is not None:
            continue
        name, agreement, permission = grant.application.name, grant.application.agreement, grant.permission  # fmt: skip
        if permission is not None and permission.expires is not None:
            last = permission.expires
            found.append(Ending(name, "permission", last, (last - today).days))
        if agreement is not None:
            last = agreement.expires
            found.append(Ending(name, "agreement", last, (last - today).days))
    near = [each for each in found if each.days <= SOON]
    return tuple(sorted(near, key=lambda each: (each.last, each.application, each.what)))
