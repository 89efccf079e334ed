"""What an auditor is told, read from the store and the journal beside a daemon that goes on.

Both answers are JSON values, so that the control socket, the commands and the page say the same.
Times are ISO 8601 in UTC. An answer about a person has no value of that person's record: it names
applications, members, times and commits.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pyroaring import BitMap

from rosterd import errors, storage
from rosterd.disclosures import background, pseudonyms, tracing
from rosterd.oneroster import model

Answer = background.Answer
_ORDER: Final = {name: place for place, name in enumerate(("users", "demographics", "enrollments"))}


# ---------------------------------------------------------------- an application at a time


def view(store: storage.Store, application: str, moment: datetime) -> Answer:
    """What an application could see at a moment. Raises errors.InputError when nobody knew it."""
    told = [each for each in store.sights() if each.time <= moment]
    standings = store.standings(application, told[-1].number) if told else []
    if not standings:
        raise errors.InputError(
            f"cannot tell what {application} could see at {_text(moment)}: it was not known then"
        )
    sight, (since, standing) = told[-1], standings[-1]
    period = store.periods()[sight.period]
    commit = standing.commit or period.commit
    return {
        "application": application,
        "at": _text(moment),
        "revision": sight.number,
        "since": _text(next(each.time for each in told if each.number == since)),
        "refusal": standing.refusal or None,
        "commit": commit or None,
        "people": background.vouched(store).get(commit, []),
        "generation": standing.generation or period.generation or None,
        "records": _counts(store, application, sight.number),
        "levels": json.loads(standing.levels),
        "fields": json.loads(standing.rules),
    }


def _counts(store: storage.Store, application: str, until: int) -> dict[str, int]:
    """Collection -> records; a row counts by the newest sight that has it.

    Rows of a former line of generations were all told to be gone when it ended.
    """
    counts: dict[str, int] = {}
    known: set[int] = set()  # audiences that were looked at
    theirs: set[int] = set()  # those with this application
    for name in model.COLLECTIONS:
        decided, count = BitMap(), 0
        for number, rows in reversed(list(store.sightings(name, until))):
            fresh = rows - decided
            if not fresh:
                continue
            decided |= rows
            partition = store.sighting(name, number).partition()
            fresh_marks = store.audiences(set(partition.marks) - known)
            known.update(fresh_marks)
            theirs.update(mark for mark, names in fresh_marks.items() if application in names)
            count += partition.having(theirs).intersection_cardinality(fresh)
        counts[name] = count
    return counts


@dataclass(frozen=True, slots=True)
class Turn:
    """What an application could see from a moment on: collection -> records."""

    time: datetime
    cause: str
    records: Mapping[str, int]


def turns(store: storage.Store, application: str, limit: int) -> list[Turn]:
    """The newest moments at which the numbers of its records changed, the oldest first.

    Each collection is gone through once, so it costs about as much as one look at the whole past.
    """
    sights = {each.number: each for each in store.sights()}
    counts: dict[int, dict[str, int]] = {}
    for name in model.COLLECTIONS:
        seen = BitMap()
        for number, rows in store.sightings(name):
            partition = store.sighting(name, number).partition()
            audiences = store.audiences(partition.marks)
            marks = {mark for mark, readers in audiences.items() if application in readers}
            before = len(seen)
            seen = (seen - rows) | partition.having(marks)
            if len(seen) != before:
                counts.setdefault(number, {})[name] = len(seen)
    found: list[Turn] = []
    now = dict.fromkeys(model.COLLECTIONS, 0)
    for number in sorted(counts):
        now.update(counts[number])
        turn = Turn(sights[number].time, sights[number].cause, dict(now))
        if found and found[-1].time == turn.time:
            found.pop()  # a roster that is built anew is first told gone, at the same moment
        if not found or found[-1].records != turn.records:
            found.append(turn)
    return found[-limit:]


# ---------------------------------------------------------------- one person


def student(
    store: storage.Store,
    folder: Path,
    named: pseudonyms.Pseudonyms,
    sourced_id: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Answer:
    """Who could see and who did receive the records of one person; `folder` is the journal's.

    Raises errors.InputError when nobody ever saw a person of that id.
    """
    found = store.people([named.digest(sourced_id)])
    if not found:
        raise errors.InputError(
            "cannot tell anything of this sourcedId: no application could ever see such a person"
        )
    known = background.Background.read(store, folder)
    rows = tracing.Rows.of(store, known, found)
    seen = [each for each in tracing.seen(store, known, rows) if each.within(since, until)]
    received = [each for each in tracing.received(store, known, rows) if each.within(since, until)]
    commits = {each.commit for each in received}
    applications = []
    spans: dict[str, list[tracing.Seen]] = {}
    for span in seen:
        spans.setdefault(span.application, []).append(span)
    receipts: dict[str, list[tracing.Received]] = {}
    for receipt in received:
        receipts.setdefault(receipt.application, []).append(receipt)
    for name in sorted(spans.keys() | receipts.keys()):
        could_see = _could_see(known, spans.get(name, ()))
        commits.update(commit for entry in could_see for commit in entry["commits"])
        applications.append(
            {
                "application": name,
                "could_see": could_see,
                "did_receive": _did_receive(receipts.get(name, ())),
            }
        )
    return {
        "since": _maybe(since),
        "until": _maybe(until),
        "recorded_since": _maybe(min((each.time for each in known.sights.values()), default=None)),
        "applications": applications,
        "commits": {
            commit: list(known.people.get(commit, ())) for commit in sorted(commits) if commit
        },
    }


def _could_see(known: background.Background, told: Iterable[tracing.Seen]) -> list[Answer]:
    """One entry for each collection and span, with the members by version."""
    entries = [
        {
            "records": each.collection,
            "from": _text(begun),
            "to": _maybe(ended),
            "fields": fields,
            "commits": known.commits(each.application, begun, ended),
        }
        for each in told
        for begun, ended, fields in _ruled(known, each)
    ]
    return sorted(entries, key=lambda entry: (entry["from"], _ORDER[entry["records"]]))


def _ruled(
    known: background.Background, seen: tracing.Seen
) -> Iterator[tuple[datetime, datetime | None, Answer]]:
    """A span, cut where the field rules of its collection became others."""
    begun = seen.begun
    fields: Answer = {}
    for number, others in known.rules(seen.application, seen.collection):
        if seen.last is not None and number >= seen.last:
            break
        if number > seen.first:
            yield begun, known.sights[number].time, fields
            begun = known.sights[number].time
        fields = others
    yield begun, seen.ended, fields


def _did_receive(told: Iterable[tracing.Received]) -> list[Answer]:
    """One entry for each way, with the first and the last time."""
    ways: dict[tuple[str, str, str, str], list[tracing.Received]] = {}
    for each in told:
        ways.setdefault((each.collection, each.form, each.version, each.fields), []).append(each)
    entries = [
        {
            "records": collection,
            "by": form,
            "version": version,
            "first": _text(min(each.begun for each in found)),
            "last": _text(max(each.ended for each in found)),
            "rosters": len({each.generation for each in found}),
            "fields": json.loads(fields),
            "commits": list(dict.fromkeys(each.commit for each in found if each.commit)),
        }
        for (collection, form, version, fields), found in ways.items()
    ]
    return sorted(entries, key=lambda entry: (entry["first"], _ORDER[entry["records"]]))


def _text(moment: datetime) -> str:
    # as exact as it is kept: who asks for the moment at which something began gets it
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _maybe(moment: datetime | None) -> str | None:
    return None if moment is None else _text(moment)
