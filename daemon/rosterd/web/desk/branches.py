"""Putting documents that the console wrote into a branch, where the settings allow it."""

from collections.abc import Mapping
from typing import Protocol, TypedDict


class Clone(TypedDict):
    """Where branches can be prepared."""

    path: str | None
    """None when the settings name none."""
    refusal: str
    """Why none can be prepared; "" when one can."""


class Prepared(TypedDict):
    """A branch that a person takes over."""

    branch: str
    commit: str
    clone: str
    base: str
    """The accepted commit that it starts from."""


class Branches(Protocol):
    """Branches, never the one that is followed; their commits vouch for nothing."""

    async def clone(self) -> Clone:
        """Whether a branch can be prepared, and where."""
        ...

    async def prepare(self, application: str, files: Mapping[str, str], who: str) -> Prepared:
        """A branch with the two documents (path → text) of a new, disabled application; on record
        under `who`.
        """
        ...
