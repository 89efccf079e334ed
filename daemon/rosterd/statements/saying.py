"""The bytes of a detached statement: what is signed, and what of it counts here and now.

One signature must have one reading only, so the payload is canonical JSON, and what is not exactly
the bytes that we would have written is refused.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rosterd import errors

NAMESPACE = "rosterd-statement"
"""The ssh signature namespace of detached statements: a git signature is none, nor the reverse."""
VERSION = 2
MOST_TRANSITIONS = 20_000
"""A detached statement about more paths is not read."""
SKEW = timedelta(minutes=5)
"""How far a signer's clock may be ahead of ours. One that is behind makes nothing count that should
not: the statement looks older than it is."""
HISTORY = ""
"""Stands for a path where somebody vouches for a rewritten history, from one commit to another. No
file has it."""

Blob = str | None
"""Object id of a file's content; None where there is no file."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One path going from one content to another."""

    path: str
    old: Blob
    new: Blob
    old_sha256: str | None = None
    """Hash of the content itself, so that a collision of git's object ids gains nothing; None when
    there is no file, or when the transition was read from a commit."""
    new_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """The payload of a detached statement, before anybody asked who signed it."""

    repository: str
    branch: str
    transitions: tuple[Transition, ...]
    """Of a rewritten history: how its newest tree differs from the accepted one, maybe nothing."""
    made: datetime
    """When it was signed, as the signer says."""
    not_after: datetime
    """Judged when it is to count, never by the date of a commit."""
    nonce: str
    """Makes a second approval of the same change another statement."""
    rewrite: tuple[str, str] | None = None
    """(accepted commit, new commit) of a history that was rewritten; then it vouches for that alone
    and for no change of a file."""


def payload(claim: Claim) -> bytes:
    """The canonical bytes that are signed: JSON, sorted keys, no spaces, UTF-8."""
    rewrite = {"from": claim.rewrite[0], "to": claim.rewrite[1]} if claim.rewrite else None
    return _canonical(
        {
            "v": VERSION,
            "repository": claim.repository,
            "branch": claim.branch,
            "made": claim.made.astimezone(UTC).strftime(_EXACT),
            "notAfter": claim.not_after.astimezone(UTC).strftime(_SECONDS),
            "nonce": claim.nonce,
            "transitions": [
                {
                    "path": change.path,
                    "old": change.old,
                    "new": change.new,
                    "old_sha256": change.old_sha256,
                    "new_sha256": change.new_sha256,
                }
                for change in sorted(claim.transitions, key=lambda change: change.path)
            ],
            **({"rewrite": rewrite} if rewrite else {}),
        }
    )


def parse(signed: bytes) -> Claim:
    """The claim in `signed`, which must be exactly the bytes that `payload` gives for it.

    Raises errors.InputError otherwise: two readings of one signature must not exist.
    """
    fields = _object(signed, "a statement's payload")
    try:
        if fields["v"] != VERSION:
            raise errors.InputError(f"cannot read a statement of version {fields['v']!r}")
        claim = Claim(
            repository=_text(fields["repository"]),
            branch=_text(fields["branch"]),
            transitions=_listed(fields["transitions"], least=0 if "rewrite" in fields else 1),
            made=_moment(fields["made"], _EXACT),
            not_after=_moment(fields["notAfter"], _SECONDS),
            nonce=_text(fields["nonce"]),
            rewrite=_rewrite(fields["rewrite"]) if "rewrite" in fields else None,
        )
        canonical = payload(claim)  # half a surrogate pair can be read, but not written
    except (KeyError, TypeError, ValueError) as error:
        raise errors.InputError("cannot read a statement: a member is missing or odd") from error
    if canonical != signed:
        raise errors.InputError("cannot read a statement: it is not in its canonical form")
    if len({change.path for change in claim.transitions}) != len(claim.transitions):
        raise errors.InputError("cannot read a statement: it names a path twice")
    return claim


def sealed(signed: bytes, signature: str) -> bytes:
    """The blob in which a detached statement is kept: its payload and the armored signature."""
    return _canonical({"payload": signed.decode(), "signature": signature})


def opened(blob: bytes) -> tuple[bytes, str]:
    """(payload, armored signature) of a kept statement; errors.InputError when it is none."""
    fields = _object(blob, "a statement")
    try:
        return _text(fields["payload"]).encode(), _text(fields["signature"])
    except (KeyError, TypeError, UnicodeEncodeError) as error:
        raise errors.InputError("cannot read a statement: payload or signature missing") from error


def refusal(claim: Claim, *, repository: str, branch: str, now: datetime) -> str | None:
    """Why a well-signed claim counts nothing here and now; None when it counts."""
    if claim.repository != repository:
        return f"it is for the repository {claim.repository!r}, not {repository!r}"
    if claim.branch != branch:
        return f"it is for the branch {claim.branch!r}, not {branch!r}"
    if now > claim.not_after:
        return f"it ended at {claim.not_after.strftime(_SECONDS)}"
    if claim.made > now + SKEW:
        return f"it says it was made at {claim.made.strftime(_SECONDS)}, which is still to come"
    return None


_SECONDS = "%Y-%m-%dT%H:%M:%SZ"
_EXACT = "%Y-%m-%dT%H:%M:%S.%fZ"
"""To the microsecond: an approval may follow at once on the change that it is about."""


def _canonical(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _object(text: bytes, what: str) -> dict[str, Any]:
    try:
        fields = json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise errors.InputError(f"cannot read {what}: it is not JSON in UTF-8") from error
    if not isinstance(fields, dict):
        raise errors.InputError(f"cannot read {what}: it is not a JSON object")
    return fields


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _hex(value: object, lengths: tuple[int, ...]) -> str | None:
    if value is None:
        return None
    text = _text(value)
    if len(text) not in lengths or not set(text) <= set("0123456789abcdef"):
        raise ValueError("not a hexadecimal digest")
    return text


def _moment(value: object, form: str) -> datetime:
    return datetime.strptime(_text(value), form).replace(tzinfo=UTC)


def _rewrite(value: Any) -> tuple[str, str]:
    old, new = _hex(value["from"], (40, 64)), _hex(value["to"], (40, 64))
    if old is None or new is None or old == new or set(value) != {"from", "to"}:
        raise ValueError("not two commits")
    return old, new


def _listed(value: object, least: int) -> tuple[Transition, ...]:
    if not isinstance(value, list) or not least <= len(value) <= MOST_TRANSITIONS:
        raise errors.InputError(
            f"a statement has to list 1 to {MOST_TRANSITIONS} transitions, not another number"
        )
    return tuple(_transition(item) for item in value)


def _transition(item: Any) -> Transition:
    change = Transition(
        path=_text(item["path"]),
        old=_hex(item["old"], (40, 64)),
        new=_hex(item["new"], (40, 64)),
        old_sha256=_hex(item["old_sha256"], (64,)),
        new_sha256=_hex(item["new_sha256"], (64,)),
    )
    if (change.old is None) != (change.old_sha256 is None):
        raise ValueError("a content without its hash")
    if (change.new is None) != (change.new_sha256 is None) or change.old == change.new:
        raise ValueError("a content without its hash, or no change")
    if change.path == HISTORY:
        raise ValueError("no path")
    return change
