"""The audit trail as a hash chain: each record names the digest of the one before.

Whoever keeps one head elsewhere can later prove that nothing before it was changed, left out or put
in. One chain holds everything an auditor asks about, so that no kind of record can be cut out of it
unseen. Entries are exact bytes, so that their digest can be taken again with nothing but sha256.

Nothing in an entry is a secret or names a person of a roster: it is handed to auditors as it is.
"""

import json
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

VERSION: Final = 2
"""Entries of version 1 were changes alone, without number, kind, actor and subject."""
DAEMON: Final = "rosterd"
"""The actor of what nobody asked for."""

KINDS: Final[Mapping[str, str]] = {
    "applied": "commit {commit:.12} was applied: {proven}",
    "rewritten": "{actor} took the history of {to:.12} in the place of {from:.12}: {reason}; {proven}",
    "keys": "people listed: {people}; {asks}; rosterd {version}",
    "credentials": "key and secret of {subject}: {what}",
    "revealed": "{actor} was shown key and secret of {subject}",
    "mailed": "{actor} wrote to contact {contact} of {subject}: {template}",
    "secret": "{actor} set the secret {subject} of {document}",
    "export-run": "{actor} had {subject} delivered by hand",
    "handed": "{actor} took files of {subject} as {template}, to bring them on by hand",
    "sftp-test": "{actor} tried to sign in at {subject}",
    "planned": "{actor} was shown the plan {plan:.12} of documents against {subject:.12}",
    "drift": "the stored documents were not those of commit {commit:.12} and were taken from git"
    " again: {paths}",
    "held": "{subject} stays as it was: {why}",
    "released": "{subject} is held no more: {why}",
    "stopped": "{subject} is refused while its change is held: {why}",
    "blocked": "{actor} blocked {subject}: {reason}",
    "unblocked": "{actor} let {subject} go on: {reason}",
    "roster-released": "{who} let an import of {subject} go that was held: {reason}",
    "received-taken": "{actor} took what was received from {subject} out of the daemon's keeping",
    "processed-taken": "{actor} took what the roster held of {subject} after import {import}",
    "import-run": "{actor} had {subject} imported by hand",
    "prepared": "{actor} had the branch {branch} prepared: {commit:.12}",
    "inquiry": "{actor} asked who had seen and received the records of {subject}",
    "looked": "{actor} looked at single records of {subject}: {what}",
    "carried-over": "actions that an earlier version kept without a chain",
}
"""Every kind of record -> the sentence that it states; braces name members of its entry."""

_FIXED: Final = frozenset(("v", "number", "previous", "kind", "actor", "subject", "time"))


@dataclass(frozen=True, slots=True)
class Note:
    """A record in the making: what its author knows. Number and digest come with the chain."""

    kind: str
    """One of KINDS."""
    actor: str
    """Who had it done: a person of the machine as the socket names them, or DAEMON."""
    subject: str
    """What it was done to, such as an application's name or a commit. Never a person of a roster."""
    time: datetime
    details: Mapping[str, Any] = field(default_factory=dict)
    """JSON values, by names that are not those every entry has."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"there is no kind of record {self.kind}")
        if self.time.tzinfo is None:
            raise ValueError("cannot record a time without a timezone")
        if taken := _FIXED & self.details.keys():
            raise ValueError(f"a record has {min(taken)} of its own")


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it is kept; number, previous, kind and time stand beside the entry again."""

    number: int
    """From 1, without a gap."""
    previous: str
    """Digest of the entry before, "" for the first."""
    head: str
    """sha256 of the entry: the chain's head while it is the last."""
    entry: bytes
    kind: str
    time: datetime

    def read(self) -> dict[str, Any]:
        """The entry's members; those of an old version under the names of this one.

        Raises ValueError when the bytes are no entry.
        """
        content = json.loads(self.entry)
        if not isinstance(content, dict):
            raise ValueError("not an object")  # noqa: TRY004 - what it reads is wrong, not its caller
        if content.get("v") == 1:
            old = {"kind": "applied", "actor": DAEMON, "subject": content.get("commit", "")}
            return {**old, "number": self.number, **content}
        return content


def record(note: Note, number: int, previous: str) -> Record:
    """The record that `note` becomes, behind the one with the digest `previous`.

    Text that is not Unicode (git takes any bytes for a name) is kept with its odd bytes replaced:
    nobody's strange name may keep a change from being recorded.
    """
    moment = text(note.time)
    entry = json.dumps(
        {
            **note.details,
            "v": VERSION,
            "number": number,
            "previous": previous,
            "kind": note.kind,
            "actor": note.actor,
            "subject": note.subject,
            "time": moment,
        },
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    ).encode("utf-8", "replace")
    when = datetime.fromisoformat(moment)
    return Record(number, previous, sha256(entry).hexdigest(), entry, note.kind, when)


def text(time: datetime) -> str:
    """A moment as entries have it: UTC, microseconds, one width."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def documents_digest(files: Mapping[str, bytes]) -> str:
    """sha256 that names a set of documents, path and bytes."""
    lines = (f"{sha256(files[path]).hexdigest()} {path}\n" for path in sorted(files))
    return sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


# ---------------------------------------------------------------- reading


class _Filled(string.Formatter):
    """Fills a sentence with an entry's members; what an entry does not have is a question mark."""

    def get_value(self, key: int | str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        value = kwargs.get(str(key))
        return "?" if value is None else _worded(value)


def sentence(kind: str, content: Mapping[str, Any]) -> str:
    """What a record says, in one line."""
    known = KINDS.get(kind)
    if known is None:
        return f"{kind}: {content.get('subject', '?')} (written by a newer rosterd)"
    return " ".join(_Filled().vformat(known, (), content).split())


def _worded(value: Any) -> str:
    if isinstance(value, Mapping):  # of person -> keys the names are enough in one line
        parts = (
            str(name) if isinstance(item, list) else f"{name} {_worded(item)}"
            for name, item in value.items()
            if item != {}
        )
        return ", ".join(parts)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


# ---------------------------------------------------------------- proving


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a check: the records that hold, and the first that does not."""

    count: int
    """Records from the first on that are as they were written, as far as the chain can say."""
    head: str
    """Digest of the last of these; "" for none."""
    bad: int | None = None
    """Place in the chain, from 1, of the first record that is wrong."""
    problem: str = ""

    @property
    def fine(self) -> bool:
        return self.bad is None


def verify(records: Iterable[Record]) -> Verdict:
    """Check a chain from its first record on.

    Each has to have its digest, to follow the one before, and to say beside its entry what the
    entry says. What stands behind a wrong record cannot be told from it, so the first one ends it.
    """
    last, count = "", 0
    for place, each in enumerate(records, start=1):
        problem = _problem(each, place, last)
        if problem is not None:
            return Verdict(count, last, place, problem)
        last, count = each.head, place
    return Verdict(count, last)


def place_of(records: Iterable[Record], head: str) -> int | None:
    """The number of the record with this digest, None when there is none."""
    return next((each.number for each in records if each.head == head), None)


def _problem(each: Record, place: int, last: str) -> str | None:
    if each.number != place:
        return f"number {each.number} stands where number {place} has to be"
    if sha256(each.entry).hexdigest() != each.head:
        return "its entry does not have the digest that stands beside it"
    try:
        content = each.read()
        stated = datetime.fromisoformat(content["time"])
        late = abs(each.time - stated)
    except (ValueError, KeyError, TypeError, RecursionError):
        return "its entry cannot be read"
    if not content.get("previous") == each.previous == last:
        return "it does not follow the record before it"
    for name, beside in (("number", each.number), ("kind", each.kind)):
        if content.get(name) != beside:
            return f"its row says {name} {beside}, its entry {content.get(name)}"
    # Version 1 wrote milliseconds into entries, and microseconds beside them.
    if late >= timedelta(milliseconds=1 if content.get("v") == 1 else 0.001):
        return f"its row says {text(each.time)}, its entry {content['time']}"
    return None
