"""What the store keeps of applications that are kept back from what is applied.

All of it is written whole with the swap that changes it: few applications are held at a time, and
what is written whole cannot be half of something.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Hold:
    """An application that is served from a former commit and generation."""

    application: str
    former: str
    """Its name in the documents of that commit."""
    commit: str
    generation: int
    day: date
    since: datetime
    stopped: str = ""
    """Why it is not even served from there; empty while it is."""


@dataclass(frozen=True, slots=True)
class Block:
    """An application that was stopped on this machine."""

    application: str
    reason: str
    actor: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Guards:
    """All holds and blocks there are. `day` is the one that is served; None before the first."""

    day: date | None = None
    holds: tuple[Hold, ...] = ()
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class Renames:
    """Former name -> name. What is kept about it goes on under the new one."""

    applications: Mapping[str, str] = field(default_factory=dict)
    targets: Mapping[str, str] = field(default_factory=dict)


class Guarded(Protocol):
    """The part of a Store that is about guards."""

    def guards(self) -> Guards:
        """As they were written last."""

    def kept_documents(self, commit: str) -> Mapping[str, bytes]:
        """Path -> content, of a commit that a hold is served from; empty for any other."""

    def generation_name(self, number: int) -> str | None:
        """The folder of a published generation."""
