"""Letters to the developers of an application."""

from collections.abc import Mapping
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


class Possible(TypedDict):
    """A kind of letter, and why it cannot be written now; "" when it can."""

    template: str
    refusal: str


class Letterbox(TypedDict):
    """What can be written about one application, and who would read it."""

    application: str
    server: bool
    """Whether the settings name a mail server."""
    readers: list[Mapping[str, str]]
    """Its developers, name and email each; the first one signed it up."""
    templates: list[Possible]


class Letters(Protocol):
    """Writing to developers."""

    async def letterbox(self, application: str) -> Letterbox:
        """What can be written. Raises errors.InputError when there is no such application."""
        ...

    async def write(
        self, application: str, template: str, to: str | None, who: str, *, preview: bool
    ) -> Letter:
        """Send it, on record under `who`; or, with `preview`, only show it."""
        ...
