"""The hash chain of what was applied: each entry names the digest of the one before.

Whoever keeps one head elsewhere can later prove that nothing before it was changed, left out or put
in. Entries are exact bytes, so that their digest can be taken again with nothing but sha256.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from rosterd import errors

VERSION = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry and its digest, which is the chain's head while it is the last."""

    content: bytes
    head: str


def entry(
    previous: str,
    *,
    commit: str,
    plan: str,
    proven: str,
    people: Iterable[str],
    rule: int,
    time: datetime,
    extra: dict[str, Any] | None = None,
) -> Entry:
    """The entry that follows `previous` ("" for the first).

    `proven` is what keys can say of the change, `rule` the number of people that was asked for.
    """
    content = json.dumps(
        {
            "v": VERSION,
            "previous": previous,
            "commit": commit,
            "plan": plan,
            "proven": proven,
            "people": sorted(people),
            "rule": rule,
            "time": time.astimezone(UTC).isoformat(timespec="milliseconds"),
            **(extra or {}),
        },
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    ).encode()
    return Entry(content, sha256(content).hexdigest())


def verify(entries: Iterable[tuple[str, str, bytes]]) -> str:
    """The head of a chain of (previous, head, content), the oldest first; "" for an empty one.

    Raises errors.InputError at the first entry that does not follow from the one before.
    """
    last = ""
    for number, (previous, head, content) in enumerate(entries, start=1):
        try:
            stated = json.loads(content)["previous"]
        except (ValueError, KeyError, TypeError) as error:
            raise errors.InputError(f"cannot read entry {number} of the chain") from error
        if sha256(content).hexdigest() != head:
            raise errors.InputError(f"entry {number} of the chain does not have its digest")
        if not stated == previous == last:
            raise errors.InputError(f"entry {number} of the chain does not follow the one before")
        last = head
    return last
