"""Looking at single records, and at what a document would pick. Here alone people are named."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypedDict

from rosterd.web.desk.applications import Level


class Row(TypedDict):
    """A record in one line."""

    id: str
    name: str
    status: str
    """active, or departed from the roster."""
    details: dict[str, str]


class Page(TypedDict):
    """Some records of one collection."""

    collection: str
    total: int
    offset: int
    rows: list[Row]


class Picked(TypedDict):
    """What a selection picks."""

    collection: str
    count: int
    of: int
    """Active records of the collection."""
    rows: list[Row]
    """The first ones."""


class Hit(TypedDict):
    """A record that was found."""

    collection: str
    id: str
    name: str
    details: dict[str, str]
    applications: list[str]
    """Those that see it now; those that were asked about."""


class Found(TypedDict):
    """What was found in each collection that was searched."""

    application: str | None
    totals: dict[str, int]
    hits: list[Hit]


class Reason(TypedDict):
    """One condition; with parts it holds when all do, or any of them (`either`)."""

    holds: bool
    says: str
    either: bool
    parts: list[Mapping[str, Any]]
    """Reasons again."""


class Why(TypedDict):
    """Why an application sees a record, or does not."""

    application: str
    collection: str
    id: str
    name: str
    sees: bool
    held: bool
    """Whether it is served from a former world, which this is about."""
    reason: Reason


class Preview(TypedDict):
    """What a permission would share of the roster that is served."""

    application: str
    known: bool
    """Whether the accepted config has that application; else it is taken for an enabled one."""
    refusal: str | None
    """Why it would get nothing all the same."""
    orgs: Level
    courses: Level
    counts: dict[str, int]
    now: dict[str, int]
    """The same counts of what it sees now; empty when it sees nothing."""
    roles: dict[str, int]
    withheld: list[str]
    masked: dict[str, str]
    shared: list[str]
    warnings: list[str]


class Looking(Protocol):
    """Single records, for people of the role operator.

    Whoever looks at single people is on record, with the application and without whom they sought.
    """

    async def select(self, collection: str, selection: Any, who: str) -> Picked:
        """What a document's selection picks; `selection` is its YAML as JSON values, or a text:
        "all", or a condition.
        """
        ...

    async def find(self, text: str, application: str | None, who: str) -> Found:
        """Users and classes: those an application sees, or all of the roster and who sees them."""
        ...

    async def explain(self, application: str, collection: str, sourced_id: str, who: str) -> Why:
        """Why the application sees the record, or does not."""
        ...

    async def explain_everywhere(self, collection: str, sourced_id: str, who: str) -> Sequence[Why]:
        """The same for every application, by name; those that are served a former roster without
        the record are left out.
        """
        ...

    async def browse(
        self,
        collection: str,
        who: str,
        *,
        search: str = "",
        status: str = "active",
        sort: str = "",
        descending: bool = False,
        offset: int = 0,
        limit: int = 50,
    ) -> Page:
        """A page of the roster; status is active, departed or all. Only active ones can be sorted."""
        ...

    async def preview(self, text: str, who: str) -> Preview:
        """What this permission (its YAML) would share of the roster that is served."""
        ...
