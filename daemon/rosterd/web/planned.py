"""Plans as operators see them: of open requests, and of documents that they send.

Shapes of JSON, as in `desk`. Counts of fewer than ten people are in none of them.
"""

from collections.abc import Mapping
from typing import Any, Literal, TypedDict


class Request(TypedDict):
    """One open pull or merge request."""

    number: int
    ref: str
    head: str
    state: Literal["valid", "invalid", "conflict", "unreadable", "accepted", "unknown"]
    message: str
    people: list[str]
    """Listed people who vouch for its documents."""
    live: bool
    """Whether it is planned on the roster."""
    digest: str | None
    warnings: list[str]
    """Names of the warnings of its plan."""
    problems: list[str]


class Requests(TypedDict):
    """The open requests, as they were last looked at."""

    on: bool
    """Whether the settings name any."""
    problem: str
    forge: str
    """What keeps the forge from being told."""
    open: list[Request]


class Plan(TypedDict):
    """What a change would mean; counts of fewer than ten people are not told."""

    commit: str | None
    """The accepted commit that it was compared with."""
    generation: int | None
    digest: str
    plan: Mapping[str, Any]
    text: str
    markdown: str
    warnings: list[str]
    """Of the documents: path:line:column and what is odd there."""
