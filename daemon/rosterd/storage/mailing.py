"""What the store keeps of letters and notices: links to credentials, and who was told what."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from rosterd.storage import records


@dataclass(frozen=True, slots=True)
class RevealLink:
    """A link that shows the secret of one key once; its token is never kept."""

    application: str
    digest: bytes
    """sha256 of the token."""
    key: str
    """The key that it is for: no other is ever shown by it."""
    made: datetime
    expires: datetime
    actor: str
    """Who had it sent."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What one receiver is told of one incident."""

    receiver: str
    key: str
    """Names the incident, for as long as it lasts."""
    incident: Mapping[str, Any]
    """What is told of it; JSON values."""
    begun: datetime
    tried: bool = False
    """Whether it may have been told: kept before it is sent."""
    told: datetime | None = None
    """When it was told last."""
    level: str = ""
    """How urgent it was then."""
    ended: datetime | None = None
    """When it was over; what remains is to tell that."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """How sending to one receiver goes."""

    receiver: str
    sent: datetime | None = None
    """When something reached it last."""
    failures: int = 0
    """Since then."""
    retry: datetime | None = None
    """Not before; None when nothing failed."""
    problem: str = ""


class Mailing(Protocol):
    """The part of a Store that is about letters and notices."""

    def reveal_links(self) -> Sequence[RevealLink]:
        """By application."""

    def keep_reveal_link(self, link: RevealLink, *, notes: Sequence[records.Note] = ()) -> None:
        """Keep it in place of any other of its application."""

    def spend_reveal_link(self, digest: bytes) -> RevealLink | None:
        """The link with this digest, which is gone from now on; None when there is none."""

    def drop_reveal_links(self, applications: Iterable[str]) -> None:
        """End those of these applications."""

    def notices(self) -> Sequence[Notice]:
        """All, by receiver and key."""

    def keep_notices(self, receiver: str, notices: Sequence[Notice]) -> None:
        """Make these all the notices of one receiver."""

    def receivers(self) -> Sequence[Receiver]:
        """All, by name."""

    def keep_receiver(self, receiver: Receiver) -> None:
        """Insert or replace it."""

    def forget_receivers(self, but: Iterable[str]) -> None:
        """Drop all others, and what they were told."""
