"""An opened generation: pages for the vendors, and the backing of a Roster.

What is asked on each request is a slice of a mapped file. What is asked once for each permission
or filter (leaves, sorts) walks arrays, postings or one column, and the Roster remembers it. Nothing
here is kept for each record: no dict of ids, no object, no text.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from pyroaring import AbstractBitMap, BitMap, FrozenBitMap

from rosterd import errors, rosters
from rosterd.generations import asking, columns, layout, linking, mapped
from rosterd.oneroster import filters, model

_Values = tuple[str, ...]


def open_generation(folder: Path) -> "Generation":
    """The generation in a folder; InputError when it is damaged or of another format.

    Blocking, for some milliseconds. The folder may be removed while it is open.
    """
    try:
        contents = layout.decode((folder / layout.CONTENTS).read_bytes())
    except OSError as error:
        raise errors.InputError(f"cannot open the generation {folder.name}: {error}") from error
    tables = {name: mapped.Table(folder, name, table) for name, table in contents.tables.items()}
    return Generation(folder, contents, tables, asking.Reader(folder / layout.COLUMNS))


class Generation:
    """One immutable roster. Implements worlds.Pages; all methods may be called from any thread."""

    def __init__(
        self,
        folder: Path,
        contents: layout.Contents,
        tables: Mapping[str, mapped.Table],
        texts: asking.Reader,
    ) -> None:
        self.folder = folder
        self.number = contents.number
        self.contents = contents
        self.roster = rosters.Roster(_Backing(tables, texts))
        self._tables = tables
        self._changed = {name: table.changed for name, table in tables.items()}
        self._by_change: dict[str, Mapping[int, FrozenBitMap]] = {}

    @property
    def name(self) -> str:
        """The name of its folder, as the state remembers it."""
        return self.folder.name

    def fragments(self, collection: str, rows: Sequence[int], version: str) -> list[bytes]:
        """Stored JSON of the rows, each without its opening brace and dateLastModified."""
        return self._tables[collection].fragments(rows, version)

    def stretches(self, collection: str, rows: range, version: str) -> list[memoryview]:
        """The same of neighbours in few pieces, rendering.NEXT_BYTE between those within one."""
        return self._tables[collection].stretches(rows, version)

    def changed(self, collection: str, row: int) -> int:
        """Number of the generation in which the row's record or its being active last changed."""
        return self._changed[collection][row]

    def changes(self, collection: str, rows: Sequence[int]) -> Sequence[int]:
        """The same of many rows at once."""
        return mapped.of_rows(self._changed[collection], rows)

    def by_change(self, collection: str) -> Mapping[int, FrozenBitMap]:
        """Number of a generation -> active rows that last changed in it: few stand for all rows."""
        if collection not in self._by_change:
            active = self.roster.active[collection]
            self._by_change[collection] = mapped.by_change(self._tables[collection], active)
        return self._by_change[collection]

    def by_source(self, collection: str, rows: AbstractBitMap) -> Mapping[str, AbstractBitMap]:
        """Name of a source -> those of the rows that it brought."""
        names = self.contents.sources
        if len(names) == 1:
            return {names[0]: rows}
        source = self._tables[collection].section("source")
        found: dict[str, BitMap] = {}
        for row in rows:
            found.setdefault(names[source[row]], BitMap()).add(row)
        return found


class _Backing:
    """What a Roster asks; see rosters.Backing for what each method owes."""

    def __init__(self, tables: Mapping[str, mapped.Table], texts: asking.Reader) -> None:
        self._tables = tables
        self._texts = texts
        self._active = {name: table.bitmap("active") for name, table in tables.items()}
        self._pruned = {name: table.bitmap("pruned") for name, table in tables.items()}
        self._relations = {
            (name, field): tables[name].relation(f"starts:{field}", f"targets:{field}")
            for name, field in rosters.RELATIONS
        }
        self._inverses = {key: self._inverse(*key) for key in rosters.RELATIONS}

    def _inverse(self, collection: str, field: str) -> rosters.Relation:
        # The starts are counted in rows of the other end; it may have got rows since.
        return _grown(
            self._tables[collection].relation(f"inverse starts:{field}", f"inverse:{field}"),
            self._tables[rosters.RELATIONS[collection, field]].rows,
        )

    def active(self, collection: str) -> FrozenBitMap:
        return self._active[collection]

    def size(self, collection: str) -> int:
        return self._tables[collection].rows

    def dangling(self, collection: str) -> FrozenBitMap:
        """None: an import leaves such references out of records, fragments and values alike."""
        return FrozenBitMap()

    def relation(self, collection: str, field: str) -> rosters.Relation:
        return self._relations[collection, field]

    def inverse(self, collection: str, field: str) -> rosters.Relation:
        return self._inverses[collection, field]

    def class_users(self) -> rosters.Relation:
        table = self._tables["enrollments"]
        relation = table.relation("inverse starts:class", "class users")
        return _grown(relation, self._tables["classes"].rows)

    def row(self, collection: str, sourced_id: str) -> int | None:
        return self._tables[collection].row(sourced_id)

    def sourced_id(self, collection: str, row: int) -> str:
        return self._tables[collection].sourced_id(row)

    def record(self, collection: str, row: int) -> dict[str, Any]:
        record = self._tables[collection].loaded(row)
        if row in self._pruned[collection]:
            return linking.pruned(collection, record, self._is_active)
        return record

    def _is_active(self, collection: str, sourced_id: str) -> bool:
        row = self._tables[collection].row(sourced_id)
        return row is not None and row in self._active[collection]

    # -- leaves

    def leaf(self, collection: str, leaf: filters.Leaf, *, missing: bool) -> BitMap:
        path, active = leaf.path, self._active[collection]
        accepts = filters.predicate(leaf, missing=missing)
        if (quick := self._quickly(collection, leaf)) is not None:
            found, valued = quick
        elif _own_text(collection, path):
            found, valued = self._reading(collection, path, accepts)
        else:
            found, valued = BitMap(), BitMap()
            for values, rows in self._groups(collection, path):
                valued |= rows
                if accepts(values):
                    found |= rows
        if accepts(()):
            found |= active - valued
        return BitMap(found & active)

    def _reading(
        self, collection: str, path: model.FieldPath, accepts: Callable[[_Values], bool]
    ) -> tuple[BitMap, BitMap]:
        """Rows that a leaf accepts; rows that have a value, where those without are accepted too."""
        found, valued, asked = array("I"), array("I"), accepts(())
        for batch in self._texts.texts(collection, path.key):
            fine = {text for text in {text for _, text in batch} if accepts((text,))}
            found.extend([row for row, text in batch if text in fine] if fine else ())
            valued.extend([row for row, _ in batch] if asked else ())
        return BitMap(found), BitMap(valued)

    def _quickly(
        self, collection: str, leaf: filters.Leaf
    ) -> tuple[BitMap, FrozenBitMap | BitMap] | None:
        """(rows that a leaf accepts, rows that have a value), where no values need be read for it."""
        key = leaf.path.key
        if leaf.operator == "~" and _own_text(collection, leaf.path):
            rows = self._texts.containing(collection, key, filters.fold(leaf.value))
            return rows, rows  # who has no text contains nothing
        if key == "sourcedId" and leaf.operator not in ("=", "!="):
            table = self._tables[collection]
            if leaf.operator == "~":
                found = table.ids_with(filters.fold(leaf.value))
            else:
                found = table.ids_beyond(leaf.operator, leaf.value)
            return None if found is None else (found, self._active[collection])
        if leaf.operator not in ("=", "!="):
            return None
        equal = self._equal(collection, leaf)
        if equal is None or leaf.operator == "=":
            return None if equal is None else (equal, equal)
        valued = self._valued(collection, key)
        return None if valued is None else (BitMap(valued - equal), valued)

    def _equal(self, collection: str, leaf: filters.Leaf) -> BitMap | None:
        """Rows that `=` accepts, when there is a way that reads nothing else."""
        path = leaf.path
        if path.key == "sourcedId":
            row = self.row(collection, leaf.value)
            return BitMap() if row is None else BitMap([row])
        if (collection, path.key) in rosters.RELATIONS and not path.many:
            target = rosters.RELATIONS[collection, path.key]
            row = self.row(target, leaf.value)
            if row is None or row not in self._active[target]:
                return BitMap()
            return BitMap(self._inverses[collection, path.key].of(row))
        if _stored(collection, path) and not (path.many and "," in leaf.value):
            return self._texts.equal(collection, path.key, leaf.value)
        return None

    def _valued(self, collection: str, key: str) -> FrozenBitMap | BitMap | None:
        if key == "sourcedId":
            return self._active[collection]
        if (collection, key) in rosters.RELATIONS:
            return None
        return self._texts.valued(collection, key)

    def _groups(
        self, collection: str, path: model.FieldPath
    ) -> Iterator[tuple[_Values, FrozenBitMap | BitMap]]:
        """(values, rows that have just these): groups may repeat, and may hold inactive rows."""
        if path.key == "status":
            yield ("active",), self._active[collection]
        elif _posted(collection, path):
            yield from self._texts.postings(collection, path)
        elif (collection, path.key) in rosters.RELATIONS:
            yield from self._referring(collection, path)
        else:
            batches: dict[_Values, list[int]] = {}
            for row, values in self.column(collection, path):
                batches.setdefault(values, []).append(row)
                if len(batches) >= 4096:  # what many share is rarely spread; memory is bounded
                    yield from ((each, BitMap(rows)) for each, rows in batches.items())
                    batches = {}
            yield from ((each, BitMap(rows)) for each, rows in batches.items())

    def _referring(
        self, collection: str, path: model.FieldPath
    ) -> Iterator[tuple[_Values, BitMap]]:
        target = self._tables[rosters.RELATIONS[collection, path.key]]
        if not path.many:
            inverse = self._inverses[collection, path.key]
            for end in self._active[target.name]:
                if len(rows := inverse.of(end)):
                    yield (target.sourced_id(end),), BitMap(rows)
            return
        # Rows that refer to the same ones share their values: a school has hundreds of classes.
        relation = self._relations[collection, path.key]
        groups: dict[bytes, array[int]] = {}
        for row in self._active[collection]:
            if len(ends := relation.of(row)):
                groups.setdefault(bytes(ends), array("I")).append(row)
        for ends_bytes, rows in groups.items():
            ends = memoryview(ends_bytes).cast("I")
            yield tuple(target.sourced_id(end) for end in ends), BitMap(rows)

    # -- columns and orders

    def column(self, collection: str, path: model.FieldPath) -> Iterator[tuple[int, _Values]]:
        active = self._active[collection]
        known = columns.plan(collection)
        if path.key == "sourcedId":
            table = self._tables[collection]
            for row in active:
                yield row, (table.sourced_id(row),)
        elif (collection, path.key) in rosters.RELATIONS and not path.many:
            relation = self._relations[collection, path.key]
            target = self._tables[rosters.RELATIONS[collection, path.key]]
            for row in active:
                for end in relation.of(row):
                    yield row, (target.sourced_id(end),)
        elif path.key == "status" or _posted(collection, path) or path.key not in known.texts:
            yield from self._long(collection, path)
        else:
            for row, values in self._texts.column(collection, path.key):
                if row in active:
                    yield row, values

    def _long(self, collection: str, path: model.FieldPath) -> Iterator[tuple[int, _Values]]:
        active = self._active[collection]
        if (
            path.key == "status"
            or _posted(collection, path)
            or (collection, path.key) in rosters.RELATIONS
        ):
            for values, rows in self._groups(collection, path):
                for row in rows & active:
                    yield row, values
            return
        if path.key in ("dateLastModified", "children"):
            return  # neither is a record's own: worlds and pictures know them
        for row, values in self._texts.column(collection, path.key):
            if row in active:
                yield row, values

    def order(self, collection: str, path: model.FieldPath, *, descending: bool) -> "array[int]":
        active = self._active[collection]
        by_id = [row for row in self._tables[collection].order if row in active]
        if path.key == "sourcedId":
            return array("I", reversed(by_id) if descending else by_id)
        find = self._firsts if _own_text(collection, path) else self._ranks
        keys: Sequence[Any] = find(collection, path)
        absent = [row for row in by_id if not keys[row]]
        present = [row for row in by_id if keys[row]] if absent else by_id
        present.sort(key=keys.__getitem__, reverse=descending)
        return array("I", [*present, *absent])

    def _firsts(self, collection: str, path: model.FieldPath) -> list[str]:
        """By row, its text or "". Texts that several rows have are held once."""
        held = [""] * self._tables[collection].rows
        same: dict[str, str] = {}
        for batch in self._texts.texts(collection, path.key):
            for row, text in batch:
                held[row] = same.setdefault(text, text)
        return held

    def _ranks(self, collection: str, path: model.FieldPath) -> "array[int]":
        """By row, the rank of its first value by code points, from 1; 0 without a value.

        Ranks are kept, not texts: a million of them take four megabytes.
        """
        ranks = array("I", bytes(4 * self._tables[collection].rows))
        firsts: dict[str, array[int]] = {}
        if _posted(collection, path) or (collection, path.key) in rosters.RELATIONS:
            for values, rows in self._groups(collection, path):
                firsts.setdefault(values[0], array("I")).extend(rows)
        else:
            for row, values in self.column(collection, path):
                firsts.setdefault(values[0], array("I")).append(row)
        for rank, first in enumerate(sorted(firsts), 1):
            for row in firsts[first]:
                ranks[row] = rank
        return ranks

    def holdings(self, today: date | None) -> Iterator[rosters.Edge]:
        """Roles come from the values: each different list of roles once, then its users."""
        active, orgs = self._active["users"], self._relations["users", "roles.org"]
        dated = BitMap()
        for key in ("roles.beginDate", "roles.endDate") if today else ():
            for _, rows in self._texts.postings("users", _users_path(key)):
                dated |= rows
        for words, rows in self._texts.postings("users", _users_path("roles.role")):
            for row in (rows & active) - dated:
                for word, org in zip(words, orgs.of(row), strict=True):
                    yield word, org, row
        if today:
            yield from self._dated_holdings(dated & active, today.isoformat())

    def _dated_holdings(self, rows: BitMap, day: str) -> Iterator[rosters.Edge]:
        """Values do not say which date belongs to which role: only the records do."""
        orgs = self._relations["users", "roles.org"]
        for row in rows:
            for role, org in zip(self.record("users", row)["roles"], orgs.of(row), strict=True):
                if role.get("beginDate", "") <= day < role.get("endDate", "9999"):
                    yield role["role"], org, row


def _users_path(key: str) -> model.FieldPath:
    return columns.plan("users").posted[key]


def _stored(collection: str, path: model.FieldPath) -> bool:
    """Whether its values are texts of SQL."""
    known = columns.plan(collection)
    return path.key in known.texts or path.key in known.many or path.key.startswith("metadata.")


def _own_text(collection: str, path: model.FieldPath) -> bool:
    """Whether the path's values are a column of single texts."""
    return (
        path.key in columns.plan(collection).texts
        and not _posted(collection, path)
        and (collection, path.key) not in rosters.RELATIONS
    )


def _posted(collection: str, path: model.FieldPath) -> bool:
    known = columns.plan(collection)
    return path.key in known.posted or path.key in known.derived


def _grown(relation: rosters.Relation, rows: int) -> rosters.Relation:
    """The relation for that many rows; those that came later have no edges."""
    known = len(relation.starts) - 1
    if known >= rows:
        return relation
    starts = array("I", relation.starts)
    starts.extend([starts[-1] if len(starts) else 0] * (rows - known))
    return rosters.Relation(memoryview(starts), relation.targets)
