"""What the store keeps, as frozen values.

Every time is an aware datetime in UTC; every digest is lower-case hexadecimal unless it is bytes.
Nothing here names a pupil: sourcedIds live in generations. What applications hold is bytes to the
store; in them are the tombstones that are told until a source's `retention` is over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from rosterd import chain

Note = chain.Note
Record = chain.Record


@dataclass(frozen=True, slots=True)
class Applied:
    """The config that is served: enough to start again when git is away."""

    commit: str
    documents: Mapping[str, bytes]
    """Path in the repository -> the file's bytes at `commit`."""
    plan: str
    """sha256 of the plan that led here."""
    people: tuple[str, ...]
    """Those whose statements were counted; empty when the change is unproven."""
    time: datetime
    revisions: Mapping[str, int]
    """Application -> revision of its view."""
    head: str = ""
    """Digest of the record of this change; the store makes it."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What has had its say with an applied change, so that it counts no more."""

    used: frozenset[str] = frozenset()
    """Digests of statements."""
    turned: frozenset[tuple[str, str | None, str | None]] = frozenset()
    """(path, content that it left, content that it came to); None where there is no file."""
    rewritten: tuple[str, str] | None = None
    """(accepted commit, new commit) when the history was rewritten."""


@dataclass(frozen=True, slots=True)
class Change:
    """One applied change, and what is on record about it."""

    number: int
    commit: str
    plan: str
    people: tuple[str, ...]
    time: datetime
    record: chain.Record


@dataclass(frozen=True, slots=True)
class Published:
    """A generation that was made the served one."""

    number: int
    name: str
    """Its folder."""
    time: datetime
    report: Mapping[str, object]
    """Counts as the import reported them; JSON values only."""


@dataclass(frozen=True, slots=True)
class Import:
    """One attempt to read a delivery of a source."""

    source: str
    delivery: str
    """Digest that tells this delivery from another."""
    state: Literal["imported", "unchanged", "held", "refused", "failed"]
    """held: it changes too much until somebody lets it go; refused: somebody has to mend the
    delivery; failed: the same delivery may work later."""
    started: datetime
    ended: datetime
    generation: int | None = None
    report: Mapping[str, object] | None = None
    """Per file: rows, added, changed, removed, errors, warnings, first problems. No values."""
    problem: str = ""
    number: int = 0
    """Counted by the store; 0 before it is kept."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A key and its sealed secret; the key's generation is what the Application document says."""

    application: str
    generation: int
    key: str
    """What the vendor sends as client id or consumer key; unique in the store."""
    secret: bytes
    """Ciphertext of the vault."""
    created: datetime
    retires: datetime | None = None
    """When it ends, once a newer one has taken over."""


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token; the token itself is never kept."""

    digest: bytes
    """sha256 of the token."""
    application: str
    scopes: tuple[str, ...]
    expires: datetime


@dataclass(frozen=True, slots=True)
class Secret:
    """A sealed value that a document names. It belongs to the one document it was set for."""

    name: str
    document: str
    """Kind and name, such as "SftpTarget/math-galaxy"."""
    value: bytes
    """Ciphertext of the vault."""
    time: datetime
    actor: str


RunState = Literal["running", "delivered", "failed", "refused", "superseded", "unchanged"]
"""running: begun, and left so by a crash; failed: tried again; refused: a person has to act before
this slot can leave; superseded: a later slot was delivered instead; unchanged: the very same file was
delivered before."""

FINAL: frozenset[RunState] = frozenset(("delivered", "superseded", "unchanged"))
"""States that nothing changes any more."""


@dataclass(frozen=True, slots=True)
class Run:
    """One slot of one SFTP target, whatever it took to deliver it."""

    target: str
    slot: str
    """Idempotency key of the delivery, unique for the target."""
    state: RunState
    attempt: int
    """Counts from 1."""
    started: datetime
    generation: int | None = None
    commit: str = ""
    application: str = ""
    name: str = ""
    """File name at the target; the same in every attempt."""
    sha256: str = ""
    bytes: int = 0
    rows: Mapping[str, int] | None = None
    """File of the bundle -> its rows."""
    ended: datetime | None = None
    problem: str = ""
    mode: Literal["bulk", "delta"] = "bulk"
    """Whether it held everything, or what was new since the delivery before."""


@dataclass(frozen=True, slots=True)
class Base:
    """What a target holds once a slot is delivered; bytes to the store."""

    target: str
    slot: str
    form: str
    """Tells apart where and in which form files go: under another one it holds nothing."""
    told: datetime
    """Up to this moment it was told of everything."""
    rows: bytes
    links: bytes
    maybe: bytes
    """Links that attempts before this one may have told, without anybody knowing."""


@dataclass(frozen=True, slots=True)
class Owed:
    """From when on a target is owed its slots, by which schedule."""

    target: str
    schedule: str
    """The schedule as text: another one owes nothing of the past."""
    since: datetime


@dataclass(frozen=True, slots=True)
class Access:
    """What one application did in one hour, coarsely: for people who look whether it works."""

    application: str
    kind: Literal["rest", "token", "sftp"]
    status: str
    """"200", "401", "delivered", …"""
    time: datetime
    """Of the last one."""
    count: int = 1
