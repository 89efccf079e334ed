"""How the daemon is, and what it makes of the repository it follows."""

from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol, TypedDict

from rosterd.web import planned

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Content type of what a monitoring program reads."""


class Missing(TypedDict):
    """A changed path that waits for statements."""

    path: str
    needed: int
    """Different people who have to vouch for it."""
    have: list[str]
    """Those whose statements count already."""


class Repository(TypedDict):
    """The config repository, as it was last looked at."""

    id: str
    branch: str
    looked: str | None
    """When it was last reached."""
    fetched: str | None
    """The branch's commit there."""
    state: Literal["applied", "waiting", "refused", "unreachable", "untrusted", "starting"]
    """`untrusted`: no root is pinned; `refused`: a person has to mend something first."""
    reason: str
    """One sentence, empty when all is applied."""
    missing: list[Missing]
    problems: list[str]
    """path:line:column and what is wrong there."""


class Served(TypedDict):
    """What vendors get now."""

    ready: bool
    commit: str | None
    applied: str | None
    people: list[str]
    """Those whose statements were counted for the commit; empty when it is unproven."""
    generation: int | None
    published: str | None
    today: str
    counts: dict[str, int]
    """Active records of each collection."""


class Source(TypedDict):
    """A source of the accepted config, and how its delivery is."""

    name: str
    state: Literal["waiting", "importing", "current", "held", "refused", "failed"]
    reason: str
    """Why nothing is read, empty when all is."""
    stale: str
    """Since when nothing was read, when its document calls that too long; else empty."""
    paused: bool
    """Whether its document says that nothing is read today: a blackout."""


class Condition(TypedDict):
    """A step of reconciling and its answer when the last pass ended."""

    type: str
    status: Literal["yes", "no", "unknown"]
    reason: str
    message: str
    since: str
    """When the answer last changed."""
    seen: str | None
    """The newest commit of the branch when this was judged."""
    applied: str | None
    """The commit that was served then."""


class Ended(TypedDict):
    """A pass that ended differently from the one before."""

    time: str
    candidate: str | None
    reason: str
    message: str
    trigger: str
    """What woke the loop."""


class Ending(TypedDict):
    """A grant that ends within a month."""

    application: str
    what: Literal["permission", "agreement"]
    last: str
    """Its last day."""
    days: int
    urgent: bool
    message: str


class Review(TypedDict):
    """How many people have to vouch for a change: for every one, by kind, by effect, in words."""

    people: int
    kinds: dict[str, int]
    effects: dict[str, int]
    words: str


class Moved(TypedDict):
    """Records of one collection; counts of few people are told as "<10"."""

    collection: str
    gain: int | str
    lose: int | str
    over: bool
    """Whether this is what is too much."""


class Held(TypedDict):
    """An application that is served as before, while a change of what it sees waits."""

    application: str
    since: str
    cause: Literal["documents", "roster", "day"]
    why: str
    stopped: str
    """Why it is not even served as before; empty while it is."""
    commit: str | None
    """The commit and the generation that it is served from."""
    generation: int | None
    collections: list[Moved]
    change: str
    release: str
    """What to commit to rosterd.yaml to let it go."""


class Blocked(TypedDict):
    """An application that was stopped on this machine."""

    application: str
    reason: str
    actor: str
    since: str
    drift: bool
    """Whether its documents say that it gets its part."""


class Suspended(TypedDict):
    """Nothing is applied or exported until a commit says so."""

    reason: str
    since: str
    days: int
    long: bool
    waiting: list[str]
    """Targets that are owed a delivery."""


class Unmet(TypedDict):
    """A delivery that waits until the application gets what it needs."""

    target: str
    why: list[str]


class Guards(TypedDict):
    """What keeps applications, or everything, from going on."""

    holds: list[Held]
    blocks: list[Blocked]
    suspended: Suspended | None
    frozen: str | None
    """Name of the freeze that is on."""
    unmet: list[Unmet]


class Status(TypedDict):
    """The daemon at a glance."""

    version: str
    started: str
    now: str
    review: Review
    """How many people have to vouch for a change, by the settings of this machine."""
    repository: Repository
    served: Served
    sources: list[Source]
    silent: list[str]
    """Loops that have not ticked in time."""
    conditions: list[Condition]
    history: list[Ended]
    """The newest first."""
    endings: list[Ending]
    """The nearest first."""
    warnings: list[str]
    """What somebody who administers the machine should look at."""
    guards: Guards
    requests: planned.Requests


class Standing(Protocol):
    """The daemon, and the way of a commit."""

    def status(self) -> Status: ...

    async def metrics(self) -> bytes:
        """Numbers for a monitoring program, in Prometheus' text format."""
        ...

    async def reconcile(self) -> Mapping[str, Any]:
        """Look at the repository now; gives the status after that pass."""
        ...

    async def accept_rewrite(
        self, former: str, newest: str, reason: str, who: str
    ) -> Mapping[str, Any]:
        """Take a rewritten history when enough people vouch for it; gives the status after that."""
        ...

    async def review(self, range_: str) -> Mapping[str, Any]:
        """Who vouches for the changes of a range of commits; "" is what waits to be accepted."""
        ...

    async def plan(self, files: Mapping[str, bytes], who: str) -> planned.Plan:
        """What these documents (path → content) would mean for the served roster."""
        ...
