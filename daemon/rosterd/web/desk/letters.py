"""Letters to the developers of an application."""

from typing import Protocol, TypedDict


class Letter(TypedDict):
    """One letter, as it was or would be sent."""

    application: str
    template: str
    contact: int
    """Which of the Application document's developers reads it, from 1."""
    to: str
    subject: str
    text: str
    sent: bool
    link_ends: str | None
    """Until when its link shows key and secret; None when it has none. The link itself is in the
    sent letter alone."""


class Letters(Protocol):
    """Writing to developers."""

    async def write(
        self, application: str, template: str, to: str | None, who: str, *, preview: bool
    ) -> Letter:
        """Send it, on record under `who`; or, with `preview`, only show it."""
        ...
