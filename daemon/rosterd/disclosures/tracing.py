"""The records of one person through all that is kept: who could see them, who received them.

Bitmaps are asked first and for all of the person's rows at once. On nearly every night they say
that nothing changed for this one, and the rest of that night stays packed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pyroaring import BitMap

from rosterd import sightings, storage
from rosterd.disclosures import background, receiving

Own = Mapping[tuple[int, str], frozenset[int]]
"""(line, collection) -> rows."""
Turns = Sequence[tuple[int, bool]]
"""(sight, whether an enrollment is this person's from then on), the oldest first."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An application could see at least one of the person's records of a collection.

    `first` and `last` are the sights that began and ended it, None while it goes on.
    """

    application: str
    collection: str
    begun: datetime
    ended: datetime | None
    first: int
    last: int | None

    def within(self, since: datetime | None, until: datetime | None) -> bool:
        """Whether any of it lies in [since, until)."""
        over = self.ended is not None and since is not None and self.ended <= since
        return not over and (until is None or self.begun < until)


@dataclass(frozen=True, slots=True)
class Received:
    """At least one of the person's records left by one way out of one (config, generation)."""

    application: str
    collection: str
    form: str
    version: str
    fields: str
    commit: str
    generation: int
    begun: datetime
    ended: datetime

    def within(self, since: datetime | None, until: datetime | None) -> bool:
        """Whether any of it may lie in [since, until)."""
        return (since is None or self.ended >= since) and (until is None or self.begun < until)


@dataclass(frozen=True, slots=True)
class Rows:
    """Where a person's records are. An enrollment can become another person's, so of those it is
    told when.
    """

    own: Own
    owned: Mapping[tuple[int, int], Turns]

    @classmethod
    def of(
        cls,
        store: storage.Store,
        known: background.Background,
        found: Iterable[tuple[int, str, int]],
    ) -> "Rows":
        """From the rows that the person's digest leads to."""
        own: dict[tuple[int, str], set[int]] = {}
        for line, collection, row in found:
            own.setdefault((line, collection), set()).add(row)
        owned: dict[tuple[int, int], list[tuple[int, bool]]] = {}
        for sight, rows, marks in store.belongings():
            line = known.line(sight)
            theirs = BitMap()
            users = own.get((line, "users"), set())
            if sightings.mentions(marks, users):
                theirs = sightings.Partition.unpacked(rows, marks).having(users)
            for (other, row), turns in owned.items():
                if other == line and row in rows and row not in theirs:
                    turns.append((sight, False))
            for row in theirs:
                owned.setdefault((line, row), []).append((sight, True))
        for line, row in owned:
            own.setdefault((line, "enrollments"), set()).add(row)
        return cls({key: frozenset(rows) for key, rows in own.items()}, owned)

    def theirs(self, line: int, collection: str, row: int, sight: int) -> bool:
        """Whether a row was this person's at a sight."""
        if collection != "enrollments":
            return True
        answer = False
        for since, owned in self.owned[line, row]:
            if since > sight:
                break
            answer = owned
        return answer


# ---------------------------------------------------------------- who could see


def seen(store: storage.Store, known: background.Background, rows: Rows) -> Iterator[Seen]:
    """Spans, each as long as can be."""
    for (line, collection), own in rows.own.items():
        spans: dict[str, list[tuple[int, int | None]]] = {}
        for row, audiences in _audiences(store, known, line, collection, own).items():
            if collection == "enrollments":
                audiences = _cut(audiences, rows.owned[line, row])  # noqa: PLW2901 - narrowed
            for span in sightings.spans(sorted(audiences.items())):
                spans.setdefault(span.reader, []).append((span.begun, span.ended))
        for application, found in spans.items():
            for first, last in _united(found):
                begun = known.sights[first].time
                ended = known.sights[last].time if last is not None else None
                yield Seen(application, collection, begun, ended, first, last)


def _audiences(
    store: storage.Store,
    known: background.Background,
    line: int,
    collection: str,
    own: frozenset[int],
) -> dict[int, dict[int, Sequence[str]]]:
    """Row -> sight -> audience from then on."""
    wanted = BitMap(own)
    found: dict[int, dict[int, Sequence[str]]] = {row: {} for row in own}
    for sight, changed in store.sightings(collection):
        if known.line(sight) != line or not (hit := changed & wanted):
            continue
        partition = store.sighting(collection, sight).partition()
        marks = {row: partition.mark(row) for row in hit}
        audiences = store.audiences({mark for mark in marks.values() if mark is not None})
        for row, mark in marks.items():
            found[row][sight] = audiences[mark] if mark is not None else ()
    return found


def _cut(audiences: Mapping[int, Sequence[str]], owned: Turns) -> dict[int, Sequence[str]]:
    """Audiences of an enrollment, without the times at which it was another person's."""
    turns = dict(owned)
    theirs = False
    audience: Sequence[str] = ()
    found: dict[int, Sequence[str]] = {}
    for sight in sorted({*audiences, *turns}):
        theirs = turns.get(sight, theirs)
        audience = audiences.get(sight, audience)
        found[sight] = audience if theirs else ()
    return found


def _united(spans: Iterable[tuple[int, int | None]]) -> list[tuple[int, int | None]]:
    """The same time in as few spans as can be."""
    found: list[tuple[int, int | None]] = []
    for begun, ended in sorted(spans, key=lambda each: each[0]):
        if found and (found[-1][1] is None or begun <= found[-1][1]):
            first, last = found[-1]
            found[-1] = first, None if last is None or ended is None else max(last, ended)
        else:
            found.append((begun, ended))
    return found


# ---------------------------------------------------------------- who did receive


def received(store: storage.Store, known: background.Background, rows: Rows) -> Iterator[Received]:
    """What left: as the store has it, and what is in the journal only."""
    last = {sight.period: number for number, sight in known.sights.items()}
    for (line, collection), own in rows.own.items():
        left = {
            (period, mark)
            for period, marks in _marks(store, collection, own).items()
            if known.periods[period].line == line
            for row, mark in marks.items()
            if rows.theirs(line, collection, row, last.get(period, 0))
        }
        by = store.received_by({mark for _, mark in left})
        pairs = {(period, channel) for period, mark in left for channel in by[mark]}
        pairs |= {
            (period, channel)
            for period, channel, late in store.late_receipts(collection)
            if known.periods[period].line == line
            for row in own
            if row in late and rows.theirs(line, collection, row, last.get(period, 0))
        }
        for period, channel in sorted(pairs):
            held, way = known.periods[period], known.channels[channel]
            begun, ended = known.taken[period, channel, collection]
            yield Received(
                way.application,
                collection,
                way.form,
                way.version,
                way.fields,
                held.commit,
                held.generation,
                datetime.fromisoformat(begun),
                datetime.fromisoformat(ended),
            )
        yield from _leaving(known, rows, line, collection, own)


def _leaving(
    known: background.Background, rows: Rows, line: int, collection: str, own: frozenset[int]
) -> Iterator[Received]:
    newest = max(known.sights, default=0)
    theirs = BitMap([row for row in own if rows.theirs(line, collection, row, newest)])
    for outflow in known.open:
        key = outflow.key
        if (key.line, key.collection) == (line, collection) and outflow.rows.intersect(theirs):
            taken = receiving.receipt(outflow)
            yield Received(
                key.application,
                collection,
                key.form,
                key.version,
                key.fields,
                key.commit,
                key.generation,
                taken.first,
                taken.last,
            )


def _marks(store: storage.Store, collection: str, own: frozenset[int]) -> dict[int, dict[int, int]]:
    """Period -> row -> its channels, as a mark; where a period says nothing of a row, its base
    does.
    """
    wanted = BitMap(own)
    marks: dict[int, dict[int, int]] = {}
    for kept in store.received(collection):
        told = dict(marks.get(kept.base, {})) if kept.base is not None else {}
        if hit := kept.rows & wanted:
            partition = kept.partition()
            told.update({row: mark for row in hit if (mark := partition.mark(row)) is not None})
        marks[kept.number] = told
    return marks
