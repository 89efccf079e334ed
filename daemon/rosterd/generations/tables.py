"""One collection while a generation is built: the rows, what they say, and what becomes of them.

Two steps. `absorb` takes what a delivery says and compares it with what is known; it is the hot
loop of an import. `link` then judges all rows, also those of other sources: which are active, which
references are left out, which records therefore change without having been delivered. So an org
that one source drops takes along the enrollments that another one brought, and gives them back.
"""

import itertools
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import orjson
from pyroaring import BitMap

from rosterd.generations import columns, edges, layout, linking, mapped, segments
from rosterd.oneroster.csv import rows

Record = dict[str, Any]
_WANTED = bytes((0, 1, 1)) + bytes(253)
_ACTIVE = bytes((0, 1)) + bytes(254)


class Notes(Protocol):
    """Where problems of rows go: line, code, and the member at fault (never a value)."""

    def row(self, collection: str, line: int, code: str, member: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class Import:
    """What all tables of one build have to know."""

    number: int
    """Of the generation."""
    source: int
    """Index of the source that delivers."""
    gone: frozenset[int]
    """Sources that are declared no more: their rows may be taken over."""
    additions_only: bool = False
    """Whether rows that the delivery removes stay, until an import without this."""


class Table:
    """The rows of one collection, those of the former generation first."""

    def __init__(
        self,
        folder: Path,
        name: str,
        former: mapped.Table | None,
        writer: columns.Writer,
        others: Mapping[str, "Table"],
    ) -> None:
        self.name = name
        self.folder = folder
        self.former = former
        self._others = others
        self._singles = linking.singles(name)
        self._lists = linking.lists(name)
        self.ids: list[str] = former.ids() if former else []
        self.index: dict[str, int] = dict(zip(self.ids, itertools.count()))
        status = bytes(former.section("status")) if former else b""
        self.before = status.translate(_ACTIVE)
        self.wanted = bytearray(status.translate(_WANTED))
        self.status = bytearray(status)
        self.source = mapped.copied("H", former, "source")
        self.changed = mapped.copied("I", former, "changed")
        self.segments = segments.Segments(folder, name, former)
        self.gathered = columns.Gathered(name, writer)
        self._render = segments.renderer(name)
        self._raw = {
            field: mapped.copied("I", former, f"raw:{field}") for field, _ in self._singles
        }
        self._raws = {field: edges.delivered(former, field) for field, _ in self._lists}
        found = {**others, name: self}  # a user's agents are users
        self._single_members = [
            ("sourcedId" if name == "demographics" else field, raw, found[target].index.get)
            for (field, target), raw in zip(self._singles, self._raw.values(), strict=True)
        ]
        self._list_members = [
            (field.partition(".")[0], raws.changed, found[target].index.get)
            for (field, target), raws in zip(self._lists, self._raws.values(), strict=True)
        ]
        self._unresolved = BitMap(former.bitmap("unresolved")) if former else BitMap()
        self.pruned = BitMap(former.bitmap("pruned")) if former else BitMap()
        self.staying = BitMap(former.bitmap("staying")) if former else BitMap()
        """Rows that were removed, and stay."""
        self._left = BitMap()
        self.written = BitMap()
        self.repaired = BitMap()
        self.lines = array("I", bytes(4 * len(self.ids)))
        self.delivered = 0
        self._alive: dict[str, bytes] = {}
        self._edges: dict[str, tuple[array[int], array[int]]] = {}

    # -- what is known

    def alive(self, sourced_id: str) -> bool:
        """Whether there is an active record of this id; right once the table is linked."""
        row = self.index.get(sourced_id)
        return row is not None and self.status[row] == layout.ACTIVE

    def known(self, sourced_id: str) -> Record | None:
        """The record of this id as it was delivered last, wanted or not."""
        row = self.index.get(sourced_id)
        return None if row is None else self.segments.loaded(row)

    def owned(self, source: int) -> Iterable[int]:
        """Rows that a source wants."""
        pairs = zip(itertools.count(), self.wanted, self.source, strict=False)
        return (row for row, wanted, owner in pairs if wanted and owner == source)

    def active(self) -> bytes:
        return bytes(self.status).translate(_ACTIVE)

    # -- what a delivery says

    def absorb(
        self, delivered: Iterable[rows.Row], work: Import, untold: frozenset[str], notes: Notes
    ) -> None:
        """Take rows in. `untold` are members that stay as they are known."""
        number, source, gone = work.number, work.source, work.gone
        index, lines, wanted, owners = self.index, self.lines, self.wanted, self.source
        dumps, segment, write = orjson.dumps, self.segments, self._write
        fresh, stay = array("I"), BitMap()
        for line, record, status, _ in delivered:
            self.delivered += 1
            row = index.get(record["sourcedId"])
            if row is not None and owners[row] != source:
                if wanted[row] and owners[row] not in gone:
                    notes.row(self.name, line, "other-source", "sourcedId")
                    continue
                owners[row] = source
            if status != "active":
                if row is not None:
                    lines[row] = line
                    if work.additions_only and wanted[row]:
                        stay.add(row)
                    else:
                        wanted[row] = 0
                continue
            if row is not None and untold:
                old = segment.loaded(row)
                record |= {name: old[name] for name in untold if name in old}
            data = dumps(record)
            if row is None:
                row = self._new(record["sourcedId"], source)
                write(row, record, data, number, new=True)
                fresh.append(row)
            elif (old_data := segment.record(row)) != data and orjson.loads(old_data) != record:
                write(row, record, data, number, new=False)
                fresh.append(row)
            wanted[row], lines[row] = 1, line
        self._cut()
        self.staying |= stay
        self._left = stay
        self.written.update(fresh)
        self.gathered.store()

    def forget_missing(self, source: int, *, additions_only: bool = False) -> None:
        """A bulk file was the whole set: what it does not name is deleted."""
        lines, wanted = self.lines, self.wanted
        for row in list(self.owned(source)):
            if not lines[row]:
                if additions_only:
                    self.staying.add(row)
                else:
                    wanted[row] = 0

    def begin(self, source: int, *, additions_only: bool) -> None:
        """Before anything is absorbed: rows that only stayed go, unless they may stay on. Whoever
        is delivered again comes back at once.
        """
        for row in [row for row in self.staying if self.source[row] == source]:
            if not additions_only:
                self.wanted[row] = 0
                self.staying.remove(row)

    def return_of(self, stayed: Iterable[int]) -> None:
        """Rows that only stayed, and that the file names as active again, have come back."""
        self.staying -= BitMap(row for row in stayed if self.lines[row] and row not in self._left)

    def _new(self, sourced_id: str, source: int) -> int:
        row = len(self.ids)
        if row == len(self.wanted):
            self._make_room()
        self.ids.append(sourced_id)
        self.index[sourced_id] = row
        self.source[row] = source
        return row

    def _make_room(self) -> None:
        """Lengthen all arrays at once; `absorb` cuts off what was not needed."""
        room = 4096
        self.wanted += bytes(room)
        self.status += bytes(room)
        for items in (self.source, self.changed, self.lines, *self._raw.values()):
            items.frombytes(bytes(room * items.itemsize))

    def _cut(self) -> None:
        size = len(self.ids)
        del self.wanted[size:], self.status[size:]
        for items in (self.source, self.changed, self.lines, *self._raw.values()):
            del items[size:]

    def _write(self, row: int, record: Record, data: bytes, number: int, *, new: bool) -> None:
        newer, older = self._render(record)
        if new:
            self.segments.add(newer, older, data)
        else:
            self.segments.put(row, newer, older, data)
        self.gathered.take(row, record)
        self.changed[row] = number
        if not self._refer(row, record):
            self._unresolved.add(row)
        elif not new:
            self._unresolved.discard(row)

    def _refer(self, row: int, record: Record) -> bool:
        """Look up the references of a row; whether all are known. Others are looked up again, when
        the rows that come later are there.
        """
        complete = True
        for member, raw, get in self._single_members:
            value = record.get(member)
            if value is None:
                raw[row] = linking.NONE
            else:
                raw[row] = found = get(value, -1) + linking.SHIFT
                complete = complete and found != linking.UNKNOWN
        for member, changed, get in self._list_members:
            value = record.get(member)
            if not value:
                changed[row] = ()
                continue
            if member == "roles":
                value = [role["org"] for role in value]
            changed[row] = raws = tuple([get(each, -1) + linking.SHIFT for each in value])
            complete = complete and linking.UNKNOWN not in raws
        return complete

    # -- what becomes of the rows

    def link(self, number: int, notes: Notes) -> None:
        """Decide which rows are active, and render again those whose references changed."""
        for row in list(self._unresolved):
            if self._refer(row, self.segments.loaded(row)):
                self._unresolved.discard(row)
        self._judge(notes)
        self._prune(number, notes)
        for row in linking.rows_of(self._flipped()):
            self.changed[row] = number

    def _judge(self, notes: Notes) -> None:
        good: linking.Flags = bytes(self.wanted)
        for field, target in (*self._singles, *self._lists):
            if (self.name, field) in linking.REQUIRED:
                alive = self._reaching(field, target)
                lost = linking.rows_of(linking.without(self.wanted, alive))
                self._note(lost, field, "dangling-reference", notes)
                good = linking.both(good, alive)
        self.status[:] = linking.statuses(self.wanted, good)

    def _reaching(self, field: str, target: str) -> linking.Flags:
        """Rows whose required reference leads to an active row, or may lack and does."""
        found, may_lack = self._lookup(target), (self.name, field) in linking.MAY_LACK
        if field in self._raw:
            raw = self._raw[field]
            alive = linking.alive(raw, found)
            absent = linking.without(b"\1" * len(raw), linking.present(raw))
            return linking.either(alive, absent) if may_lack else alive
        raws = map(self._raws[field].of, range(len(self.ids)))
        return bytes(any(map(found.__getitem__, raw)) or (may_lack and not raw) for raw in raws)

    def _lookup(self, target: str) -> bytes:
        return linking.lookup(self._others[target].active())

    def _note(self, lost: Iterable[int], field: str, code: str, notes: Notes) -> None:
        for row in lost:
            if self.lines[row]:
                notes.row(self.name, self.lines[row], code, field)

    def _prune(self, number: int, notes: Notes) -> None:
        """Build the edges of active rows, and render again what has other references than before.

        A fragment was made either with all references (rows written now) or with those of the
        former generation.
        """
        active = self.active()
        dangling = BitMap()
        for field, target in self._singles:
            raw, found = self._raw[field], self._lookup(target)
            alive = linking.both(linking.alive(raw, found), active)
            lost = linking.without(linking.both(linking.present(raw), active), alive)
            if any(lost):
                dangling.update(linking.rows_of(lost))
                self._note(linking.rows_of(lost), field, "dangling-left-out", notes)
            self._alive[field] = alive
            self._edges[field] = linking.single_edges(raw, alive)
        for field, target in self._lists:
            found, raws = self._lookup(target), self._raws[field]
            lost_rows, self._edges[field] = linking.list_edges(raws, found, active)
            dangling.update(lost_rows)
            self._note(lost_rows, field, "dangling-left-out", notes)
        for row in (dangling | self.pruned) & BitMap(linking.rows_of(active)):
            if row in self.written:
                if row in dangling:
                    self._repair(row, number)
            elif not self._same_edges(row):
                self._repair(row, number)
        self.pruned = (self.pruned - self.written - self.repaired) | dangling
        self.gathered.store()

    def _same_edges(self, row: int) -> bool:
        former = self.former
        if former is None or row >= former.rows or not self.before[row]:
            return False
        return edges.same(former, row, self._edges)

    def _repair(self, row: int, number: int) -> None:
        """Render a row as it is now: without the references that are not active."""
        data = self.segments.record(row)
        record = linking.pruned(self.name, orjson.loads(data), self._is_active)
        self.segments.put(row, *self._render(record), data)
        self.gathered.take(row, record)
        self.changed[row] = number
        self.repaired.add(row)

    def render_all(self, number: int) -> None:
        """Render every active row anew, after rosterd began to render otherwise."""
        for row in linking.rows_of(self.active()):
            if row not in self.written and row not in self.repaired:
                self._repair(row, number)
        self.gathered.store()

    def _is_active(self, target: str, sourced_id: str) -> bool:
        return self._others[target].alive(sourced_id)

    def _flipped(self) -> bytes:
        """Rows that became active or ceased to be."""
        now, before = self.active(), self.before.ljust(len(self.status), b"\0")
        return linking.either(linking.without(now, before), linking.without(before, now))

    # -- what is written

    @property
    def moved(self) -> bool:
        """Whether references to this collection may lead elsewhere than before."""
        return len(self.ids) > len(self.before) or any(self._flipped())

    @property
    def touched(self) -> bool:
        """Whether anything that is served changed, or who only stays did."""
        stayed = BitMap(self.former.bitmap("staying")) if self.former else BitMap()
        return bool(self.moved or self.written or self.repaired or self.staying != stayed)

    def close(self) -> layout.Table:
        """Write the arrays and the segments' ends; everything is on the disk afterwards."""
        names = self.segments.close()
        active = self.active()
        settled = self.former is not None and self.former.rows == len(self.ids)
        known = self.former.order if self.former is not None and settled else None
        arrays: dict[str, Any] = {
            "status": self.status,
            "source": self.source,
            "changed": self.changed,
            **self.segments.arrays(),
            **layout.id_arrays(self.ids, known),
            "active": BitMap(linking.rows_of(active)).serialize(),
            "pruned": self.pruned.serialize(),
            "unresolved": self._unresolved.serialize(),
            **({"staying": self.staying.serialize()} if self.staying else {}),
            **self._link_arrays(),
        }
        size, sections = layout.write_arrays(self.folder / f"{self.name}.arrays", arrays)
        return layout.Table(len(self.ids), sum(active), size, names, sections)

    def _link_arrays(self) -> edges.Arrays:
        arrays = edges.forward(self._edges)
        for field, target in self._singles:
            there = len(self._others[target].ids)
            arrays |= edges.single(field, self._raw[field], self._alive[field], there)
        for field, target in self._lists:
            there = len(self._others[target].ids)
            arrays |= edges.listed(field, self._raws[field], len(self.ids), self._edges, there)
        if self.name == "enrollments":
            arrays["class users"] = edges.class_users(arrays["inverse:class"], self._raw["user"])
        return arrays

    def abandon(self) -> None:
        """Let go of the files of a build that failed."""
        self.segments.abandon()
